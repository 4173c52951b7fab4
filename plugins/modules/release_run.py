#!/usr/bin/python
"""Run commands of a release as the application, in its real environment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_run
short_description: Commands ran in the application's environment
description:
  - Runs shell commands one after the other in the folder of manage.py, with the release's own programs first on
    the path. Secrets reach them through systemd, never through arguments.
options:
  commands: {description: The commands., type: list, elements: str, required: true}
  release: {description: Id of the release., type: str, required: true}
  root: {description: The application's folder., type: path, required: true}
  user: {description: User that runs the application., type: str, required: true}
  groups: {description: Further groups of that user's processes., type: list, elements: str, default: []}
  env_file: {description: Environment file of the application., type: path, required: true}
author: Samestack
"""

EXAMPLES = r"""
- name: The database is migrated
  release_run:
    commands: [python manage.py migrate --noinput]
    release: 0a1b2c3d4e5f
    root: /srv/noticeboard
    user: noticeboard
    env_file: /etc/noticeboard/env
"""

RETURN = r"""
lines: {description: What the commands printed., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.release_check_steps import run
from ansible.module_utils.release_host import Place, ReleaseError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "commands": {"type": "list", "elements": "str", "required": True},
            "release": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            "groups": {"type": "list", "elements": "str", "default": []},
            "env_file": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    commands = module.params["commands"]
    if module.check_mode or not commands:
        module.exit_json(changed=bool(commands), lines=[])
    try:
        lines = run(Place(module.params["root"], module.params["release"]), module.params, commands)
    except ReleaseError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    module.exit_json(changed=True, lines=lines)


if __name__ == "__main__":
    main()
