#!/usr/bin/python
"""Put back the files that the last provision replaced."""

from __future__ import annotations

DOCUMENTATION = r"""
module: undo_provision
short_description: The last provision is taken back
description:
  - Puts the files, modes, owners and links back that M(system_state) kept before a run replaced them, removes what the
    run made, lets the programs concerned check the result before any service sees it, and then lets the services that
    used it take it up. Packages, users and databases stay.
  - A run is taken back once; the one before it is never touched by accident.
options:
  undo: {description: Id of the run to take back; empty only looks., type: str, default: ""}
  app: {description: Name of the application., type: str, required: true}
  run: {description: The current run; preflight's when left out., type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Find the last run on this host
  samestack.core.undo_provision:
    app: noticeboard
  register: found

- name: Put its files back
  samestack.core.undo_provision:
    app: noticeboard
    undo: "{{ found.last.id }}"
"""

RETURN = r"""
last: {description: The last run that changed files here; empty when there is none., type: dict, returned: success}
await_login: {description: Timer that takes the change back until a new login has worked., type: str, returned: success}
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.ledger import Run
from ..module_utils.system.restore import Restore
from ..module_utils.system.undo import runs, undone


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "undo": {"type": "str", "default": ""},
            "app": {"type": "str", "required": True},
            "run": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    known = runs()
    last = {**known[0], "undone": undone(known[0]["id"])} if known else {}
    wanted = [run for run in known if run["id"] == module.params["undo"]]
    if not wanted:
        module.exit_json(changed=False, last=last, say=[])
    about = wanted[0]
    record = Run(module.params["run"], module.params["app"])
    restore = Restore(about, module.params["app"], module.check_mode)
    try:
        record.require_lock()
        say = restore.run()
    except (HostError, OSError) as error:
        if not module.check_mode:
            record.fail(str(error), undone=about["id"])
        hint = getattr(error, "hint", "") or "Mend this and run it again."
        module.fail_json(msg=str(error), hint=hint, await_login=restore.way_back.await_login())
    if restore.changed and not module.check_mode:
        record.succeed(undone=about["id"], files=restore.paths)
    await_login = restore.way_back.await_login()
    module.exit_json(changed=restore.changed, last=last, say=say, diff=restore.diffs, await_login=await_login)


if __name__ == "__main__":
    main()
