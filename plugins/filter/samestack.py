"""Filters that turn decisions into what roles need: file entries, sizes, environment files, addresses."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

from ..plugin_utils.inventory.formats import parse_duration, parse_size
from ..plugin_utils.project_root import project_root
from ..plugin_utils.stack.lock import read_lock
from ..plugin_utils.stack.plan import host_plan, preview


def _parsed(parse: Callable[[object], int], value: object) -> int:
    try:
        return parse(value)
    except ValueError as error:
        raise AnsibleFilterError(f"{value!r} {error}") from error


def size_bytes(value: str | int) -> int:
    """Return a size such as `25m` or `1g` (powers of 1024) in bytes; raises AnsibleFilterError."""
    return _parsed(parse_size, value)


def duration_seconds(value: str | int) -> int:
    """Return a duration such as `30s`, `5m` or `365d` in seconds; raises AnsibleFilterError."""
    return _parsed(parse_duration, value)


def repository_path(path: str) -> str:
    """Return a path of the control node as an absolute one; a relative one starts at the project's folder."""
    return str(project_root() / Path(path).expanduser()) if path else ""


def ca_files(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Return `system_state` entries that make certificate files of the control node trusted on the host.

    update-ca-certificates reads only names that end in `.crt`.
    """
    return [
        {
            "path": f"/usr/local/share/ca-certificates/{PurePosixPath(path).stem}.crt",
            "source": path,
            "apply": "update-ca-certificates",
        }
        for path in sorted(set(paths))
    ]


def public_key(key: str) -> str:
    """Return a public key: the text itself (kind, key, comment), or what is in the file of that path.

    Raises AnsibleFilterError where there is no such file.
    """
    if " " in key.strip() and not key.strip().startswith(("/", "~", ".")):
        return key.strip()
    try:
        return Path(repository_path(key.strip())).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise AnsibleFilterError(f"security_admins: the key {key!r} cannot be read: {error.strerror}") from error


def admin_files(admins: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `system_state` entries for administrators' keys and their right to use sudo without a password."""
    entries: list[dict[str, Any]] = []
    for admin in admins:
        name = admin["name"]
        owned = {"owner": name, "group": name}
        folder = f"/home/{name}/.ssh"
        keys = "".join(f"{public_key(key)}\n" for key in admin["keys"])
        entries += [
            {"path": folder, "state": "directory", "mode": "0700", **owned},
            {"path": f"{folder}/authorized_keys", "content": keys, "mode": "0600", **owned},
            {
                "path": f"/etc/sudoers.d/samestack-{name}",
                "content": f"{name} ALL=(ALL:ALL) NOPASSWD: ALL\n",
                "mode": "0440",
                "validate": "visudo --check",
            },
        ]
    return entries


def addresses(values: Iterable[str], family: str) -> list[str]:
    """Return those addresses or networks that belong to the family `ipv4` or `ipv6`; raises AnsibleFilterError."""
    version = {"ipv4": 4, "ipv6": 6}[family]
    found = []
    for value in values:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError as error:
            raise AnsibleFilterError(f"{value!r} is not an IP address or network") from error
        if network.version == version:
            found.append(str(value))
    return found


def systemd_environment(values: Mapping[str, Any]) -> str:
    """Return an environment file for systemd's `EnvironmentFile=`, one quoted assignment a line.

    Inside double quotes systemd.exec(5) takes a backslash before `"`, `\\`, `` ` `` and `$`; everything else, line
    breaks included, stands for itself. Booleans are written true and false.
    """
    lines = []
    for name, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        quoted = re.sub(r'(["\\`$])', r"\\\1", text)
        lines.append(f'{name}="{quoted}"\n')
    return "".join(lines)


def postgresql_settings(memory_mb: int, shared_with_app: bool, connections: int = 100) -> dict[str, str]:
    """Return server settings sized from the machine's memory.

    Args:
        memory_mb: memory of the machine in MiB.
        shared_with_app: true when the application runs on the same machine: then half of the memory counts.
        connections: the server's max_connections.

    The rule: `shared_buffers` is a quarter of the memory, as the PostgreSQL manual's chapter on resource consumption
    recommends for a dedicated server; `effective_cache_size`, `maintenance_work_mem` and `work_mem` follow PGTune's
    formulae for web applications: three quarters, a sixteenth (2 GiB at most), and what shared_buffers leaves divided
    by three operations for each connection (never below the server's default of 4 MiB).
    """
    # In steps: a new kernel leaves a few MiB more or less, which is no reason to restart a database.
    memory = memory_mb // 64 * 64
    if shared_with_app:
        memory //= 2
    shared = max(memory // 4, 32)
    work_kb = max((memory - shared) * 1024 // (connections * 3), 4096)
    return {
        "max_connections": str(connections),
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(memory * 3 // 4, 64)}MB",
        "maintenance_work_mem": f"{min(max(memory // 16, 64), 2048)}MB",
        "work_mem": f"{work_kb}kB",
        "random_page_cost": "1.1",
        "wal_compression": "on",
    }


def postgresql_value(value: Any) -> str:
    """Return a value as postgresql.conf takes it: quoted, quotes doubled."""
    text = {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return "'" + text.replace("'", "''") + "'"


def systemd_argument(text: str) -> str:
    """Return one argument for `ExecStart=`: quoted, and safe from systemd's own expansions.

    systemd.service(5): `%` and `$` are doubled, and inside double quotes a backslash stands before `"` and `\\`.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


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
        values["process_schedule"] = process["schedule"]
        for suffix in ("service", "timer"):
            entries.append({"path": f"{unit}.{suffix}", "template": f"timer.{suffix}.j2", "vars": values})
        # A timer that runs takes up another schedule; one that does not is started with the first release.
        entries[-1]["restart"] = f"{app}-{kind}-{name}.timer"
    return entries


def release_batch(hostvars: Mapping[str, Any]) -> str:
    """Return the decision `release_batch` for a play's `serial`, which is read before any host is in hand."""
    values: Mapping[str, Any] = next(iter(hostvars.values()), {})
    return str(values.get("release_batch", "100%"))


def release_states(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `release_state` found on each host, with `machine`, the host's facts."""
    found = {host: hostvars[host] for host in hosts}
    return {
        host: {**values["__release_state"]["state"], "machine": values["ansible_facts"]["machine"]}
        for host, values in found.items()
    }


def stack_lock(path: str) -> dict[str, Any]:
    """Return the sections of the stack lock in a file, {} where there is none; raises AnsibleFilterError."""
    sections, problems = read_lock(Path(path))
    if problems:
        raise AnsibleFilterError(str(problems[0]))
    return sections


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "addresses": addresses,
            "admin_files": admin_files,
            "ca_files": ca_files,
            "duration_seconds": duration_seconds,
            "postgresql_settings": postgresql_settings,
            "postgresql_value": postgresql_value,
            "repository_path": repository_path,
            "size_bytes": size_bytes,
            "stack_lock": stack_lock,
            "stack_plan": host_plan,
            "stack_preview": preview,
            "process_units": process_units,
            "release_batch": release_batch,
            "release_states": release_states,
            "systemd_argument": systemd_argument,
            "systemd_environment": systemd_environment,
        }
