"""The deploy lock with real processes: a run, its holder and the host's half, with a shell where ssh would be."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugins.action.deploy_lock import START, command, heard_from, start_holder
from plugins.module_utils.common.ledger import Run, is_locked, this_machine
from plugins.module_utils.standalone import hold_lock
from plugins.plugin_utils.connection import lock_messages as words
from plugins.plugin_utils.release import run as run_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

REPO = Path(__file__).resolve().parents[2]
# What "at once" may mean on a busy computer, in seconds.
SOON = 3


class Shell:
    """Stands for the host: runs what ssh would run there."""

    def __init__(self, before: str = "") -> None:
        self.before = before

    def argv(self, user: str, remote: str, *options: str) -> list[str]:
        assert user == "root"
        assert "ControlPath=none" in options
        return ["sh", "-c", f"{self.before}exec {remote.replace('/usr/bin/python3', shlex.quote(sys.executable))}"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def request(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "id": "r1", "who": "Eve", "verb": "deploy", "environment": "staging", "wait": 0, "patience": 0.3, "silence": 15,
        "folder": str(folder / "run"), "state": str(folder / "lib"), "engine": "1.10.0", "allow_older": False,
    } | more  # fmt: skip


def ask(folder: Path, pid: int, shell: Shell | None = None, **more: Any) -> Iterator[dict[str, Any]]:
    reach = {"target": shell or Shell(), "user": "root", "password": ""}
    holder = start_holder(reach, request(folder, **more), pid)
    yield from heard_from(holder)
    holder.wait()


@contextmanager
def a_run() -> Iterator[subprocess.Popen[bytes]]:
    """Something that lives as ansible-playbook does."""
    process = subprocess.Popen(["sleep", "60"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until_free(folder: Path) -> bool:
    deadline = time.monotonic() + SOON
    lock = str(folder / "run" / "lock")
    while is_locked(lock) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_locked(lock)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_lives_as_long_as_the_run(folder: Path, number: signal.Signals) -> None:
    with a_run() as run:
        news = next(ask(folder, run.pid))
        assert news["held"]
        assert abs(news["began"] - time.time()) < SOON
        assert news["machine"] == this_machine()
        given = {"id": "r1", "machine": news["machine"]}
        Run(given, "shop", scratch=str(folder / "run")).require_lock()
        assert json.loads((folder / "run" / "lock.json").read_text())["who"] == "Eve"
        run.send_signal(number)
        run.wait()
        assert until_free(folder)
    assert not (folder / "run" / "lock.json").exists()


def test_a_run_that_is_over_already_gets_nothing(folder: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert not any(news.get("held") for news in ask(folder, gone.pid, Shell("sleep 0.2; ")))
    assert until_free(folder)


def test_the_second_is_told_who_holds_it(folder: Path) -> None:
    with a_run() as first, a_run() as second:
        next(ask(folder, first.pid))
        news = next(ask(folder, second.pid, id="r2", who="Bob"))
        assert news["busy"]["who"] == "Eve"
        said = words.busy(news, "staging", 0)
        assert "The deploy lock of staging is held: Eve, `deploy`, since 2" in said["msg"]
        assert "--lock-wait 10m" in said["hint"]
        assert json.loads((folder / "run" / "lock.json").read_text())["id"] == "r1"


def test_the_second_waits_says_so_and_gets_it(folder: Path) -> None:
    with a_run() as first, a_run() as second:
        next(ask(folder, first.pid))
        news = ask(folder, second.pid, id="r2", wait=20)
        line = next(news)
        assert "Waiting up to 20 s for the deploy lock of staging: Eve" in words.waiting(line, "staging", 20)
        first.kill()
        assert next(news)["held"]


def test_a_run_that_just_ends_is_waited_for_in_silence(folder: Path) -> None:
    with a_run() as first, a_run() as second:
        next(ask(folder, first.pid))
        subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {first.pid}"])
        assert next(ask(folder, second.pid, id="r2", patience=5))["held"]


def test_what_a_later_samestack_has_changed_is_not_taken_back(folder: Path) -> None:
    """It is written down before anything is changed, by whoever gets the lock, and compared as numbers."""
    kept = folder / "lib" / "engine.json"
    with a_run() as run:
        assert next(ask(folder, run.pid))["held"]
        assert json.loads(kept.read_text())["version"] == "1.10.0"
        assert kept.stat().st_mode & 0o777 == 0o600
    until_free(folder)
    with a_run() as run:
        news = next(ask(folder, run.pid, id="r2", engine="1.9.3"))
        assert json.loads(kept.read_text())["version"] == "1.10.0"
        said = words.refused(news, "staging", 0, "1.9.3")
        assert "staging was last changed by Samestack 1.10.0 (Eve, `deploy`, 2" in said["msg"]
        assert "and this is 1.9.3" in said["msg"]
        assert "Nothing was changed" in said["msg"]
        assert "`./samestack update --to 1.10.0`" in said["hint"]
        assert "--allow-older-engine" in said["hint"]
    assert not (folder / "run" / "lock.json").exists()
    until_free(folder)
    with a_run() as run:
        assert next(ask(folder, run.pid, id="r3", engine="1.9.3", allow_older=True))["held"]
        assert json.loads(kept.read_text())["version"] == "1.9.3"
    until_free(folder)
    with a_run() as run:
        assert next(ask(folder, run.pid, id="r4", engine="1.9.3"))["held"], "it was the last itself"


def test_a_frozen_environment_is_refused(folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "freeze.json").write_text('{"who": "Eve", "since": 0, "message": "sale until Monday"}')
    with a_run() as run:
        news = next(ask(folder, run.pid))
    said = words.frozen(news, "production")
    assert 'production is frozen: "sale until Monday". Eve closed it at 1970-01-01 00:00:00 UTC.' in said["msg"]
    assert "./samestack unfreeze production" in said["hint"]


def test_silence_ends_it(folder: Path) -> None:
    """A laptop that sleeps says nothing, and its connection does not end."""
    text = json.dumps(
        {
            "samestack_lock": Path(hold_lock.__file__).read_text(),
            "request": request(folder, silence=1),
        }
    )
    host = subprocess.Popen([sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert host.stdin is not None
    assert host.stdout is not None
    host.stdin.write(text.encode() + b"\n")
    host.stdin.flush()
    assert json.loads(host.stdout.readline())["held"]
    assert is_locked(str(folder / "run" / "lock"))
    assert host.wait(SOON * 2) == 0
    assert until_free(folder)


def test_what_went_wrong_is_said(folder: Path) -> None:
    with a_run() as run:
        shell = Shell("echo Welcome to this host; echo 'sudo: a password is required' >&2; exit 1; ")
        news = list(ask(folder, run.pid, shell))
    assert news == [{"ended": 1, "said": "sudo: a password is required\n"}]
    assert "taken on host1 (code 1): sudo: a password is required." in words.lost(news[-1], "host1")["msg"]


def test_a_password_that_sudo_did_not_ask_for_is_no_program(folder: Path) -> None:
    reach = {"target": Shell(), "user": "root", "password": "import os; os._exit(7)"}
    with a_run() as run:
        assert next(heard_from(start_holder(reach, request(folder), run.pid)))["held"]


def test_the_password_is_in_no_command_line() -> None:
    assert command("vagrant", "hunter2").startswith("sudo -S -p '' /usr/bin/python3")
    assert "hunter2" not in command("vagrant", "hunter2")
    assert command("vagrant", "").startswith("sudo -n /usr/bin/python3")
    assert "sudo" not in command("root", "hunter2")


def test_who_runs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("SAMESTACK_WHO", raising=False)
    assert run_identity.who().endswith(f"@{os.uname().nodename}")
    config.write_text("[user]\n\tname = Eve Smith\n\temail = eve@example.com\n")
    assert run_identity.who() == "Eve Smith <eve@example.com>"
    monkeypatch.setenv("SAMESTACK_WHO", "CI\x1b[31m run\n 7")
    assert run_identity.who() == "CI[31m run 7"


ORPHAN = """
import multiprocessing, os, signal, sys, time
from plugins.plugin_utils.release.run import run_process

def work():
    parent = os.getppid()
    os.kill(parent, signal.SIGKILL)
    while os.getppid() == parent:
        time.sleep(0.01)
    print(run_process() == parent, flush=True)

multiprocessing.get_context("fork").Process(target=work).start()
time.sleep(60)
"""


def test_a_run_that_was_killed_is_still_the_run() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], cwd=REPO, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "True\n"
    assert run.returncode == -signal.SIGKILL


def test_runs_have_names_of_their_own() -> None:
    assert len({run_identity.new_run() for _ in range(50)}) == 50
