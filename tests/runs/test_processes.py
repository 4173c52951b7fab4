"""How workers are started, asked to end and watched; programs stand in for workers, the shell is the real one."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugins.filter.systemd import shell_exec, timer_processes, worker_processes
from plugins.module_utils.common import priority as release_priority
from plugins.module_utils.release.files import retention
from plugins.module_utils.release.place import Place
from plugins.module_utils.release.serving import units as release_units
from plugins.module_utils.release.serving import workers as release_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES = Path(__file__).resolve().parents[2] / "roles/django/files"
SHELL = "/bin/sh"
#: A worker that ends its task, as Celery does: asked once, by its first process alone
WORKER = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
def end(*_):
    time.sleep(0.5)
    print("lost" if child.poll() is not None else "done", flush=True)
    child.kill()
    os._exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("celery -A mysite worker", "exec celery -A mysite worker"),
        ("  python manage.py run --name='a; b' \"c && d\"", "exec python manage.py run --name='a; b' \"c && d\""),
        ("celery -A mysite worker > /dev/null 2>&1", None),
        ("celery -A mysite worker > /dev/null", "exec celery -A mysite worker > /dev/null"),
        ("LEVEL=info celery worker", "exec env LEVEL=info celery worker"),
        ("A=1 B='x y' ./run", "exec env A=1 B='x y' ./run"),
        ("LEVEL=info exec celery worker", None),
        ("cd worker && celery worker", None),
        ("sleep 1; celery worker", None),
        ("celery worker | tee log", None),
        ("celery worker &", None),
        ("(celery worker)", None),
        ("celery worker -n $(hostname)", None),
        ("exec celery worker", None),
        ("if true; then celery worker; fi", None),
        ("echo 'unbalanced", None),
        ("A=1", None),
        ("", None),
    ],
)
def test_one_program_takes_the_shells_place(command: str, expected: str | None) -> None:
    if "2>&1" in command:
        # shlex takes the ampersand for an operator: then what looks behind the shell does it.
        assert shell_exec(command) == command
        return
    assert shell_exec(command) == (command if expected is None else expected)


def test_a_shell_understands_what_it_is_given() -> None:
    for command in ("env", "A=1 env", "A='x  y' env >&1"):
        done = subprocess.run([SHELL, "-c", shell_exec(command)], capture_output=True, text=True, check=True)
        assert ("A=" in done.stdout) == command.startswith("A=")


@pytest.fixture
def worker() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(command: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([SHELL, "-c", command], stdout=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        # All that it has started is in its session.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        process.wait()


PROGRAM = shlex.join([sys.executable, "-c", WORKER])


@pytest.mark.parametrize(
    "command",
    [
        f"{PROGRAM}; true",
        f"true && {PROGRAM} && true",
        f"({PROGRAM}); true",
        f"sh -c {shlex.quote(PROGRAM + '; true')}; true",
    ],
)
def test_who_is_behind_a_shell_ends_what_it_has_begun(
    worker: Callable[[str], subprocess.Popen[str]], command: str
) -> None:
    process = worker(command)
    stop = [sys.executable, "-I", str(FILES / "samestack_stop.py"), str(process.pid), "TERM", "10"]
    with subprocess.Popen(stop) as asking:
        assert process.communicate(timeout=20)[0] == "done\n"
        assert asking.wait(10) == 0


def test_what_is_no_shell_is_left_to_systemd(worker: Callable[[str], subprocess.Popen[str]]) -> None:
    process = worker(f"exec {PROGRAM}")
    for pid in (str(process.pid), ""):
        subprocess.run([sys.executable, "-I", str(FILES / "samestack_stop.py"), pid, "TERM", "10"], check=True)
    time.sleep(0.7)
    assert process.poll() is None


def test_live_code_ends_what_it_has_begun_and_says_when_it_has_failed(tmp_path: Path) -> None:
    (tmp_path / "code.py").touch()
    watch = [sys.executable, str(FILES / "samestack_watch.py"), f"exec {PROGRAM}", "TERM"]
    with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.communicate(timeout=20)[0] == "done\n"
        assert process.returncode == 0


def test_workers_of_a_host() -> None:
    workers: dict[str, dict[str, Any]] = {
        "queue": {"command": "run", "stop_timeout": "2m", "stop_signal": "INT"},
        "beat": {"command": "beat", "single": True},
    }
    assert worker_processes(workers, first=True) == {
        "queue": {"command": "run", "single": False, "stop_signal": "INT", "stop_timeout": 120},
        "beat": {"command": "beat", "single": True, "stop_signal": "TERM", "stop_timeout": 300},
    }
    assert list(worker_processes(workers, first=False)) == ["queue"]


def test_a_timer_runs_on_one_host() -> None:
    timers: dict[str, dict[str, Any]] = {
        "bill": {"command": "a", "schedule": "daily"},
        "tidy": {"command": "b", "schedule": "daily", "each_host": True},
    }
    assert list(timer_processes(timers, first=True)) == ["bill", "tidy"]
    assert list(timer_processes(timers, first=False)) == ["tidy"]


def test_what_runs_from_a_release_keeps_it(tmp_path: Path) -> None:
    root = tmp_path / "srv"
    for name in ("aa", "bb", "cc"):
        (root / "releases" / name / "app").mkdir(parents=True)
    place = Place(str(root), "aa")
    environment = {"VIRTUAL_ENV": f"{root}/releases/bb/venv"}
    began = [
        subprocess.Popen(["sleep", "60"], cwd=root / "releases" / "aa" / "app", env={}),
        subprocess.Popen(["sleep", "60"], cwd="/", env=environment),
    ]
    try:
        deadline = time.monotonic() + 5
        while retention.in_use(place) != {"aa", "bb"} and time.monotonic() < deadline:
            time.sleep(0.05)
        assert retention.in_use(place) == {"aa", "bb"}
    finally:
        for process in began:
            process.kill()
            process.wait()


class Systemd:
    """Workers as systemd shows them: each look is a moment later."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *moments: dict[str, dict[str, str]]) -> None:
        self.moments = list(moments)
        self.calls: list[str] = []
        self.now = 1000.0
        monkeypatch.setattr(release_units, "systemctl", self.systemctl)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if len(self.moments) > 1:
            self.moments.pop(0)

    def systemctl(self, verb: str, *arguments: str) -> tuple[int, str]:
        units = self.moments[0]
        if verb == "show":
            blocks = ["\n".join(f"{key}={value}" for key, value in {"Id": unit, "ActiveState": "inactive",
                      **units.get(unit, {})}.items()) for unit in arguments[2:]]  # fmt: skip
            return 0, "\n\n".join(blocks)
        if verb == "list-units":
            return 0, "\n".join(f"{unit} loaded {shown['ActiveState']} x" for unit, shown in units.items())
        self.calls.append(" ".join([verb, *(one for one in arguments if not one.startswith("--"))]))
        return 0, ""


UNIT = "shop-worker-queue@new.service"


def up(seconds: float, **more: str) -> dict[str, str]:
    return {"ActiveState": "active", "ExecMainStartTimestampMonotonic": str(int((1000 - seconds) * 1e6)), **more}


def workers(single: bool = False) -> release_workers.Workers:
    rules = {"queue": {"single": single, "stop_timeout": 300}}
    params = {"app": "shop", "run_directory": "/run/shop", "serves": True, "workers": rules, "timers": []}
    return release_workers.Workers(release_units.Units(params), "new")


def test_a_worker_is_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    systemd = Systemd(monkeypatch, {UNIT: up(0)})
    assert workers().watch() == ""
    assert systemd.now == pytest.approx(1000 + release_workers.UP_SECONDS, abs=0.3)
    Systemd(monkeypatch, {UNIT: up(600, NRestarts="4")})
    assert workers().watch({UNIT: 4}) == ""


def test_a_worker_that_is_long_in_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []

    def idle(units: list[str], seconds: float) -> int:
        waited.extend(units)
        assert 0 < seconds <= release_workers.YOUNG_SECONDS
        return 1

    monkeypatch.setattr(release_priority, "wait_until_idle", idle)
    dead = up(0, StatusText="has ended with code 1, and is started again when code changes")
    Systemd(monkeypatch, *[{UNIT: up(0)}] * 31, {UNIT: dead})
    assert workers().watch() == UNIT
    assert waited == [UNIT]
    # What has long been up is not asked whether it is at work.
    waited.clear()
    Systemd(monkeypatch, {UNIT: up(600)})
    assert workers().watch() == ""
    assert waited == []


def test_what_ends_is_said_where_people_look(tmp_path: Path) -> None:
    watch = [sys.executable, str(FILES / "samestack_watch.py"), "exit 3", "TERM"]
    with subprocess.Popen(watch, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        process.terminate()
    assert said == "This worker has ended with code 3, and is started again when code changes.\n"


@pytest.mark.parametrize(
    "later",
    [
        {"ActiveState": "activating", "SubState": "auto-restart"}, {"ActiveState": "failed"}, up(0, NRestarts="1"),
        up(5, StatusText="has ended with code 1, and is started again when code changes"),
    ],
)  # fmt: skip
def test_a_worker_that_dies_after_a_moment_is_noticed(monkeypatch: pytest.MonkeyPatch, later: dict[str, str]) -> None:
    Systemd(monkeypatch, *[{UNIT: up(0)}] * 15, {UNIT: later})
    assert workers().watch() == UNIT


def test_what_must_not_run_twice_waits_for_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    old = "shop-worker-queue@old.service"
    running, ending = {old: {"ActiveState": "active"}}, {old: {"ActiveState": "deactivating"}}
    systemd = Systemd(monkeypatch, running, ending, {})
    found = workers(single=True)
    found.make_room()
    found.start("start")
    assert systemd.calls == [f"stop {old}"]
    systemd.sleep(0.1)
    assert found.watch() == ""
    assert found.ending() == {old: 300}
    systemd.sleep(0.1)
    found.take_turns()
    assert systemd.calls[-1] == f"start {UNIT}"
    # Those that may run twice do not wait.
    systemd = Systemd(monkeypatch, running)
    found = workers()
    found.make_room()
    found.start("start")
    assert systemd.calls[-1] == f"start {UNIT}"
