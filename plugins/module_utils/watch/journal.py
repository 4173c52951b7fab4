"""What units have written since the last look, as much of it as one look reads."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from .tracebacks import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Bytes that one look reads; what is more is left out
MOST = 2 << 20
FIELDS = "MESSAGE,_SYSTEMD_UNIT,_PID"
#: Microseconds in a second
MICRO = 1_000_000


def read_on(units: Sequence[str], since: float, until: float, most: int = MOST) -> tuple[list[Entry], bool]:
    """Return what units wrote in some time, oldest first, and whether there is more; raises OSError."""
    command = [
        "/usr/bin/journalctl", "--no-pager", "--quiet", "--all", "--output=json", f"--output-fields={FIELDS}",
        f"--since=@{since:.6f}", f"--until=@{until:.6f}", *(f"--unit={unit}" for unit in units),
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        raw = process.stdout.read(most + 1) if process.stdout else b""
        process.kill()
    return list(entries(raw[:most])), len(raw) > most


def last_lines(unit: str, count: int, most: int) -> str:
    """Return the last lines of a unit's log, of so many bytes at most; "" where nobody can say."""
    command = ["/usr/bin/journalctl", "--no-pager", "--quiet", "--output=cat", f"--lines={count}", f"--unit={unit}"]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            raw = process.stdout.read(most) if process.stdout else b""
            process.kill()
    except OSError:
        return ""
    return raw.decode(errors="replace")


def entries(raw: bytes) -> Iterator[Entry]:
    """Yield what the journal says, as JSON; what is no whole line of it is left out."""
    for line in raw.split(b"\n"):
        try:
            said: dict[str, Any] = json.loads(line)
            message = said.get("MESSAGE") or ""
            # Bytes that are no text are a list of numbers.
            text = bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)
            when = int(said["__REALTIME_TIMESTAMP"]) / MICRO
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        yield Entry(when, str(said.get("_SYSTEMD_UNIT", "")), str(said.get("_PID", "")), text)
