"""Who was told that a run begins is told how it ended, wherever it ended: real runs, a real webhook."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from plugins.plugin_utils.release.outcome import Outcome
from tests.support.chat import Chat

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
INVENTORY = {
    "all": {
        "hosts": {
            "near": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
            # Nobody listens there.
            "lost": {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh"},
        }
    }
}
STEP = {"name": "A step", "ansible.builtin.debug": {"msg": "done"}}
REACHES = {"name": "A step on the host", "ansible.builtin.command": "true"}
FAILS = {"name": "Warm the cache", "ansible.builtin.command": "sh -c 'echo no >&2; exit 3'"}


def tell(chat: Chat) -> dict[str, Any]:
    """Return the task that tells people that a run begins."""
    notice = {"event": "start", "app": "shop", "verb": "deploy", "to": "{{ release }}"}
    return {
        "name": "People know",
        "samestack.core.send_notice": {"urls": ["{{ url }}"], "notice": notice},
        "run_once": True,
    }


@pytest.fixture
def chat() -> Iterator[Chat]:
    found = Chat()
    yield found
    found.close()


def command(folder: Path, chat: Chat, tasks: list[Any], hosts: str = "near") -> list[str]:
    (folder / "hosts.yml").write_text(yaml.safe_dump(INVENTORY))
    values = {"release": "bbbbbbbbbbbb", "url": chat.url}
    play = {"hosts": hosts, "gather_facts": False, "any_errors_fatal": True, "vars": values, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    return [str(ANSIBLE), "-i", str(folder / "hosts.yml"), str(folder / "play.yml")]


def play(folder: Path, chat: Chat, tasks: list[Any], hosts: str = "near", *options: str) -> int:
    asked = [*command(folder, chat, tasks, hosts), *options]
    done = subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert "very-secret" not in done.stdout + done.stderr
    return done.returncode


@pytest.mark.parametrize("place", range(3))
def test_a_hook_that_fails_is_told_wherever_it_stands(tmp_path: Path, chat: Chat, place: int) -> None:
    tasks = [STEP, STEP]
    tasks.insert(place, FAILS)
    assert play(tmp_path, chat, [tell(chat), *tasks]) != 0
    assert chat.types == ["info", "failure"]
    end = chat.got[-1]
    assert ": deploy FAILED" in end["title"]
    assert "bbbbbbbbbbbb" in end["title"]
    assert "\n  Warm the cache: non-zero return code" in end["message"]
    assert "{{" not in end["message"]


@pytest.mark.parametrize("hosts", ["near,lost", "lost"])
def test_a_host_that_is_lost_is_told_also_when_it_was_the_only_one(tmp_path: Path, chat: Chat, hosts: str) -> None:
    assert play(tmp_path, chat, [tell(chat), REACHES, STEP], hosts) != 0
    assert chat.types == ["info", "failure"]
    assert "\n  lost cannot be reached: " in chat.got[-1]["message"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path, chat: Chat) -> None:
    assert play(tmp_path, chat, [tell(chat), {"ansible.builtin.include_tasks": "/nowhere.yml"}]) != 0
    assert chat.types == ["info", "failure"]


def test_what_went_well_is_told_once_and_at_the_end(tmp_path: Path, chat: Chat) -> None:
    saved = {"block": [FAILS], "rescue": [STEP]}
    assert play(tmp_path, chat, [tell(chat), saved, {**FAILS, "ignore_errors": True}]) == 0
    assert chat.types == ["info", "success"]
    assert "Warm the cache" not in chat.got[-1]["message"]


def test_who_was_told_nothing_is_told_nothing(tmp_path: Path, chat: Chat) -> None:
    assert play(tmp_path, chat, [FAILS, tell(chat)]) != 0
    assert play(tmp_path, chat, [tell(chat), STEP], "near", "--check") == 0
    assert not chat.got


def test_a_run_that_is_interrupted_is_told(tmp_path: Path, chat: Chat) -> None:
    asked = command(tmp_path, chat, [tell(chat), {"ansible.builtin.command": "sleep 60"}])
    with subprocess.Popen(asked, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          stdin=subprocess.DEVNULL, start_new_session=True) as run:  # fmt: skip
        deadline = time.monotonic() + 30
        while not chat.got and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        os.killpg(run.pid, signal.SIGINT)
    assert chat.types == ["info", "failure"]
    assert "\n  The run was interrupted." in chat.got[-1]["message"]


def test_what_each_host_serves() -> None:
    outcome = Outcome()
    outcome.saw("a", "samestack.core.release_build", {"current": "old", "live": {"commit": "1"}})
    outcome.saw("b", "samestack.core.release_ship", {"current": "old"})
    outcome.saw("a", "samestack.core.release_activate", {"live": "new"})
    outcome.failed("samestack.core.release_activate", "The release is live", {"msg": "it answers 500"})
    outcome.failed("ansible.builtin.command", "Later", {"msg": "no"})
    assert outcome.notice({"event": "start", "to": "new", "here": 10.0}, failed=True, now=14.24) == {
        "event": "end", "to": "new", "here": 10.0, "seconds": 4.2, "result": "failed", "reason": "it answers 500",
        "served": {"a": "new", "b": "old"},
    }  # fmt: skip


def test_what_failed_while_the_site_was_closed_is_the_reason() -> None:
    outcome = Outcome()
    outcome.saw("a", "samestack.core.release_reverse", {"changed": False, "trouble": "lock timeout"})
    outcome.failed("ansible.builtin.fail", "Say so", {"msg": "it was opened again"})
    assert outcome.reason == "lock timeout"
