"""Who goes first on the processors: what nobody asks yet starts behind what serves, and catches up before it is asked.

Two things count in Linux (sched(7)). A process's policy, among the processes of its control group: SCHED_IDLE gives way
at once to whatever else wants to run. And where the kernel groups sessions (sched_autogroup(7), there; Debian's and
Ubuntu's default), the nice value of the session's group among the other groups: /proc/<pid>/autogroup. Both are set.
Who may not take it back leaves all as it is.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A group of a tenth of the weight of what serves: it starts on what the others leave, and starts all the same.
LOW, NORMAL = 10, 0
# The same for a unit that stays behind until it ends (systemd.exec(5), systemd.resource-control(5))
BEHIND = ("CPUSchedulingPolicy=idle", "CPUWeight=1", "IOSchedulingClass=idle")
POLL_SECONDS = 0.03
# A process that has not run for this long has nothing to do at the moment.
REST_SECONDS = 0.1
# utime and stime in /proc/<pid>/stat, counted after the name in parentheses (proc_pid_stat(5))
TIMES = slice(11, 13)
PROC = "/proc"


def processes(units: Iterable[str], proc: str = PROC) -> list[int]:
    """Return the processes of systemd units, by the control groups that systemd gave them."""
    ends = tuple("/" + unit for unit in units)
    found = []
    for name in os.listdir(proc):
        if name.isdigit() and ends:
            lines = read(os.path.join(proc, name, "cgroup")).splitlines()
            if any(line.endswith(ends) for line in lines):
                found.append(int(name))
    return found


def read(path: str) -> str:
    """Return a file's text; "" when it is gone, as the process may be."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def threads(pid: int) -> Iterator[int]:
    """Yield the threads of a process: each has a policy of its own."""
    try:
        yield from map(int, os.listdir(os.path.join(PROC, str(pid), "task")))
    except OSError:
        return


def group_of(pid: int) -> list[str]:
    """Return what the kernel says of the group of its session: [name, "nice", value]; [] where there are none."""
    return read(os.path.join(PROC, str(pid), "autogroup")).split()


def last() -> list[str]:
    """Return the properties of a unit that comes after all others, until it ends.

    What the kernel does for it, the kernel may do to the end before others run: so it has one processor only.
    """
    return [*BEHIND, f"CPUAffinity={max(os.sched_getaffinity(0))}"]


def inherited() -> list[str]:
    """Return the properties of a unit that runs for this process: behind others where this process is."""
    if os.sched_getscheduler(0) != os.SCHED_IDLE:
        return []
    return [*BEHIND, "CPUAffinity=" + " ".join(map(str, sorted(os.sched_getaffinity(0))))]


def set_policy(thread: int, policy: int) -> None:
    """Set the policy of a thread (0: this one). Raises OSError."""
    os.sched_setscheduler(thread, policy, os.sched_param(0))


def may_go_back() -> bool:
    """Return whether a policy can be taken back, found out on this thread, to which it makes no difference."""
    if os.geteuid():
        return False
    mine = os.sched_getscheduler(0)
    try:
        set_policy(0, os.SCHED_IDLE)
        set_policy(0, mine)
    except OSError:
        return False
    return True


def change(pid: int, behind: bool) -> bool:
    """Put a process, its threads and its session's group behind others, or back; returns whether there were any.

    Only those that are as this leaves them: others are somebody's decision.
    """
    policies, values = (os.SCHED_OTHER, os.SCHED_IDLE), (NORMAL, LOW)
    changed = False
    for thread in threads(pid):
        try:
            if os.sched_getscheduler(thread) == policies[not behind]:
                set_policy(thread, policies[behind])
                changed = True
        except OSError:
            continue
    group = group_of(pid)
    # In its first moment a process is still in systemd's own group; and the one of this process is never meant.
    strange = {*group_of(1)[:1], *group_of(os.getpid())[:1]}
    if group and group[0] not in strange and group[-1] == str(values[not behind]):
        try:
            with open(os.path.join(PROC, str(pid), "autogroup"), "w", encoding="ascii") as file:
                file.write(str(values[behind]))
        except OSError:
            return changed
        changed = True
    return changed


def step_back(units: Iterable[str]) -> None:
    """Put the processes of units behind all others."""
    for pid in processes(units):
        change(pid, behind=True)


def step_up(units: Iterable[str]) -> None:
    """Give the processes of units the same right as all others, those included that begin meanwhile."""
    units = list(units)
    for _ in range(5):
        # All of them, not only up to the first.
        changed = [change(pid, behind=False) for pid in processes(units)]
        if not any(changed):
            return


class Courtesy:
    """Keeps the processes of units behind the others while they start, for a while."""

    def __init__(self, units: Iterable[str], seconds: float) -> None:
        """Take the units, and the seconds after which they have waited for others long enough."""
        self.units = list(units)
        self.seconds = seconds if may_go_back() else 0.0
        self.began = time.monotonic()

    def keep(self) -> None:
        """Put back what has begun since the last look, or end it when the time is up."""
        if not self.seconds:
            return
        if time.monotonic() - self.began > self.seconds:
            self.end()
            return
        step_back(self.units)

    def end(self) -> None:
        """Give them the same right as all others."""
        if self.seconds:
            self.seconds = 0.0
            step_up(self.units)


def wait_until_idle(units: Iterable[str], seconds: float) -> int:
    """Wait until what the units start has started: nothing of it runs for a moment; returns how many processes."""
    units = list(units)
    deadline = time.monotonic() + seconds
    before, since = (-1, -1), time.monotonic()
    while True:
        pids = processes(units)
        now = (len(pids), sum(ticks(pid) for pid in pids))
        if now != before:
            before, since = now, time.monotonic()
        if time.monotonic() - since > REST_SECONDS or time.monotonic() > deadline:
            return len(pids)
        time.sleep(POLL_SECONDS)


def ticks(pid: int) -> int:
    """Return the processor time that a process has had, in the kernel's units."""
    fields = read(os.path.join(PROC, str(pid), "stat")).rpartition(")")[2].split()
    return sum(map(int, fields[TIMES]))
