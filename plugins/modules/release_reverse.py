#!/usr/bin/python
"""Take the database back to what an earlier release knows: plan it, do it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_reverse
short_description: The database has only what an earlier release knows
description:
  - C(planned) finds the release to go back to, the applied migrations that it does not know, whose code reverses them,
    what cannot be reversed, and whether the site has to close meanwhile. It changes nothing.
  - C(reversed) does what was planned, one run at a time and giving up where a table is in use.
extends_documentation_fragment: [samestack.core.release]
options:
  user: {description: User that runs the application., type: str, required: true}
  env_file: {description: Environment file of the application., type: path, required: true}
  state: {description: What is wanted., type: str, choices: [planned, reversed], required: true}
  release_id: {description: Release to go back to; empty is the last good one before., type: str, default: ""}
  database: {description: What to do with the database., type: str, choices: [reverse, keep, restore], default: reverse}
  confirmed: {description: Writing over the database with an older copy is meant., type: bool, default: false}
  tables:
    description: Tables that may be dropped with the rows that are in them.
    type: list
    elements: str
    default: []
  points: {description: "What M(restore_point) has listed.", type: list, elements: dict, default: []}
  live_path: {description: Folder with live code; there is no way back from that., type: str, default: ""}
  plan: {description: "What C(planned) returned.", type: dict, default: {}}
  patience: {description: Seconds to wait for another run that migrates., type: int, default: 10}
author: Samestack
"""

EXAMPLES = r"""
- name: Plan the rollback
  samestack.core.release_reverse:
    state: planned
    app: noticeboard
    root: /srv/noticeboard
    user: noticeboard
    env_file: /etc/noticeboard/env
"""

RETURN = r"""
plan:
  description: "target, live, action (nothing, reverse, keep, restore), closing, pointed, point, steps, names, drops."
  type: dict
  returned: planned
trouble: {description: Why it failed while the site was closed; empty otherwise., type: str, returned: reversed}
say: {description: What people want to know., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common import recorder
from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.ledger import read_ledger
from ..module_utils.common.secrets import guard
from ..module_utils.release.database.check import left_alone
from ..module_utils.release.database.rollback import run_plan
from ..module_utils.release.database.rollback_choice import decide
from ..module_utils.release.database.rollback_plan import Reversal


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            "user",
            "env_file",
            state={"type": "str", "choices": ["planned", "reversed"], "required": True},
            release_id={"type": "str", "default": ""},
            database={"type": "str", "choices": ["reverse", "keep", "restore"], "default": "reverse"},
            confirmed={"type": "bool", "default": False},
            tables={"type": "list", "elements": "str", "default": []},
            points={"type": "list", "elements": "dict", "default": []},
            live_path={"type": "str", "default": ""},
            plan={"type": "dict", "default": {}},
            patience={"type": "int", "default": 10},
        ),
        supports_check_mode=True,
    )
    guard(module)
    params = {**module.params, "dry": module.check_mode}
    try:
        if params["state"] == "planned":
            reversal = Reversal(params, read_ledger())
            reversal.choose()
            plan = reversal.plan()
            plan |= decide(plan, params["database"], params["confirmed"], params["points"])
            if plan["target"] == plan["live"] and plan["action"] == "nothing":
                raise HostError(
                    f"Release {plan['live']} is live already, and the database has nothing that it does not know.",
                    "Without `--to` it goes to the last good release before that.",
                )
            head = (
                f"Release {plan['live']} stays"
                if plan["live"] == plan["target"]
                else f"Back from {reversal.label(plan['live'])} to {reversal.label(plan['target'])}"
            )
            others = [left_alone(plan["others"], "taken back")] if plan["others"] else []
            module.exit_json(changed=False, plan=plan, say=[head, *plan["say"], *others])
        if module.check_mode:
            module.exit_json(changed=True, trouble="", say=[])
        say, trouble = run_plan(params)
    except HostError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    say += recorder.record(params["run"])
    module.exit_json(changed=not trouble, trouble=trouble, say=say)


if __name__ == "__main__":
    main()
