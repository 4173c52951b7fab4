#!/usr/bin/python
"""Check a release in the application's real environment, and what its migrations would do to what serves."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_check
short_description: A release fits the environment it is to run in
description:
  - Runs C(manage.py check), with C(--deploy) but where DEBUG is on (errors count, warnings do not) and reads the
    migration plan, in one process, as the application's user with its own environment.
  - Where migrations are due and another release serves, their SQL is read by PostgreSQL's own parser and judged by the
    tables and columns that the serving release uses. What that could not live with is refused.
  - So is a release that goes back and cannot live with what the database has become meanwhile.
extends_documentation_fragment: [samestack.core.release]
options:
  user: {description: User that runs the application., type: str, required: true}
  env_file: {description: Environment file of the application., type: path, required: true}
  fetch_user: {description: User that fetches packages., type: str, required: true}
  uv: {description: The program uv., type: path, required: true}
  uv_cache: {description: Folder in which uv keeps packages., type: path, required: true}
  release_id: {description: Id of the release., type: str, required: true}
  allow_breaking: {description: Migrations may be such that the site has to be closed., type: bool, default: false}
  refuses: {description: Migrations that cannot run or must not are an error., type: bool, default: true}
  migrations: {description: "The release's migrations (app.name), for check mode before it is here.",
               type: list, elements: str, default: []}
  environment: {description: "Environment variables that it reads: whether it insists.", type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Check the release in its environment
  samestack.core.release_check:
    release_id: 0a1b2c3d4e5f
    app: noticeboard
    root: /srv/noticeboard
    user: noticeboard
    env_file: /etc/noticeboard/env
    fetch_user: noticeboard-fetch
    uv: /opt/samestack/uv/bin/uv
    uv_cache: /var/cache/samestack/noticeboard/uv
    pins: {pglast: "8.8"}
"""

RETURN = r"""
pending: {description: Migrations that the database has not had., type: list, elements: str, returned: success}
migrates: {description: Whether there is anything to run or to record., type: bool, returned: success}
breaking:
  description: "Those that what serves cannot live with: migration and why."
  type: list
  elements: dict
  returned: success
orphans: {description: Applied migrations that it does not know., type: list, elements: str, returned: success}
sql: {description: "SQL of the pending ones by name, shortened.", type: dict, returned: success}
missing: {description: Environment variables that nothing sets., type: list, elements: str, returned: success}
say: {description: What people want to know., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.files import usual_umask
from ..module_utils.common.secrets import guard
from ..module_utils.common.stopwatch import Steps
from ..module_utils.release.database.check import Check
from ..module_utils.release.database.outcome import ending


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            "user",
            "env_file",
            "fetch_user",
            "uv",
            "uv_cache",
            release_id={"type": "str", "required": True},
            allow_breaking={"type": "bool", "default": False},
            refuses={"type": "bool", "default": True},
            migrations={"type": "list", "elements": "str", "default": []},
            environment={"type": "dict", "default": {}},
        ),
        supports_check_mode=True,
    )
    guard(module)
    check = Check({**module.params, "dry": module.check_mode})
    with ending(module, check.place) as run:
        if check.place.finished:
            steps = Steps()
            with steps.step("check"):
                check.run()
            if not module.check_mode and check.place.current != check.place.id:
                run.note(steps=steps.seconds)
            if module.params["refuses"]:
                check.refuse()
        else:
            # An earlier step would have built it.
            check.foresee()
    module.exit_json(
        changed=False,
        pending=check.found["pending"],
        migrates=bool(check.found["pending"] or check.found["unrecorded"]),
        breaking=check.breaking,
        orphans=check.found["orphans"],
        sql={one["migration"]: one["sql"] for one in check.found["looked"]},
        missing=check.missing(),
        say=check.say(),
    )


if __name__ == "__main__":
    main()
