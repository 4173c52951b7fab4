#!/usr/bin/python
"""Freeze and unfreeze an environment, accept what it serves, close and open its site, or show what there is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: environment_state
short_description: An environment is frozen, its release accepted, its site closed
description:
  - C(freeze) closes the environment for every run that takes the deploy lock, C(unfreeze) opens it.
  - C(accept) records that somebody has looked at the release that serves.
  - C(close) lets nginx answer with a maintenance page (503), C(open) takes it away. Nothing is reloaded.
  - C(show) changes nothing and returns what there is, the ledger among it; as a table on the control node.
  - C(provisioned) records that the current run changed the machine, where it did, and what is on it now; with
    O(message), that it failed. C(upgraded) records which O(packages) it raised, with O(message) as what went wrong.
  - Each change is a line in the ledger.
options:
  verb: {description: What to do., type: str, required: true,
    choices: [show, freeze, unfreeze, accept, close, open, provisioned, upgraded]}
  message: {description: "Why; on a maintenance page, what visitors read.", type: str, default: ""}
  app: {description: Name of the application., type: str, required: true}
  environment: {description: Name of the environment., type: str, required: true}
  root: {description: "The application's folder; /srv/ and its name when left out.", type: path}
  packages: {description: "What was upgraded: package to (version before, after).", type: dict, default: {}}
  format: {description: How the ledger is shown., type: str, choices: [table, json], default: table}
  limit: {description: How many lines of the ledger the table has., type: int, default: 20}
  run: {description: The current run; preflight's when left out., type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Freeze the environment
  samestack.core.environment_state:
    verb: freeze
    message: The fair is on
    app: noticeboard
    environment: production
"""

RETURN = r"""
say: {description: What happened, in words., type: list, elements: str, returned: success}
state: {description: What there is to see., type: dict, returned: where the verb is C(show)}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.ledger import Run
from ..module_utils.common.secrets import guard
from ..module_utils.environment import acceptance, freeze, maintenance, record
from ..module_utils.environment.state import Environment

VERBS = {
    "freeze": freeze.freeze,
    "unfreeze": freeze.unfreeze,
    "accept": acceptance.accept,
    "close": maintenance.close,
    "open": maintenance.reopen,
    "provisioned": record.provisioned,
    "upgraded": record.upgraded,
}


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["show", *VERBS], "required": True},
            "message": {"type": "str", "default": ""},
            "app": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "root": {"type": "path"},
            "packages": {"type": "dict", "default": {}},
            "format": {"type": "str", "choices": ["table", "json"], "default": "table"},
            "limit": {"type": "int", "default": 20},
            "run": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    guard(module)
    given = module.params
    environment = Environment(Run(given["run"], given["app"]), given["root"] or f"/srv/{given['app']}")
    if given["verb"] == "show":
        module.exit_json(changed=False, state=environment.show())
    if module.check_mode:
        module.exit_json(changed=False, say=["Check mode: this verb does nothing"])
    environment.packages = given["packages"]
    try:
        changed, say = VERBS[given["verb"]](environment, given["message"])
    except HostError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    module.exit_json(changed=changed, say=say)


if __name__ == "__main__":
    main()
