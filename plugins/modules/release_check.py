#!/usr/bin/python
"""Check a release in the application's real environment, and list the migrations that are due."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_check
short_description: A release fits the environment it is to run in
description:
  - Runs C(manage.py check --deploy) (errors count, warnings do not) and reads the migration plan, in one process,
    as the application's user with its own environment.
options:
  release: {description: Id of the release., type: str, required: true}
  root: {description: The application's folder., type: path, required: true}
  user: {description: User that runs the application., type: str, required: true}
  groups: {description: Further groups of that user's processes., type: list, elements: str, default: []}
  env_file: {description: Environment file of the application., type: path, required: true}
author: Samestack
"""

EXAMPLES = r"""
- name: The release fits the environment
  release_check:
    release: 0a1b2c3d4e5f
    root: /srv/noticeboard
    user: noticeboard
    env_file: /etc/noticeboard/env
"""

RETURN = r"""
pending: {description: Migrations that the database has not had., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.release_check_steps import check
from ansible.module_utils.release_host import Place, ReleaseError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            "groups": {"type": "list", "elements": "str", "default": []},
            "env_file": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    place = Place(module.params["root"], module.params["release"])
    if module.check_mode and not place.finished:
        # An earlier step would have built it.
        module.exit_json(changed=False, pending=[])
    try:
        module.exit_json(changed=False, pending=check(place, module.params))
    except ReleaseError as error:
        module.fail_json(msg=str(error), hint=error.hint)


if __name__ == "__main__":
    main()
