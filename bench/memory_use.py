"""Runs on the measured machine: prints its processes' memory in KiB by unit, as JSON.

Anonymous and shared memory are the kernel's proportional shares. Mapped files are counted once, by the process that has
most of a file in memory: the kernel's share of them would be divided among other machines that boot from the same box.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

#: These look like files and are memory.
NO_FILES = ("/dev/", "/memfd:", "/SYSV", "/[")


def unit_of(process: Path) -> str:
    """Return the systemd unit of a process."""
    names = re.findall(r"([^/\n]+\.(?:service|scope|socket))", (process / "cgroup").read_text())
    return names[-1] if names else "init"


def own_memory(process: Path) -> int:
    """Return the KiB of anonymous and shared memory that are a process's own share."""
    text = (process / "smaps_rollup").read_text()
    return sum(int(kib) for kib in re.findall(r"^Pss_(?:Anon|Shmem):\s+(\d+)", text, re.MULTILINE))


def mapped_files(process: Path) -> dict[str, int]:
    """Return the KiB of each file that a process has in memory."""
    found: dict[str, int] = defaultdict(int)
    path = ""
    for line in (process / "smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            path = " ".join(words[5:])
        elif path.startswith("/") and not path.startswith(NO_FILES):
            if words[0] == "Rss:":
                found[path] += int(words[1])
            elif words[0] == "Anonymous:":
                found[path] -= int(words[1])
    return found


def main() -> None:
    """Print {unit: KiB}, and what the mapped files take under the name `files`."""
    units: dict[str, int] = defaultdict(int)
    files: dict[str, dict[str, int]] = defaultdict(dict)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            unit = unit_of(process)
            units[unit] += own_memory(process)
            for path, kib in mapped_files(process).items():
                files[path][unit] = max(kib, files[path].get(unit, 0))
        except (FileNotFoundError, ProcessLookupError, IndexError):
            continue
    print(json.dumps({"units": units, "files": files}))


main()
