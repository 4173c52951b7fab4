"""What a machine has: of a container, what its control group says: its /proc may be the computer's."""

from __future__ import annotations

import os

V2, V1_MEMORY, V1_CPU = "/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpuacct"


def is_container() -> bool:
    """Return whether this is one."""
    return os.path.exists("/run/systemd/container")


def number(path: str) -> float | None:
    """Return the number in a file; None where there is none, or no limit."""
    try:
        with open(path, encoding="ascii") as file:
            return float(file.read())
    except (OSError, ValueError):
        return None


def fields(path: str) -> dict[str, float]:
    """Return the lines `name number …` of a file, with or without a colon; {} where it cannot be read."""
    found = {}
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                words = line.replace(":", " ").split()
                if len(words) > 1 and words[1].isdigit():
                    found[words[0]] = float(words[1])
    except OSError:
        pass
    return found


def memory() -> dict[str, float]:
    """Return bytes: `total` and `available`; of a real machine `swap` and `swap_used`, too; and `killed`, a count."""
    info = {name: kib * 1024 for name, kib in fields("/proc/meminfo").items()}
    total = info.get("MemTotal", 0)
    swap = info.get("SwapTotal", 0)
    found = {
        "total": total, "available": info.get("MemAvailable", 0), "swap": swap,
        "swap_used": swap - info.get("SwapFree", 0), "killed": fields("/proc/vmstat").get("oom_kill", 0),
    }  # fmt: skip
    if not is_container():
        return found
    for used, limit, stat, events in (
        (f"{V2}/memory.current", f"{V2}/memory.max", f"{V2}/memory.stat", f"{V2}/memory.events"),
        (f"{V1_MEMORY}/memory.usage_in_bytes", f"{V1_MEMORY}/memory.limit_in_bytes", f"{V1_MEMORY}/memory.stat",
         f"{V1_MEMORY}/memory.oom_control"),
    ):  # fmt: skip
        taken = number(used)
        if taken is None:
            continue
        # What is only cached is given back when somebody needs it.
        known = fields(stat)
        taken -= known.get("total_inactive_file", known.get("inactive_file", 0))
        # Without a limit there is a number that no computer has.
        most = min(number(limit) or total, total)
        return {"total": most, "available": max(most - taken, 0), "swap": 0, "swap_used": 0,
                "killed": fields(events).get("oom_kill", 0)}  # fmt: skip
    return {**found, "swap": 0, "swap_used": 0, "killed": 0}


def processors() -> int:
    """Return how many there are for this machine."""
    return len(os.sched_getaffinity(0))


def processor_seconds() -> float | None:
    """Return the seconds of processor that a container has used; None for a real machine."""
    if not is_container():
        return None
    microseconds = fields(f"{V2}/cpu.stat").get("usage_usec")
    if microseconds is not None:
        return microseconds / 1e6
    nanoseconds = number(f"{V1_CPU}/cpuacct.usage")
    return nanoseconds / 1e9 if nanoseconds is not None else None
