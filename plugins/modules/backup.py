#!/usr/bin/python
"""Backups of a host: begin with them, make one now, say how they stand."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: What a host does about backups
description:
  - C(prepare) makes the repositories that are missing, and has a first backup begin, for which nobody waits.
  - C(run) makes a backup of O(kind) and returns when it is whole; where there is nothing to back up it does nothing.
  - C(status) changes nothing and returns how the backups stand, judged by what lies in the repositories.
  - C(arrived) waits until what another host has made is here.
options:
  verb: {description: What to do., type: str, choices: [prepare, run, status, arrived], required: true}
  kind: {description: Kind of the backup., type: str, choices: [full, diff, incr, uploads], default: incr}
  label: {description: The backup that shall arrive., type: str, default: ""}
  wait: {description: Seconds to wait for it., type: int, default: 3600}
  read: {description: Read every byte of the repositories first., type: bool, default: false}
  run: {description: The current run; preflight's when left out., type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Make a backup
  samestack.core.backup:
    verb: run
    kind: full
"""

RETURN = r"""
moment: {description: What was backed up., type: dict, returned: where O(verb) is C(run) and this host has something}
status: {description: How the backups stand., type: dict, returned: where O(verb) is C(status)}
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.backup import status
from ..module_utils.backup.settings import Settings
from ..module_utils.backup.source import Source
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.ledger import Run

POLL_SECONDS = 1


def prepare(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Make what is missing, and begin with a first backup; returns the module's result. Raises HostError."""
    pgbackrest = Source(settings).pgbackrest
    made = pgbackrest.prepare()
    if any(not pgbackrest.backups(one["number"]) for one in settings.own_repositories):
        module.run_command(["systemctl", "start", "--no-block", "samestack-backup@full.service"])
    return {"changed": made, "say": []}


def run(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Make a backup; returns the module's result. Raises HostError."""
    if not settings.does & {"database", "uploads"}:
        return {"changed": False}
    given = module.params
    if module.check_mode:
        return {"changed": True, "say": [f"A backup ({given['kind']}) would be made"]}
    ledger = Run(given["run"], settings.app)
    try:
        moment = Source(settings).run(given["kind"], str(given["run"].get("who", "")))
    except HostError as error:
        ledger.fail(str(error))
        raise
    ledger.succeed(**{name: moment[name] for name in ("label", "release") if moment.get(name)})
    return {"changed": True, "moment": moment}


def arrived(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Wait for a backup; returns the module's result. Raises HostError."""
    label, deadline = module.params["label"], time.monotonic() + module.params["wait"]
    pgbackrest = Source(settings).pgbackrest
    while "keeps" in settings.does and label and label not in {one.label for one in pgbackrest.backups()}:
        if time.monotonic() > deadline:
            raise HostError(f"The backup {label} did not arrive here.", "`./samestack backups` says what is wrong.")
        time.sleep(POLL_SECONDS)
    return {"changed": False}


def show(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Return how the backups stand, as the module's result."""
    if module.params["read"]:
        status.verify(settings)
    return {"changed": False, "status": status.gather(settings)}


VERBS = {"prepare": prepare, "run": run, "arrived": arrived, "status": show}


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": [*VERBS], "required": True},
            "kind": {"type": "str", "choices": ["full", "diff", "incr", "uploads"], "default": "incr"},
            "label": {"type": "str", "default": ""},
            "wait": {"type": "int", "default": 3600},
            "read": {"type": "bool", "default": False},
            "run": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        result = VERBS[module.params["verb"]](module, Settings.read())
    except HostError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    module.exit_json(**{"say": [], **result})


if __name__ == "__main__":
    main()
