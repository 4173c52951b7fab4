"""How much memory the provisioned stack takes at rest, without the application's own processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.targets import REPO

if TYPE_CHECKING:
    from bench.targets import Target

#: Whoever measures is no part of the machine at rest.
VISITORS = ("session-", "user@", "user-")


@dataclass
class MemoryUse:
    """Mebibytes: all in all, and by unit (without mapped files, which units share)."""

    total: float
    files: float
    units: dict[str, float]


def memory_of(target: Target, app: str) -> MemoryUse:
    """Return the memory of what runs on `target`, the application's units and those who are logged in left out."""
    script = (REPO / "bench" / "memory_use.py").read_bytes()
    found = json.loads(target.run("exec python3 -", stdin=script))
    counted = {unit: kib for unit, kib in found["units"].items() if not unit.startswith((f"{app}-", *VISITORS))}
    files = sum(
        max((kib for unit, kib in users.items() if unit in counted), default=0) for users in found["files"].values()
    )
    return MemoryUse(
        total=(sum(counted.values()) + files) / 1024,
        files=files / 1024,
        units={unit: kib / 1024 for unit, kib in sorted(counted.items(), key=lambda item: -item[1])},
    )
