#!/usr/bin/python
"""Packages at the versions that the stack lock says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_install
short_description: Install the locked versions
description:
  - Installs what is missing and raises what is older than the lock, in one transaction that has exactly the locked
    versions, dependencies too. What is newer than the lock is left as it is. Packages that the lock does not know come
    as the archive has them.
  - A version that today's archive has no more comes from the snapshot service's archive of the lock's date, which apt
    sees for this transaction only.
  - With O(look), nothing is changed but apt's lists; what cannot be had is in C(refused), for C(check_stack).
  - Services that run what was replaced are restarted; the processes of O(apps) are owed a renewal instead.
options:
  locked: {description: The locked versions by package., type: dict, required: true}
  missing: {description: Packages to install., type: list, elements: str, default: []}
  section: {description: "Name of the lock's section, for messages.", type: str, required: true}
  snapshot: {description: "Date of the archive's snapshot, C(20261125T000000Z); empty is none.", type: str, default: ""}
  snapshots:
    description: Snapshot services by the label or origin of an archive, each with C(url) and C(keyring).
    type: dict
    default: {}
  apps: {description: Applications whose units are renewed by role release., type: list, elements: str, default: []}
  look: {description: Only look whether all can be had., type: bool, default: false}
author: Samestack
"""

EXAMPLES = r"""
- name: Install the locked versions
  samestack.core.stack_install:
    section: debian-13-amd64
    locked: {nginx: 1.26.3-3+deb13u10}
    missing: [nginx]
"""

RETURN = r"""
refused: {description: What cannot be had., type: dict, returned: where O(look) is true}
raised: {description: "Packages with the version before and after.", type: dict, returned: success}
added: {description: New packages with their versions., type: dict, returned: success}
restarted: {description: Services that were restarted., type: list, elements: str, returned: where O(look) is false}
say: {description: What was done, in words., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.packages.apt import as_result
from ..module_utils.packages.change import LockedInstall, follow_up, words


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "locked": {"type": "dict", "required": True},
            "missing": {"type": "list", "elements": "str", "default": []},
            "section": {"type": "str", "required": True},
            "snapshot": {"type": "str", "default": ""},
            "snapshots": {"type": "dict", "default": {}},
            "apps": {"type": "list", "elements": "str", "default": []},
            "look": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    installation = LockedInstall(module.run_command, given)
    try:
        if given["look"] or module.check_mode:
            looked = installation.look()
            module.exit_json(changed=False, say=[], refused=installation.refused, **as_result(looked))
        done = installation.install()
        after = follow_up(module.run_command, given["apps"]) if done.raised else {}
    except HostError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    finally:
        installation.apt.close()
    unlocked = installation.unlocked(done)
    say = words(done, after) + ([f"Not locked, as the archive has them: {', '.join(unlocked)}"] if unlocked else [])
    if ahead := installation.ahead(done):
        say.append(f"Newer than the stack lock, as the machine's own parts of the same source are: {', '.join(ahead)}")
    module.exit_json(changed=bool(done.steps), say=say, **as_result(done), **after)


if __name__ == "__main__":
    main()
