"""What stands in PostgreSQL's files and is not in force: not read yet, waiting for a restart, or wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# The manual's chapter "Parameter Names and Values": multipliers 1024 for memory, and the units of time
MEMORY = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
TIME = {"us": 1, "ms": 1000, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
UNITS = {**MEMORY, **TIME}
#: Texts whose letters' case the server itself changes
CASELESS = ("datestyle", "timezone", "log_timezone", "intervalstyle")
TRUE, FALSE = ("on", "true", "yes", "1"), ("off", "false", "no", "0")


def comparable(text: str, unit: str | None, kind: str) -> Any:
    """Return a setting in a form in which equal settings are equal, whatever unit or spelling they are written in."""
    text = text.strip()
    if kind == "bool":
        known = [word for word in TRUE + FALSE if text and word.startswith(text.lower())]
        return known[0] in TRUE if known else text
    if kind in ("integer", "real"):
        number = re.fullmatch(r"(-?[\d.]+(?:e[+-]?\d+)?)\s*([A-Za-z]*)", text)
        base = re.fullmatch(r"(\d*)([A-Za-z]*)", unit or "")
        if not number or not base:
            return text
        # -1 and 0 mean something of their own, in no unit.
        if float(number[1]) <= 0 or not unit:
            return float(number[1])
        own = (int(base[1] or 1), base[2])
        factor = UNITS.get(number[2], own[0] * UNITS.get(own[1], 1)) if number[2] else own[0] * UNITS.get(own[1], 1)
        return float(number[1]) * factor
    return text.lower() if kind == "enum" else text


def waiting(files: Iterable[Mapping[str, Any]], known: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return {name: what stands in the files} of settings that are not in force as they stand there.

    Args:
        files: the last mention of each setting in the files: name, setting, applied, error.
        known: those settings, and all that came from the files, as the server has them: name, setting, unit, vartype.
    """
    servers = {row["name"]: row for row in known}
    # The server does not mind how a name is spelt.
    spelt = {name.lower(): name for name in servers}
    found = {}
    written = set()
    for row in files:
        name = spelt.get(row["name"].lower(), row["name"])
        written.add(name)
        server = servers.get(name)
        if row["error"] and "could not be applied" not in row["error"]:
            found[name] = f"{row['setting']} ({row['error']})"
        elif server and differs(row["setting"], server):
            waits = "a restart" if row["error"] else "a reload"
            found[name] = f"{row['setting']} (waits for {waits})"
    for name, server in servers.items():
        if server["source"] == "configuration file" and name not in written:
            found[name] = "(no longer in the files, still in force)"
    return found


def differs(setting: str | None, server: Mapping[str, Any]) -> bool:
    """Return whether what stands in a file is something else than what the server has."""
    unit, kind, setting = server["unit"], server["vartype"], setting or ""
    if server["name"].lower() in CASELESS:
        kind = "enum"
    if kind == "enum" and setting.lower() in TRUE:
        # `on` chooses one of several for the server (wal_compression: pglz).
        return server["setting"] in FALSE
    return bool(comparable(setting, unit, kind) != comparable(server["setting"] or "", unit, kind))
