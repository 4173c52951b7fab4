#!/usr/bin/python
"""Run a release's own commands and its migrations in the application's real environment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_migrate
short_description: The database is what a release expects
description:
  - Runs shell commands in the folder of manage.py, then C(manage.py migrate), as the given user; then others, as
    O(after_account).
  - One run migrates a database at a time (PostgreSQL's advisory lock). A statement that does not get its lock on a
    table within O(lock_timeout) is given up, and whoever held that is named.
  - Which migrations ran is kept in the ledger, also when a later one failed.
extends_documentation_fragment: [samestack.core.release]
options:
  user: {description: User that runs the application., type: str, required: true}
  env_file: {description: Environment file of the application., type: path, required: true}
  release_id: {description: Id of the release., type: str, required: true}
  commands: {description: Commands before the migrations., type: list, elements: str, default: []}
  after: {description: Commands after the migrations., type: list, elements: str, default: []}
  after_account: {description: "Who runs those: user, groups, env_file.", type: dict, default: {}}
  migrate: {description: Whether to migrate., type: bool, default: true}
  patience: {description: Seconds to wait for another run that migrates., type: int, default: 10}
author: Samestack
"""

EXAMPLES = r"""
- name: Run the migrations
  samestack.core.release_migrate:
    release_id: 0a1b2c3d4e5f
    app: noticeboard
    root: /srv/noticeboard
    user: noticeboard
    env_file: /etc/noticeboard/env
"""

RETURN = r"""
migrations: {description: Migrations that ran., type: list, elements: str, returned: success}
lines: {description: What the commands printed., type: list, elements: str, returned: success}
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.files import usual_umask
from ..module_utils.common.secrets import guard
from ..module_utils.common.stopwatch import Steps
from ..module_utils.common.text import few
from ..module_utils.release.database.check import run_commands
from ..module_utils.release.database.migrations import migrate
from ..module_utils.release.database.outcome import ending
from ..module_utils.release.place import Place
from ..module_utils.release.writable import share


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            "user",
            "env_file",
            release_id={"type": "str", "required": True},
            commands={"type": "list", "elements": "str", "default": []},
            after={"type": "list", "elements": "str", "default": []},
            after_account={"type": "dict", "default": {}},
            migrate={"type": "bool", "default": True},
            patience={"type": "int", "default": 10},
        ),
        supports_check_mode=True,
    )
    guard(module)
    params = module.params
    place = Place(params["root"], params["release_id"])
    lines: list[str] = []
    ran: list[str] = []
    recorded, steps = False, Steps()
    if module.check_mode:
        commands = [*params["commands"], *params["after"]]
        say = [f"Would run: {command}" for command in commands]
        module.exit_json(changed=bool(commands or params["migrate"]), migrations=[], lines=[], say=say)
    with ending(module, place) as run:
        share(place)
        try:
            if params["commands"]:
                with steps.step("commands"):
                    lines = run_commands(place, params, params["commands"])
            if params["migrate"]:
                with steps.step("migrate"):
                    ran, recorded = migrate(place, params, run)
            if params["after"]:
                with steps.step("commands after it"):
                    lines += run_commands(place, {**params, **params["after_account"]}, params["after"])
        finally:
            share(place)
            run.note(steps=steps.seconds)
    say = [f"Migrated: {few(ran)}"] if ran else []
    say += [f"Ran after it: {command}" for command in params["after"]]
    changed = bool(lines or recorded or params["commands"] or params["after"])
    module.exit_json(changed=changed, migrations=ran, lines=lines, say=say)


if __name__ == "__main__":
    main()
