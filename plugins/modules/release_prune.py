#!/usr/bin/python
"""Remove old releases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_prune
short_description: Only as many releases as wanted are kept
description:
  - Keeps the newest complete releases, the live one always among them, and removes the others and what
    interrupted runs left.
options:
  root: {description: The application's folder., type: path, required: true}
  app: {description: Name of the application., type: str, required: true}
  keep: {description: Number of releases to keep., type: int, required: true}
author: Samestack
"""

EXAMPLES = r"""
- name: Old releases are removed
  release_prune:
    root: /srv/noticeboard
    app: noticeboard
    keep: 5
"""

RETURN = r"""
removed: {description: Ids of the removed releases., type: list, elements: str, returned: always}
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.release_host import Place, one_at_a_time, removable


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "app": {"type": "str", "required": True},
            "keep": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    place = Place(module.params["root"], "")
    with one_at_a_time(module.params["app"]):
        names = removable(place.releases, place.current, module.params["keep"])
        for name in names if not module.check_mode else []:
            shutil.rmtree(os.path.join(place.releases, name))
    module.exit_json(changed=bool(names), removed=names)


if __name__ == "__main__":
    main()
