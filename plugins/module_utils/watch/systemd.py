"""What systemd says of units, in as few questions as possible: each costs a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .check import Look

PROPERTIES = (
    "Id,LoadState,ActiveState,StatusText,Result,NRestarts,UnitFileState,StateChangeTimestamp,LastTriggerUSec,ConditionResult,"
    "ConditionTimestamp"
)


def shown(look: Look, units: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return {unit: {property: value}} of units; of patterns, those that systemd has loaded. Raises HostError."""
    wanted = list(dict.fromkeys(units))
    if not wanted:
        return {}
    out = look.run("systemctl", "show", "--timestamp=unix", f"--property={PROPERTIES}", *wanted)
    rows = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in out.split("\n\n")]
    return {row["Id"]: row for row in rows if "Id" in row}


def failed(look: Look) -> list[str]:
    """Return the units that have failed; raises HostError."""
    out = look.run("systemctl", "list-units", "--state=failed", "--all", "--full", "--plain", "--no-legend")
    return [line.split()[0] for line in out.splitlines() if line.split()]
