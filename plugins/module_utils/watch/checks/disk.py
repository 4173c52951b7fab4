"""Section `disk`: room and inodes, and the day on which a disk will be full if it goes on like this."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..check import RED, YELLOW, Check, Facts, Finding, Look
from ..metrics import Metric
from ..spans import DAY, HOUR, day, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: What lies on a disk of this machine; asking one that is elsewhere may take for ever.
KINDS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "overlay", "vfat", "tmpfs")
#: The kernel's own, and systemd's, which are small on purpose
NOT = ("/dev", "/proc", "/sys", "/run/credentials", "/run/lock", "/run/user", "/run/systemd")
#: As root sees them: a unit's own view hides some and shows others twice
MOUNTS, ROOT = "/proc/1/mounts", "/proc/1/root"
#: How long the past is kept, how often it is written down, and how much of it a forecast needs
PAST, SPACING, LEAST = 14 * DAY, HOUR, 12 * HOUR
#: Percent below the limit from which on it is yellow; the share of the days at which it is red
BEFORE, SOON = 10, 7


def gather(look: Look) -> Facts:
    """Return the facts of each disk; raises OSError."""
    disks: dict[str, Facts] = {}
    seen = set()
    for mount in mounts():
        try:
            about, device = os.statvfs(f"{ROOT}{mount}"), os.stat(f"{ROOT}{mount}").st_dev
        except OSError:
            continue
        if device in seen or not about.f_blocks or (about.f_flag & os.ST_RDONLY and mount != "/"):
            continue
        seen.add(device)
        used = (about.f_blocks - about.f_bfree) * about.f_frsize
        room = about.f_bavail * about.f_frsize
        past = look.memory.sample(f"disk {mount}", look.now, used, PAST, SPACING)
        disks[mount] = {
            "used": used, "free": room, "percent": used * 100 / (used + room) if used + room else 100,
            "inodes": (about.f_files - about.f_ffree) * 100 / about.f_files if about.f_files else 0,
            "full": full(past, look.now, used, room),
        }  # fmt: skip
    look.memory.forget("disk ", disks)
    return {"disks": disks, "now": look.now}


def mounts(path: str = MOUNTS) -> list[str]:
    """Return where disks of this machine are mounted, the shortest paths first; raises OSError."""
    found = []
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            _, mount, kind = line.split()[:3]
            mount = mount.encode("latin-1", "surrogateescape").decode("unicode_escape") if "\\" in mount else mount
            if kind in KINDS and not any(mount == one or mount.startswith(f"{one}/") for one in NOT):
                found.append(mount)
    return sorted(found, key=lambda mount: (len(mount), mount))


def full(past: Sequence[Sequence[float]], now: float, used: float, room: float) -> float:
    """Return when a disk is full if it fills as it has, 0 where it does not. Pure.

    The slope is the median of those between all pairs that are at least half of the time apart (after Theil and Sen):
    a big file that came and went does not bend it.
    """
    samples = [*past, [now, used]]
    length = samples[-1][0] - samples[0][0]
    if length < LEAST:
        return 0
    slopes = sorted(
        (after - before) / (late - early)
        for number, (early, before) in enumerate(samples)
        for late, after in samples[number + 1 :]
        if late - early >= length / 2
    )
    slope = slopes[len(slopes) // 2]
    return now + room / slope if slope > 0 else 0


def judge(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield which of them are full, or will be soon."""
    for mount, disk in facts["disks"].items():
        where = {"mount": mount}
        days = (disk["full"] - facts["now"]) / DAY if disk["full"] else float("inf")
        until = f", full on {day(disk['full'])}" if days < limits["disk_days"] else ""
        if disk["percent"] >= limits["disk"] - BEFORE or until:
            level = RED if disk["percent"] >= limits["disk"] or days < limits["disk_days"] / SOON else YELLOW
            text = f"{mount} is {disk['percent']:.0f} % full ({size(disk['free'])} left){until}"
            yield Finding(mount, level, text, "largest", where)
        if disk["inodes"] >= limits["disk"] - BEFORE:
            level = RED if disk["inodes"] >= limits["disk"] else YELLOW
            text = f"{mount} has {disk['inodes']:.0f} % of its inodes in use: too many files"
            yield Finding(f"{mount} inodes", level, text, "most files", where)


def words(facts: Facts) -> str:
    """Return how full they are."""
    return ", ".join(f"{mount} {disk['percent']:.0f} %" for mount, disk in facts["disks"].items())


def metrics(facts: Facts) -> Iterator[Metric]:
    """Yield how full each is, and in how many days it will be."""
    for mount, disk in facts["disks"].items():
        days = (disk["full"] - facts["now"]) / DAY if disk["full"] else float("inf")
        yield Metric("samestack_disk_used_percent", disk["percent"], {"mountpoint": mount})
        yield Metric("samestack_disk_days_left", days, {"mountpoint": mount})


CHECK = Check("disk", 70, gather, judge, words, metrics)
