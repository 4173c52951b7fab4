"""Asks what a shell has started to end, and waits for the shell: systemd itself asks only the first process of a unit.

    python3 samestack_stop.py <pid of the first process> <signal> <seconds>

Many workers (Celery's, for one) let their task end when their first process is asked to, and lose it when their others
are asked, too. So only that one may be: not the whole control group, and not a shell in front of it, which would end at
once and leave the rest to be killed. Where no shell stands in front, nothing is done here.
"""

import os
import signal
import sys
import time

SHELLS = {"sh", "dash", "bash", "ksh", "zsh", "busybox"}
POLL_SECONDS = 0.2
# In /proc/<pid>/stat, counted after the name in parentheses (proc_pid_stat(5))
PARENT = 1


def program(pid: int) -> str:
    """Return the name of the file that a process runs, "" when it has gone."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    parent = file.read().rpartition(")")[2].split()[PARENT]
            except OSError:
                continue
            if parent == str(pid):
                found.append(int(name))
    return found


def receivers(pid: int) -> list[int]:
    """Return who is to be asked to end: the process itself, or what a shell waits for."""
    if program(pid) not in SHELLS:
        return [pid]
    started = children(pid)
    return [one for child in started for one in receivers(child)] or [pid]


def ask(pid: int, number: int, asked: set[int]) -> None:
    """Send a signal to those who are to be asked and have not been."""
    for one in receivers(pid):
        if one not in asked:
            asked.add(one)
            try:
                os.kill(one, number)
            except ProcessLookupError:
                continue


def main(pid: int, number: int, seconds: float) -> None:
    """Ask, and wait for the first process; returns when it has gone or the time is up."""
    if program(pid) not in SHELLS:
        return
    asked: set[int] = set()
    deadline = time.monotonic() + seconds
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        # A shell may go on with the next command of its list.
        ask(pid, number, asked)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    # systemd gives none where the first process has ended by itself.
    main(int(sys.argv[1] or 0), getattr(signal, f"SIG{sys.argv[2]}"), float(sys.argv[3]))
