"""`./samestack logs`: which lines are shown, how, and that several hosts can be followed at once."""

from __future__ import annotations

import json
import os
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
    assert logs.shown(line, "web1", colour=True) == "\x1b[95mweb1 01:02:03 nginx\x1b[0m | hello"


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


def wanted(*only: str, grep: str = "", since: str = "", zone: str = "Etc/UTC") -> logs.Wanted:
    return logs.wanted(only, grep, since, ["worker-queue", "timer-tidy"], zone)


def written(tmp_path: Path, raw: list[str], want: logs.Wanted) -> list[str]:
    """What is shown of what a host says."""
    history = tmp_path / "said"
    history.write_text("".join(raw))
    lines: list[str] = []
    logs.follow({"web1": ["cat", str(history)]}, "shop", lines.append, want)
    return [line.partition(" | ")[2] for line in lines[:-1]]


SAID = [
    entry("shop-web@0a1b.service", "page One"), entry("shop-worker-queue@0a1b.service", "mail one"),
    entry("shop-timer-tidy.service", "tidied one"), entry("nginx.service", "nginx one"),
    entry("postgresql@17-main.service", "database one"), entry("samestack-watch.service", "watch one"),
    entry("samestack-alerts.service", "alerts one"), entry("prometheus-node-exporter.service", "counted one"),
    entry("prometheus.service", "collected one"), entry("samestack-manifest.service", "recorded one"),
    logs.PRESENT + "\n", "access GET one\n", "nginx failed one\n", "postgresql slow one\n",
]  # fmt: skip


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ((), ["page", "mail", "tidied", "nginx", "database", "watch", "alerts", "counted", "collected", "recorded",
              "GET", "failed", "slow"]),
        (("app",), ["page", "mail", "tidied"]),
        (("web",), ["page"]),
        (("worker-queue",), ["mail"]),
        (("timer-tidy", "web"), ["page", "tidied"]),
        (("nginx",), ["nginx", "GET", "failed"]),
        (("access",), ["GET"]),
        (("postgresql",), ["database", "slow"]),
        (("watch",), ["watch"]),
        (("monitor",), ["alerts", "collected"]),
        (("exporters",), ["counted"]),
    ],
)  # fmt: skip
def test_only_what_is_from_there(tmp_path: Path, only: tuple[str, ...], expected: list[str]) -> None:
    assert [text.split()[0] for text in written(tmp_path, SAID, wanted(*only))] == expected
    assert [text.split()[0] for text in written(tmp_path, SAID, wanted(*only, grep="one"))] == expected


def test_only_what_has_a_word_in_it(tmp_path: Path) -> None:
    assert written(tmp_path, SAID, wanted(grep="p.*one$")) == ["page One"]
    assert written(tmp_path, SAID, wanted(grep="One")) == ["page One"]
    assert written(tmp_path, SAID, wanted("app", grep="nginx")) == []


def test_only_what_was_written_since(tmp_path: Path) -> None:
    """The journal is asked for it; of files each line says when it was written, or goes with the one before."""
    request = '192.0.2.7 - - [x] "GET /{0} HTTP/2.0" 200 5 "-" "a" {1}.000 0.100 0.100'
    said = [
        "access before there were times\n",
        "access " + request.format("early", 1_795_000_000) + "\n",
        "access " + request.format("late", 1_795_000_200) + "\n",
        "nginx 2026/11/18 12:06:41 [error] early\n",
        "nginx 2026/11/18 12:09:00 [error] late\n",
        "postgresql 2026-11-18 11:06:41.100 UTC [7] LOG:  early\n",
        "postgresql \tof it\n",
        "postgresql 2026-11-18 11:09:00.100 UTC [7] LOG:  late\n",
        "postgresql \tlate: all of it\n",
    ]
    found = written(tmp_path, said, wanted(since="2026-11-18T11:08", zone="Europe/Vienna"))
    assert len(found) == 4
    assert all("late" in line for line in found), found


def test_what_a_visitor_says_of_itself_is_no_time() -> None:
    agent = " 1234567890.123 1 x" * 10_000
    line = f'192.0.2.7 - - [x] "GET / HTTP/2.0" 200 5 "-" "{agent}" 1795000000.000 0.100 0.100'
    began = time.process_time()
    assert wanted(since="2h").written(line, "access", 0) == 1_795_000_000
    assert wanted(since="2h").written(f"x{agent}", "access", 7) == 7
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"only": "worker-mail"}, "--only worker-mail: nothing of that name writes a log here. There are app, web"),
        ({"grep": "("}, "--grep (: this is no regular expression"),
        ({"since": "tomorrow"}, "--since tomorrow: this is no time"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(asked: dict[str, str], expected: str) -> None:
    with pytest.raises(logs.WantedError) as problem:
        wanted(*([asked["only"]] if "only" in asked else []), grep=asked.get("grep", ""), since=asked.get("since", ""))
    assert str(problem.value).startswith(expected)


def test_a_host_is_asked_for_no_more_than_is_wanted(tmp_path: Path) -> None:
    script = logs.remote_command("shop", wanted("nginx", since="2h"))[-1]
    assert "--unit=nginx*" in script
    assert "shop-" not in script
    assert "postgresql" not in script
    assert "--lines=2000" not in script
    # What logrotate has put aside is read, the oldest first; the shell is the real one.
    for name, age in (("access.log.2", 100), ("access.log.1", 50), ("access.log.3", 9000)):
        (tmp_path / name).write_text(f"{name}\n")
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    subprocess.run(["gzip", str(tmp_path / "access.log.2")], check=True)
    put_aside = logs.PUT_ASIDE.format(files=tmp_path / "access.log", since=int(time.time()) - 7200, lines=10)
    done = subprocess.run(["sh", "-c", put_aside], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["access.log.2", "access.log.1"]


def test_errors_are_red_in_a_terminal_and_a_traceback_is_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ["all is well", "Traceback (most recent call last):", '  File "x"', "ValueError: no", "all is well"]
    raw = "".join(entry("shop-web@0a.service", text) for text in said)
    raw += 'access "GET / HTTP/2.0" 502 5 "-" "a"\naccess "GET / HTTP/2.0" 200 502 "-" "a"\n'
    for terminal, plain, expected in ((True, "", [0, 1, 1, 1, 0, 1, 0]), (True, "1", [0] * 7), (False, "", [0] * 7)):
        monkeypatch.setenv("NO_COLOR", plain)
        monkeypatch.setattr("sys.stdout.isatty", lambda terminal=terminal: terminal, raising=False)
        lines: list[str] = []
        logs.follow({"web1": ["printf", "%s", raw]}, "shop", lines.append, wanted(grep="."))
        assert [line.partition(" | ")[2].startswith("\x1b[31m") for line in lines[:-1]] == list(map(bool, expected))


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
