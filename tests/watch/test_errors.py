"""What an app fails with on a real machine, and a release that answers worse: seen, told once, and told to be over."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.watch.test_faults import BYTES, COST, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.watch.conftest import Watch

#: Pages that fail in one way each, added to the notice board
FAULTS = """
import time
from django.conf import settings
from django.http import HttpResponse

def fault(request, kind):
    if kind == "raise":
        raise ValueError(f"it is the disk; the key is {settings.SECRET_KEY}")
    if kind == "hostile":
        raise RuntimeError("\\x1b[2J\\x07<script>alert(1)</script>\\u202e" + "A" * 10_000_000)
    if kind == "slow":
        time.sleep(SLOW)
    return HttpResponse(kind, status=500 if kind == "fails" else 200)
"""
ROUTE = """
from board import faults
urlpatterns += [path("fault/<kind>/", faults.fault)]
"""
OVER = 601
DEPLOYMENTS = 3
#: Seconds of new processes that are not timed
WARMING_UP = 31


class Board:
    """The notice board's source, which fails where it is asked to."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.folder: Path = watch.clone.folder / "examples/noticeboard"
        self.urls = self.folder / "noticeboard/urls.py"
        self.text = self.urls.read_text(encoding="utf-8")

    def deploy(self, slow: float = 0.01) -> str:
        """Deploy it, with pages that take so long; returns the release's id."""
        (self.folder / "board/faults.py").write_text(FAULTS.replace("SLOW", str(slow)), encoding="utf-8")
        self.urls.write_text(self.text + ROUTE, encoding="utf-8")
        return self.go("deploy")

    def go(self, verb: str) -> str:
        """Type a verb that changes which release serves; returns its id."""
        self.watch.clone.samestack(verb, self.watch.machine.kind, "--rehearsal")
        return self.watch.machine.run(f"basename $(readlink /srv/{self.watch.machine.app}/current)").strip()

    def restore(self) -> None:
        """Have the source as it was, and deploy it."""
        self.urls.write_text(self.text, encoding="utf-8")
        (self.folder / "board/faults.py").unlink()
        self.go("deploy")

    def visit(self, kind: str, count: int = 1) -> None:
        """Ask for a page some times, several visitors at once."""

        def ask(_: int) -> int:
            return self.watch.machine.browser().get(f"/fault/{kind}/").status

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(count))) == {200 if kind in ("fine", "slow") else 500}

    def releases(self) -> list[dict[str, Any]]:
        """Return the lines of `./samestack releases`."""
        said = self.watch.clone.samestack("releases", self.watch.machine.kind, "--rehearsal", "--json")
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def board(watched: Watch) -> Iterator[Board]:
    found = Board(watched)
    found.deploy()
    # It is what answers from here on, and nothing is known of it.
    forget(watched)
    yield found
    found.restore()
    forget(watched)


def forget(watch: Watch) -> None:
    """Have the machine know no exceptions and no releases."""
    watch.machine.run("rm -f /var/lib/samestack/watch/memory.json")
    watch.look()
    watch.chat.got.clear()


def test_an_exception_is_told_once_with_the_release_that_brought_it(watch: Watch, board: Board) -> None:
    release = watch.machine.run(f"basename $(readlink /srv/{watch.machine.app}/current)").strip()
    secret = watch.machine.run(f"sed -n 's/^SECRET_KEY=//p' /etc/{watch.machine.app}/env").strip().strip('"')
    board.visit("raise", 3)
    finding = watch.told_once("errors ")
    assert f"ValueError in board/faults.py, fault: new with release {release}" in finding["text"]
    message = watch.chat.got[0]["message"]
    assert "| ValueError: it is the disk; the key is (hidden)" in message
    assert secret not in message
    assert secret not in watch.typed("--json")[1]
    assert secret not in watch.machine.run("cat /var/lib/samestack/watch/memory.json")
    watch.later(OVER)
    watch.well_again()
    # It is known: nobody is woken by it again, whichever release it is in.
    watch.chat.got.clear()
    board.visit("raise")
    watch.looks(3)
    assert {name: one["level"] for name, one in watch.found().items()}["errors known"] == "yellow"
    assert watch.chat.got == []
    watch.later(OVER)


def test_a_hostile_exception_harms_nobody_and_costs_little(watch: Watch, board: Board) -> None:
    board.visit("hostile", 3)
    seconds, size = map(float, watch.machine.run(COST).split())
    print(f"a look at 30 MB of one exception: {seconds:.2f} s, {size / (1 << 20):.0f} MiB")
    assert size < BYTES
    watch.told_once("errors ")
    message = watch.chat.got[0]["message"]
    assert "RuntimeError" in message
    assert not {"\x1b", "\x07", "\u202e"} & set(message)
    assert len(message) < 7000
    watch.later(OVER)
    watch.well_again()


def test_floods_are_cut_and_said_to_be(watch: Watch, board: Board) -> None:
    app = watch.machine.app
    line = '192.0.2.7 - - [x] "GET / HTTP/2.0" 200 512 "-" "Mozilla/5.0" {0}.000 0.010 0.010'
    now = int(time.time())
    watch.machine.give("/run/flood", "".join(line.format(now) + "\n" for _ in range(90_000)))
    folder = f"/run/systemd/system/{app}-timer-tidy.service.d"
    # The clock's own look would take a part of them away.
    watch.machine.run("systemctl stop samestack-watch.timer")
    watch.machine.run(
        f"mkdir -p {folder}; printf '[Service]\\nLogRateLimitIntervalSec=0\\nExecStart=\\n"
        f"ExecStart=/usr/bin/seq 1000000 1200000\\n' > {folder}/floods.conf\n"
        f"systemctl daemon-reload; systemctl start {app}-timer-tidy.service"
    )
    watch.machine.run("cat /run/flood >> /var/log/nginx/access.log; rm /run/flood")
    found = watch.found()
    assert {name: one["level"] for name, one in found.items()} == {"traffic flood": "note", "errors flood": "note"}
    seconds, size = map(float, watch.machine.run(COST).split())
    print(f"a look at two floods: {seconds:.2f} s, {size / (1 << 20):.0f} MiB")
    assert size < BYTES
    assert seconds < 3 * SECONDS
    watch.machine.run(f"rm -r {folder}; systemctl daemon-reload; systemctl start samestack-watch.timer")
    watch.look()
    assert watch.found() == {}
    seconds, _ = map(float, watch.machine.run(COST).split())
    assert seconds < SECONDS
    # So many visitors have been there that a few who fail are none.
    watch.later(600)


def test_requests_that_fail(watch: Watch, board: Board) -> None:
    board.visit("fails", 4)
    watch.looks(2)
    assert watch.wrong() == []
    board.visit("fails", 30)
    finding = watch.told_once("traffic errors")
    assert "34 of " in finding["text"]
    watch.later(600)
    watch.well_again()


def test_a_release_that_is_worse_is_said_at_once_and_the_one_before_is_well(watch: Watch, board: Board) -> None:
    forget(watch)
    board.deploy(0.02)
    time.sleep(WARMING_UP)
    board.visit("slow", 150)
    watch.looks(2)
    worse = board.deploy(0.6)
    # Deployed, and nobody has met anything yet
    watch.looks(3)
    assert watch.wrong() == []
    time.sleep(WARMING_UP)
    watch.chat.got.clear()
    board.visit("slow", 150)
    board.visit("fails", 30)
    finding = watch.told_once("traffic worse")
    assert worse in finding["text"]
    assert "traffic: release" in watch.chat.got[0]["message"]
    found = watch.found()
    assert "is slower than the one before" in found["traffic slower"]["text"]
    line = next(one for one in board.releases() if one.get("release") == worse)
    print(line["traffic"])
    assert line["traffic"]["worse"] == ["errors", "p95"]
    assert line["traffic"]["before"]["errors"] == 0
    assert line["traffic"]["after"]["errors"] == 30
    table = watch.clone.samestack("releases", watch.machine.kind, "--rehearsal")
    assert "(worse)" in table
    print(table)
    # What the line ends with: `./samestack rollback`, typed as it stands.
    watch.mend(finding)
    watch.later(600)
    watch.chat.got[:] = [one for one in watch.chat.got if "All of it" in one["message"]]
    watch.well_again()


def test_deployments_tell_nobody(watch: Watch, board: Board) -> None:
    """Visitors come all the time, and the clock looks each minute."""
    ended = threading.Event()

    def come() -> None:
        while not ended.wait(0.1):
            board.visit("slow", 4)

    with ThreadPoolExecutor(1) as visitors:
        coming = visitors.submit(come)
        served = {board.deploy(0.02 + number / 10_000) for number in range(DEPLOYMENTS)}
        watch.looks(3)
        ended.set()
        coming.result()
    assert len(served) == DEPLOYMENTS
    assert [one for one in watch.chat.got if "All of it" in one["message"]] == []
    assert watch.wrong() == []
    lines = [one["traffic"] for one in board.releases() if one.get("release") in served and "traffic" in one]
    assert len(lines) >= DEPLOYMENTS
    assert all(one["after"]["requests"] and not one["worse"] for one in lines[:-1]), lines


def test_logs_of_a_time_a_place_and_a_word(watch: Watch, board: Board) -> None:
    board.visit("raise")
    command = [
        "timeout", "--signal=INT", "12", "./samestack", "logs", watch.machine.kind, "--rehearsal", "--since", "10m",
        "--only", "app", "--grep", "it is the disk",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=watch.clone.folder, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    assert all("it is the disk" in line and " web@" in line for line in lines), lines
    watch.look()
    watch.later(OVER)
