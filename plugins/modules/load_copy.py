#!/usr/bin/python
"""Let a copy of a database take the place of the application's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_copy
short_description: The database is what a copy has
description:
  - Works on the machine with the database server; in the database as nobody but its owner.
  - C(received) takes the file over from the control node and looks whether it can be read. C(put) fills a database
    beside, then ends the sessions of the present one and exchanges the names in one transaction; the replaced database
    stays under a dated name until the next restore, copy or restore point. C(put_back) takes that back.
  - C(cleared) removes the file. C(recorded) leaves a line in this machine's ledger.
extends_documentation_fragment: [samestack.core.release]
options:
  state:
    description: What is wanted.
    type: str
    choices: [prepared, received, put, put_back, cleared, recorded]
    required: true
  database: {description: The database., type: str, required: true}
  database_user: {description: Role that logs in as the application., type: str, required: true}
  database_owner: {description: Role that owns the database., type: str, required: true}
  port: {description: Port of the server; names its socket., type: int, default: 5432}
  file: {description: The copy on the control node., type: path, default: ""}
  sha256: {description: What the file has to be., type: str, default: ""}
  about: {description: What the ledger is to say of the copy., type: dict, default: {}}
  points: {description: Where restore points are., type: path, default: /var/lib/samestack/restore-points}
  folder: {description: Where copies are., type: path, default: /var/lib/samestack/copies}
author: Samestack
"""

EXAMPLES = r"""
- name: Let the copy take the database's place
  samestack.core.load_copy:
    state: put
    app: noticeboard
    root: /srv/noticeboard
    database: noticeboard
    database_user: noticeboard
    database_owner: noticeboard_owner
"""

RETURN = r"""
replaced: {description: The name that the replaced database has now., type: str, returned: put}
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.ledger import Run
from ..module_utils.common.paths import COPIES
from ..module_utils.common.secrets import guard
from ..module_utils.copies.arrival import Arrival
from ..module_utils.copies.proof import in_short

STATES = ["prepared", "received", "put", "put_back", "cleared", "recorded"]


def act(arrival: Arrival, run: Run, params: dict[str, Any]) -> dict[str, Any]:
    """Do what is wanted; returns what the module answers. Raises HostError."""
    state = params["state"]
    if state == "prepared":
        return {"path": arrival.prepare(), "say": []}
    if state == "received":
        arrival.receive(params["sha256"])
    elif state == "put":
        run.require_lock()
        replaced = arrival.put()
        text = f"Replaced the database {arrival.database}; the one before is {replaced}, until the next restore point"
        return {"replaced": replaced, "say": [text]}
    elif state == "put_back":
        done = arrival.put_back()
        return {"changed": done, "say": [f"The database {arrival.database} is the one from before"] if done else []}
    elif state == "cleared":
        arrival.clear()
    else:
        run.succeed(copy=params["about"], message=in_short(params["about"]))
    return {"say": []}


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            state={"type": "str", "choices": STATES, "required": True},
            database={"type": "str", "required": True},
            database_user={"type": "str", "required": True},
            database_owner={"type": "str", "required": True},
            port={"type": "int", "default": 5432},
            file={"type": "path", "default": ""},
            sha256={"type": "str", "default": ""},
            about={"type": "dict", "default": {}},
            points={"type": "path", "default": "/var/lib/samestack/restore-points"},
            folder={"type": "path", "default": COPIES},
        ),
        supports_check_mode=True,
    )
    guard(module)
    params = module.params
    if module.check_mode:
        module.exit_json(changed=params["state"] == "put", say=[])
    run = Run(params["run"], params["app"])
    try:
        arrival = Arrival({**params, "folder": params["points"]}, params["folder"])
        answer = act(arrival, run, params)
    except HostError as error:
        run.fail(str(error))
        module.fail_json(msg=str(error), hint=error.hint)
    module.exit_json(**{"changed": True, **answer})


if __name__ == "__main__":
    main()
