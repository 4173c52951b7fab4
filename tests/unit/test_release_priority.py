"""What starts makes way for what serves, and has the same right when it is asked itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.common import priority
from plugins.module_utils.common.priority import LOW, NORMAL, Courtesy, group_of, processes, wait_until_idle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNIT = "shop-web@0000000000aa.service"
BUSY_SECONDS = 0.3
PROGRAM = f"""
import threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(flush=True)
input()
end = time.monotonic() + {BUSY_SECONDS}
while time.monotonic() < end:
    pass
time.sleep(60)
"""


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """Stands for a unit's process: a session of its own, two threads; a line on its input lets it work for a moment."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        if priority.may_go_back():
            # The tests themselves may run behind others.
            for thread in os.listdir(f"/proc/{process.pid}/task"):
                os.setpriority(os.PRIO_PROCESS, int(thread), NORMAL)
        monkeypatch.setattr(priority, "processes", lambda _units: [process.pid])
        yield process
        process.kill()


def values(pid: int) -> set[int]:
    """The nice values of a process: of its threads, and of its session's group where the kernel has such."""
    nice = {os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir(f"/proc/{pid}/task")}
    return nice | {int(value) for value in group_of(pid)[-1:]}


needs_rights = pytest.mark.skipif(
    not priority.may_go_back(), reason="only root, outside of an unprivileged container, raises priorities"
)


@pytest.mark.parametrize(
    "line",
    [
        f"0::/system.slice/system-shop\\x2dweb.slice/{UNIT}",
        f"1:name=systemd:/system.slice/system-shop\\x2dweb.slice/{UNIT}\n0::/",
    ],
)
def test_processes_of_a_unit_by_their_control_group(tmp_path: Path, line: str) -> None:
    groups = {"10": line, "11": line.replace("aa.service", "bb.service"), "12": f"0::/{UNIT}.d/other", "self": line}
    for name, text in groups.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup").write_text(text + "\n")
    (tmp_path / "13").mkdir()
    assert processes([UNIT], str(tmp_path)) == [10]
    assert processes([], str(tmp_path)) == []


@needs_rights
def test_it_makes_way_and_catches_up(child: subprocess.Popen[str]) -> None:
    courtesy = Courtesy([UNIT], 60)
    courtesy.keep()
    assert values(child.pid) == {LOW}
    courtesy.end()
    assert values(child.pid) == {NORMAL}
    courtesy.keep()
    assert values(child.pid) == {NORMAL}


@needs_rights
def test_it_has_waited_long_enough(child: subprocess.Popen[str]) -> None:
    courtesy = Courtesy([UNIT], 0.05)
    courtesy.keep()
    assert values(child.pid) == {LOW}
    time.sleep(0.1)
    courtesy.keep()
    assert values(child.pid) == {NORMAL}


@needs_rights
def test_what_somebody_decided_stays(child: subprocess.Popen[str]) -> None:
    os.setpriority(os.PRIO_PROCESS, child.pid, 5)
    courtesy = Courtesy([UNIT], 60)
    courtesy.keep()
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == 5
    courtesy.end()
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == 5


@needs_rights
def test_what_runs_for_a_process_is_where_that_is() -> None:
    nice, processors = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NORMAL)
        assert priority.inherited() == []
        os.setpriority(os.PRIO_PROCESS, 0, LOW)
        os.sched_setaffinity(0, {max(processors)})
        assert priority.inherited() == priority.last()
    finally:
        os.sched_setaffinity(0, processors)
        os.setpriority(os.PRIO_PROCESS, 0, nice)


def test_who_may_not_go_back_stays_where_it_is(child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priority, "may_go_back", lambda: False)
    before = values(child.pid)
    Courtesy([UNIT], 60).keep()
    assert values(child.pid) == before


def test_it_is_idle_when_its_work_is_done(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    began = time.monotonic()
    child.stdin.write("\n")
    child.stdin.flush()
    time.sleep(priority.POLL_SECONDS)
    assert wait_until_idle([UNIT], 20) == 1
    assert time.monotonic() - began > BUSY_SECONDS


def test_what_never_rests_is_not_waited_for(child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    turn = iter(range(10_000))
    monkeypatch.setattr(priority, "ticks", lambda _pid: next(turn))
    began = time.monotonic()
    assert wait_until_idle([UNIT], 0.2) == 1
    assert time.monotonic() - began < 5
