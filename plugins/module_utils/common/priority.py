"""Who goes first on the processors: what nobody asks yet starts behind what serves, and catches up before it is asked.

Two values count in Linux. A process's nice value, among the processes of its session; and where the kernel groups
sessions (sched_autogroup(7), in sched(7), Debian's and Ubuntu's default), the nice value of the session's group among
the other groups: /proc/<pid>/autogroup. Both are set. Who may not raise them again lowers none.

`systemctl set-property --runtime UNIT CPUWeight=` was tried: it wants the kernel's processor controller, which
containers do not have. On the local machines systemd takes the value, and all processes stay in one group.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A tenth of the weight of what serves (sched(7)): it starts on what the others leave, and starts all the same.
LOW, NORMAL = 10, 0
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
    """Yield the threads of a process: each has a nice value of its own."""
    try:
        yield from map(int, os.listdir(os.path.join(PROC, str(pid), "task")))
    except OSError:
        return


def group_of(pid: int) -> list[str]:
    """Return what the kernel says of the group of its session: [name, "nice", value]; [] where there are none."""
    return read(os.path.join(PROC, str(pid), "autogroup")).split()


def last() -> list[str]:
    """Return the properties of a unit that comes after others until it ends (systemd.exec(5)).

    What the kernel does for a process it may do to the end before others run: so this has one processor only.
    """
    return properties(LOW, {max(os.sched_getaffinity(0))})


def inherited() -> list[str]:
    """Return the properties of a unit that runs for this process, which comes after others or does not."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    return properties(nice, os.sched_getaffinity(0)) if nice > NORMAL else []


def properties(nice: int, processors: Iterable[int]) -> list[str]:
    """Return the properties of a unit with a nice value and processors."""
    numbers = " ".join(map(str, sorted(processors)))
    return [f"Nice={nice}", f"CPUAffinity={numbers}", "IOSchedulingClass=idle"]


def settle() -> None:
    """Put the group of this process's session where its nice value is, if that is behind others."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if nice > NORMAL and group_of(os.getpid()):
        with contextlib.suppress(OSError), open(os.path.join(PROC, "self", "autogroup"), "w", encoding="ascii") as file:
            file.write(str(nice))


def may_go_back() -> bool:
    """Return whether a nice value can be raised again, found out on this process, to which it makes no difference."""
    if os.geteuid():
        return False
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, mine + 1)
        os.setpriority(os.PRIO_PROCESS, 0, mine)
    except OSError:
        return False
    return True


def change(pid: int, before: int, after: int) -> bool:
    """Change the nice values of a process, its threads and its session's group; returns whether there were any.

    Only those that are as they were `before`: others are somebody's decision.
    """
    changed = False
    for thread in threads(pid):
        try:
            if os.getpriority(os.PRIO_PROCESS, thread) == before:
                os.setpriority(os.PRIO_PROCESS, thread, after)
                changed = True
        except OSError:
            continue
    group = group_of(pid)
    # In its first moment a process is still in systemd's own group; and the one of this process is never meant.
    if group and group[0] not in {*group_of(1)[:1], *group_of(os.getpid())[:1]} and group[-1] == str(before):
        try:
            with open(os.path.join(PROC, str(pid), "autogroup"), "w", encoding="ascii") as file:
                file.write(str(after))
        except OSError:
            return changed
        changed = True
    return changed


def step_back(units: Iterable[str]) -> None:
    """Put the processes of units behind all others."""
    for pid in processes(units):
        change(pid, NORMAL, LOW)


def step_up(units: Iterable[str]) -> None:
    """Give the processes of units the same right as all others, those included that begin meanwhile."""
    units = list(units)
    for _ in range(5):
        # All of them, not only up to the first.
        changed = [change(pid, LOW, NORMAL) for pid in processes(units)]
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
        # On a busy machine one that wants to run may have to wait for longer than that.
        if now != before or any(map(wants_to_run, pids)):
            before, since = now, time.monotonic()
        if time.monotonic() - since > REST_SECONDS or time.monotonic() > deadline:
            return len(pids)
        time.sleep(POLL_SECONDS)


def wants_to_run(pid: int) -> bool:
    """Return whether a process waits for a processor or a disk, and for nothing else."""
    return read(os.path.join(PROC, str(pid), "stat")).rpartition(")")[2].split()[:1] in (["R"], ["D"])


def ticks(pid: int) -> int:
    """Return the processor time that a process has had, in the kernel's units."""
    fields = read(os.path.join(PROC, str(pid), "stat")).rpartition(")")[2].split()
    return sum(map(int, fields[TIMES]))
