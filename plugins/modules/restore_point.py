#!/usr/bin/python
"""Copies of the application's database, tied to releases: take, list, rotate, restore."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_point
short_description: The database as it was before a release
description:
  - Works on the machine with the database server; in the database as nobody but its owner.
  - C(taken) copies the database (C(pg_dump -Fc)) and keeps the newest O(keep) copies. C(listed) tells which there are.
  - C(restored) fills a new database beside, then ends the sessions of the present one and exchanges the names in one
    transaction. The replaced database stays under a dated name until the next restore or copy.
extends_documentation_fragment: [samestack.core.release]
options:
  state: {description: What is wanted., type: str, choices: [taken, listed, restored], default: listed}
  database: {description: The database., type: str, required: true}
  database_user: {description: Role that logs in as the application., type: str, required: true}
  database_owner: {description: Role that owns the database., type: str, required: true}
  port: {description: Port of the server; names its socket., type: int, default: 5432}
  release_id: {description: The release that serves., type: str, default: ""}
  before: {description: The release that is about to go live., type: str, default: ""}
  name: {description: The copy to restore., type: str, default: ""}
  keep: {description: Copies to keep., type: int, default: 5}
  folder: {description: Where copies are., type: path, default: /var/lib/samestack/restore-points}
author: Samestack
"""

EXAMPLES = r"""
- name: Create a restore point
  samestack.core.restore_point:
    state: taken
    app: noticeboard
    database: noticeboard
    database_user: noticeboard
    database_owner: noticeboard_owner
    release_id: 0a1b2c3d4e5f
    before: 5e4d3c2b1a00
"""

RETURN = r"""
points: {description: "The copies, the newest first.", type: list, elements: dict, returned: success}
point: {description: The copy that was taken or restored., type: dict, returned: when there is one}
trouble: {description: Why a restore failed; empty otherwise., type: str, returned: restored}
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.ledger import Run, this_machine
from ..module_utils.common.secrets import guard
from ..module_utils.release.database.restore_points import Points, age


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            state={"type": "str", "choices": ["taken", "listed", "restored"], "default": "listed"},
            database={"type": "str", "required": True},
            database_user={"type": "str", "required": True},
            database_owner={"type": "str", "required": True},
            port={"type": "int", "default": 5432},
            release_id={"type": "str", "default": ""},
            before={"type": "str", "default": ""},
            name={"type": "str", "default": ""},
            keep={"type": "int", "default": 5},
            folder={"type": "path", "default": "/var/lib/samestack/restore-points"},
        ),
        supports_check_mode=True,
    )
    guard(module)
    params = module.params
    points = Points(params)
    run = Run(params["run"], params["app"])
    try:
        if params["state"] == "listed" or module.check_mode:
            module.exit_json(changed=params["state"] != "listed", points=points.all(), say=[])
        run.require_lock()
        began = time.monotonic()
        if params["state"] == "taken":
            point = points.take()
            points.rotate(params["keep"])
            if params["run"].get("machine") == this_machine():
                # Elsewhere nobody would make a ledger line of it.
                run.note(steps={"restore point": round(time.monotonic() - began, 2)})
            text = f"Copied the database {points.database}: restore point {point['name']}, {point['bytes'] >> 10} KiB"
        else:
            point = points.restore(params["name"])
            restored = Run({**params["run"], "verb": "restore"}, params["app"])
            restored.succeed(point=point["name"], **{"from": params["release_id"], "to": params["before"]})
            text = (
                f"Restored the database {points.database} as it was {age(point['age'])} ago ({point['name']}); "
                f"the replaced one is {point['replaced']}"
            )
    except HostError as error:
        what = {"from": params["release_id"], "to": params["before"]}
        if params["state"] == "restored":
            # The site is closed: it opens again before the run ends.
            run.fail(str(error), **what)
            module.exit_json(changed=False, trouble=f"{error} {error.hint}", points=[], say=[])
        if not module.check_mode:
            run.fail(str(error), release=params["before"], **what)
        module.fail_json(msg=str(error), hint=error.hint)
    seconds = round(time.monotonic() - began, 2)
    module.exit_json(changed=True, trouble="", point=point, points=points.all(), seconds=seconds, say=[text])


if __name__ == "__main__":
    main()
