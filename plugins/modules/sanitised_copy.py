#!/usr/bin/python
"""Make a copy of the application's database that may leave the environment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sanitised_copy
short_description: A copy of the database without anything of people's
description:
  - Works on the machine with the database server. C(made) fills a database of its own with the tables and the rows that
    sanitise.yml does not leave out, changes them, proves that none of the originals is left, and writes the result to a
    file. The database is dropped; the file goes with C(removed), and with the next copy. Rows as they were are in that
    database alone.
  - C(checked) asks the catalogue whether everything is declared, and changes nothing. C(proposed) adds to sanitise.yml,
    on the control node, what is not.
  - C(recorded) leaves a line in this machine's ledger.
  - The control node gets the file, whose mode is 0600 on both sides.
extends_documentation_fragment: [samestack.core.release]
options:
  state: {description: What is wanted., type: str, choices: [checked, proposed, made, removed, recorded], default: made}
  database: {description: The database., type: str, required: true}
  database_user: {description: Role that logs in as the application., type: str, required: true}
  database_owner: {description: Role that owns the database., type: str, required: true}
  port: {description: Port of the server; names its socket., type: int, default: 5432}
  plan: {description: What becomes of columns; made from sanitise.yml on the control node., type: dict, default: {}}
  models: {description: "The release's models, as M(samestack.core.release_models) tells.", type: dict, default: {}}
  key: {description: Key under which values are hashed., type: str, default: ""}
  file: {description: Where the copy lies on the control node., type: path, default: ""}
  environment: {description: "Whose copy it is, for the ledger.", type: str, default: ""}
  about: {description: "What the ledger is to say of the copy.", type: dict, default: {}}
  folder: {description: Where copies are., type: path, default: /var/lib/samestack/copies}
author: Samestack
"""

EXAMPLES = r"""
- name: Make a copy that may leave
  samestack.core.sanitised_copy:
    app: noticeboard
    root: /srv/noticeboard
    database: noticeboard
    database_user: noticeboard
    database_owner: noticeboard_owner
    models: "{{ asked }}"
    key: "{{ vault_copies_key }}"
    file: /home/me/mysite/.samestack/copies/production.pgdump
"""

RETURN = r"""
copy:
  description: "C(rows), C(columns) that were changed, C(compared) values, C(common) ones (0), C(empty) tables."
  type: dict
  returned: where one was made
entries: {description: What to write of what is not declared., type: list, elements: dict, returned: proposed}
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.host_lock import private_lock
from ..module_utils.common.ledger import Run
from ..module_utils.common.paths import COPIES, RUN
from ..module_utils.common.secrets import KNOWN, guard
from ..module_utils.copies.arrival import digest
from ..module_utils.copies.proof import in_short
from ..module_utils.copies.scratch import Copy
from ..module_utils.postgresql.ownership import Names
from ..module_utils.postgresql.server import Server

#: Seconds to wait for another copy of the same database
PATIENCE = 2


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            state={"type": "str", "choices": ["checked", "proposed", "made", "removed", "recorded"], "default": "made"},
            database={"type": "str", "required": True},
            database_user={"type": "str", "required": True},
            database_owner={"type": "str", "required": True},
            port={"type": "int", "default": 5432},
            plan={"type": "dict", "default": {}},
            models={"type": "dict", "default": {}},
            key={"type": "str", "default": "", "no_log": True},
            file={"type": "path", "default": ""},
            environment={"type": "str", "default": ""},
            about={"type": "dict", "default": {}},
            folder={"type": "path", "default": COPIES},
        ),
        supports_check_mode=True,
    )
    guard(module)
    params = module.params
    KNOWN.learn(params["key"])
    names = Names(params["database"], params["database_user"], params["database_owner"])
    began = time.monotonic()
    run = Run(params["run"], params["app"])
    try:
        if params["state"] == "recorded":
            run.succeed(copy=params["about"], message=in_short(params["about"]))
            module.exit_json(changed=True, say=[])
        folder = os.path.join(params["folder"], f"{params['app']}-leaving")
        copy = Copy(Server(params["port"], "copy"), names, folder, params["plan"], params["min_free"])
        if params["state"] == "proposed":
            module.exit_json(changed=False, entries=copy.propose(params["models"]["models"]), say=[])
        if params["state"] == "checked" or module.check_mode:
            found = copy.check()
            module.exit_json(changed=False, say=[*found.notes, f"Everything in {names.database} is declared"])
        with private_lock(f"{RUN}/copy-{params['app']}", PATIENCE, "another copy of this database is being made"):
            if params["state"] == "removed":
                copy.clear()
                module.exit_json(changed=True, say=[])
            about = copy.make(params["key"])
    except HostError as error:
        if not module.check_mode:
            run.fail(str(error))
        module.fail_json(msg=str(error), hint=error.hint)
    path = about.pop("path")
    seconds = round(time.monotonic() - began, 1)
    module.exit_json(changed=True, path=path, sha256=digest(path), copy=about, seconds=seconds, say=about.pop("notes"))


if __name__ == "__main__":
    main()
