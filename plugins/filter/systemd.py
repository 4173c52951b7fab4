"""What systemd reads: environment files, arguments, the units of an application's processes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def systemd_environment(values: Mapping[str, Any]) -> str:
    """Return an environment file for systemd's `EnvironmentFile=`, one quoted assignment a line.

    Inside double quotes systemd.exec(5) takes a backslash before `"`, `\\`, `` ` `` and `$`; everything else, line
    breaks included, stands for itself. Booleans are True and False: every reader takes these, and some no others.
    """
    lines = []
    for name, value in values.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise AnsibleFilterError(f"{name!r} is not the name of an environment variable")
        quoted = re.sub(r'(["\\`$])', r"\\\1", str(value))
        lines.append(f'{name}="{quoted}"\n')
    return "".join(lines)


def systemd_argument(text: str) -> str:
    """Return one argument for `ExecStart=`: quoted, and safe from systemd's own expansions.

    systemd.service(5): `%` and `$` are doubled, and inside double quotes a backslash stands before `"` and `\\`.
    systemd has C's escapes for what would end the line.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped) + '"'


def systemd_line(text: str) -> str:
    """Return a text that stays in its line: every run of white space and control characters is one space."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", str(text)).strip()


def process_units(processes: Mapping[str, Mapping[str, Any]], app: str, kind: str) -> list[dict[str, Any]]:
    """Return `system_state` entries for the units of the application's workers or timers.

    Args:
        processes: the processes by name, each with `command` and, for timers, `schedule`.
        app: name of the application.
        kind: `worker` (a template unit, one instance a release) or `timer` (a service and its timer).
    """
    entries: list[dict[str, Any]] = []
    for name, process in processes.items():
        unit = f"/etc/systemd/system/{app}-{kind}-{name}"
        values = {"process_name": name, "process_command": process["command"]}
        if kind == "worker":
            worker = {"path": f"{unit}@.service", "template": "worker.service.j2"}
            entries.append({**worker, "vars": values, "apply": f"touch /var/lib/samestack/owed/{app}"})
            continue
        values["process_schedule"] = systemd_line(process["schedule"])
        for suffix in ("service", "timer"):
            entries.append({"path": f"{unit}.{suffix}", "template": f"timer.{suffix}.j2", "vars": values})
        # A timer that runs takes up another schedule; one that does not is started with the first release.
        entries[-1]["restart"] = f"{app}-{kind}-{name}.timer"
    return entries


def credential_files(values: Mapping[str, Any], app: str) -> list[dict[str, Any]]:
    """Return `system_state` entries for the files that `LoadCredential=` of the application's units names.

    Root alone reads them; systemd shows each process a copy in memory (systemd.exec(5)).
    """
    folder, renew = f"/etc/{app}/credentials", f"touch /var/lib/samestack/owed/{app}"
    files = [
        {"path": f"{folder}/{name}", "content": str(value), "mode": "0600", "secret": True, "apply": renew}
        for name, value in values.items()
    ]
    # What is declared no more goes.
    return [{"path": folder, "state": "directory", "mode": "0700", "exclusive": True, "secret": True}, *files]


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "systemd_environment": systemd_environment,
            "systemd_argument": systemd_argument,
            "process_units": process_units,
            "credential_files": credential_files,
        }
