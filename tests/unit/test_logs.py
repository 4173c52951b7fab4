"""`./samestack logs`: which lines are shown, how, and that several hosts can be followed at once."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from cli import logs


def entry(unit: str, message: object, **more: str) -> str:
    return json.dumps({"_SYSTEMD_UNIT": unit, "MESSAGE": message, "__REALTIME_TIMESTAMP": "3723000000", **more}) + "\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (entry("shop-web@0a1b.service", "hello"), ["01:02:03 web@0a1b | hello"]),
        (entry("shop-worker-queue@0a1b.service", "one\ntwo"), [
            "01:02:03 worker-queue@0a1b | one", "01:02:03 worker-queue@0a1b | two",
        ]),
        (entry("init.scope", "Started it", UNIT="nginx.service"), ["01:02:03 nginx | Started it"]),
        (entry("postgresql@17-main.service", "ready"), ["01:02:03 postgresql | ready"]),
        (entry("shop-web@0a1b.service", [104, 255, 105]), ["01:02:03 web@0a1b | h\ufffdi"]),
        (entry("shop-web@0a1b.service", "\x1b]0;title\x07\x1b[31mred\x1b[0m\r"), ["01:02:03 web@0a1b | ]0;titlered"]),
        (entry("ssh.service", "somebody logs in"), []),
        (entry("shopping-web@0a1b.service", "another application"), []),
        (entry("shop-web@0a1b.service", None), []),
        ("access 10.0.0.1 - GET /\n", ["access | 10.0.0.1 - GET /"]),
        ("Welcome to this machine\n", []),
        ("{broken\n", []),
    ],
)  # fmt: skip
def test_lines(raw: str, expected: list[str]) -> None:
    assert [logs.shown(line, "", colour=False) for line in logs.read_line(raw, "shop")] == expected


def test_colour_and_host() -> None:
    (line,) = logs.read_line(entry("nginx.service", "hello"), "shop")
    assert logs.shown(line, "web1", colour=True) == "\x1b[33mweb1 01:02:03 nginx\x1b[0m | hello"


def test_errors_that_came_before_are_shown(tmp_path: Path) -> None:
    """A traceback that a hundred lines have followed, in one line of the journal each, beside those of others."""
    told = [
        "Internal Server Error: /pay/", "Traceback (most recent call last):",
        '  File "shop/views.py", line 3, in pay', "    charge(basket)", "ValueError: no basket",
    ]  # fmt: skip
    raw = [entry("shop-web@0a.service", f"quiet {number}") for number in range(5)]
    for text in told:
        raw += [entry("shop-web@0a.service", text), entry("shop-worker-mail@0a.service", "mail sent")]
    raw += [entry("shop-web@0a.service", f"GET /{number}") for number in range(logs.HISTORY)]
    history = tmp_path / "history"
    history.write_text("".join(raw) + logs.PRESENT + "\n" + entry("shop-web@0a.service", "now"))
    written: list[str] = []
    logs.follow({"web1": ["cat", str(history)]}, "shop", written.append)
    texts = [line.partition(" | ")[2] for line in written]
    assert texts[: len(told)] == told
    assert [texts[len(told)], texts[-2]] == ["GET /0", "now"]
    assert not {"mail sent", "quiet 0"} & set(texts)


def test_several_hosts_at_once_and_one_that_ends() -> None:
    written: list[str] = []
    commands = {
        "web1": ["sh", "-c", "echo access one; exit 3"],
        "web2": ["sh", "-c", "sleep 0.3; echo access two"],
    }
    assert logs.follow(commands, "shop", written.append) == 1
    assert written == [
        "web1 access | one", "web1: the connection has ended (code 3)",
        "web2 access | two", "web2: the connection has ended (code 0)",
    ]  # fmt: skip


def test_nothing_stays_behind_when_the_connection_ends(tmp_path: Path) -> None:
    """Programs stand in for journalctl; the shell is the real one."""
    journal = tmp_path / "journalctl"
    journal.write_text('#!/bin/sh\ncase "$*" in *--follow*) exec sleep 61;; *) echo history;; esac\n')
    journal.chmod(0o755)
    script = logs.remote_command("shop")[-1].replace("/var/log", str(tmp_path))
    command = ["setsid", "--wait", "env", f"PATH={tmp_path}:/usr/bin:/bin", "sh", "-c", script]
    done = subprocess.run(
        command, input="", capture_output=True, text=True, check=False, timeout=20, env={"MARK": str(tmp_path)}
    )
    assert done.stdout == f"history\n{logs.PRESENT}\n"
    deadline = time.monotonic() + 5
    while left := [path for path in Path("/proc").glob("[0-9]*/environ") if marked(path, str(tmp_path))]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def marked(path: Path, mark: str) -> bool:
    try:
        return f"MARK={mark}" in path.read_text(errors="replace")
    except OSError:
        return False
