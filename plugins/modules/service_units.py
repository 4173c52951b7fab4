#!/usr/bin/python
"""Bring a list of systemd units to their declared state with one look at systemd."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_units
short_description: A role's systemd units, in one step
description:
  - Reads the state of all units with one `systemctl show` and changes only those that differ.
  - The manager's configuration is reloaded first when systemd says that a unit file changed.
options:
  units:
    description: The units.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Full unit name., type: str, required: true}
      enabled: {description: Started at boot; left alone when not given., type: bool}
      started: {description: Running now; left alone when not given., type: bool}
      again:
        description:
          - For handlers. Let a running unit take up what changed; one that does not run stays so. Patterns are allowed.
        type: str
        choices: [reload, restart]
      when: {description: Leave the unit out when false., type: bool, default: true}
author: Samestack
"""

EXAMPLES = r"""
- name: Nginx runs, and starts at boot
  service_units:
    units:
      - {name: nginx.service, enabled: true, started: true}

- name: Reload Nginx
  service_units:
    units:
      - {name: nginx.service, again: reload}
"""

RETURN = r"""
changed_units: {description: What was done to which unit., type: list, elements: str, returned: always}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

PROPERTIES = ("Id", "Names", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload", "ConditionResult")
AGAIN = {"reload": "try-reload-or-restart", "restart": "try-restart"}
FIXED = ("alias", "static", "indirect", "generated")
RUNNING = ("active", "reloading", "activating", "refreshing")


def parse(output: str) -> list[dict[str, str]]:
    """Parse `systemctl show` into a list of property dictionaries, one a unit, in the order asked."""
    blocks = [block for block in output.strip("\n").split("\n\n") if block.strip()]
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]


def wanted_changes(unit: dict[str, Any], shown: dict[str, str]) -> list[str]:
    """Return the systemctl verbs that bring one unit to its state, in order."""
    verbs = []
    enabled = shown.get("UnitFileState", "") in ("enabled", "enabled-runtime")
    running = shown.get("ActiveState") in RUNNING
    # Units without an [Install] section have nothing to enable or disable.
    fixed = shown.get("UnitFileState", "") in FIXED
    if unit.get("enabled") is not None and unit["enabled"] != enabled and not fixed:
        verbs.append("enable" if unit["enabled"] else "disable")
    if unit.get("started") is not None and unit["started"] != running:
        verbs.append("start" if unit["started"] else "stop")
    return verbs


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "units": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "enabled": {"type": "bool"},
                    "started": {"type": "bool"},
                    "again": {"type": "str", "choices": list(AGAIN)},
                    "when": {"type": "bool", "default": True},
                },
            }
        },
        supports_check_mode=True,
    )
    units = [unit for unit in module.params["units"] if unit["when"]]
    again = [unit for unit in units if unit["again"]]
    units = [unit for unit in units if not unit["again"]]
    names = [unit["name"] for unit in units]
    show = ["systemctl", "show", "--property", ",".join(PROPERTIES)]

    def run(arguments: list[str], unit: str = "") -> str:
        code, out, err = module.run_command(arguments)
        if code == 0:
            return str(out)
        log = ""
        if unit:
            log = module.run_command(["journalctl", "--no-pager", "-o", "cat", "-n", "12", "-u", unit])[1]
        module.fail_json(msg="`{}` failed: {}\n{}".format(" ".join(arguments), err.strip(), log).strip())
        return ""

    shown = parse(run([*show, *names])) if names else []
    if any(state.get("NeedDaemonReload") == "yes" for state in shown) and not module.check_mode:
        run(["systemctl", "daemon-reload"])
        shown = parse(run([*show, *names]))
    done = []
    for unit, state in zip(units, shown, strict=False):
        if state.get("LoadState") == "not-found":
            if module.check_mode:
                # An earlier step would have brought the unit.
                done.append("start " + unit["name"])
                continue
            module.fail_json(msg="{}: there is no such unit on this host".format(unit["name"]))
        for verb in wanted_changes(unit, state):
            done.append("{} {}".format(verb, unit["name"]))
            if not module.check_mode:
                run(["systemctl", "--quiet", verb, unit["name"]], unit["name"])
    for unit in again:
        done.append("{} {}".format(unit["again"], unit["name"]))
        if not module.check_mode:
            # What a unit file says is part of what changed.
            run(["systemctl", "daemon-reload"])
            run(["systemctl", AGAIN[unit["again"]], unit["name"]], unit["name"])
    module.exit_json(
        changed=bool(done),
        changed_units=done,
        diff={"before": "", "after": "".join(line + "\n" for line in done)},
    )


if __name__ == "__main__":
    main()
