#!/usr/bin/python
"""All packages of this machine are the newest that its archives have."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_upgrade
short_description: Packages are the newest
description:
  - Security and stable updates of all packages, never another release; nothing is taken away. Services that run what
    was replaced are restarted, the processes of O(apps) are owed a renewal instead.
options:
  apps: {description: Applications whose units are renewed by role release., type: list, elements: str, default: []}
  run: {description: The current run; preflight's when left out., type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Upgrade the packages
  samestack.core.stack_upgrade:
    apps: [noticeboard]
"""

RETURN = r"""
raised: {description: "Packages with the version before and after.", type: dict, returned: success}
added: {description: New packages with their versions., type: dict, returned: success}
kept_back: {description: Packages that apt would not upgrade., type: list, elements: str, returned: success}
restarted: {description: Services that were restarted., type: list, elements: str, returned: when not in check mode}
say: {description: What was done, in words., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.ledger import Run
from ..module_utils.packages.apt import Apt, as_result
from ..module_utils.packages.change import follow_up, upgrade, words


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "apps": {"type": "list", "elements": "str", "default": []},
            "run": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    apt = Apt(module.run_command)
    try:
        if not module.check_mode:
            Run(module.params["run"], "").require_lock()
        done = upgrade(apt, check=module.check_mode)
        # Also where nothing is to do: a run that was cut off may have left services behind.
        after = {} if module.check_mode else follow_up(module.run_command, module.params["apps"])
    except HostError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    verb = "Would raise" if module.check_mode else "Raised"
    say = words(done, after, verb) or ["Every package is the newest that the archives have"]
    changed = bool(done.steps or after.get("restarted"))
    module.exit_json(changed=changed, say=say, **as_result(done), **after)


if __name__ == "__main__":
    main()
