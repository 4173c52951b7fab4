"""The ledger and the run on one host: what is kept, what a torn line costs, who holds the lock."""

from __future__ import annotations

import fcntl
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.common.errors import HostError
from plugins.module_utils.common.ledger import (
    Run,
    accepted_releases,
    failed_releases,
    good_releases,
    read_ledger,
    this_machine,
)

GIVEN = {"id": "r1", "verb": "deploy", "who": "Eve <eve@example.com>", "began": 1.0, "environment": "staging"}


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "run").mkdir()
    return {"folder": str(tmp_path / "lib"), "scratch": str(tmp_path / "run")}


def run(places: dict[str, str], **given: Any) -> Run:
    return Run(GIVEN | given, "shop", **places)


def test_notes_of_several_modules_become_one_line(places: dict[str, str]) -> None:
    run(places).note(steps={"check": 0.8}, migrations=["shop.0001"], release="a1")
    run(places).note(steps={"start": 1.5}, migrations=["shop.0002"])
    run(places).succeed(steps={"switch": 0.02}, **{"from": "a0", "to": "a1"})
    (line,) = read_ledger(places["folder"])
    assert line["steps"] == {"check": 0.8, "start": 1.5, "switch": 0.02}
    assert line["migrations"] == ["shop.0001", "shop.0002"]
    assert (line["from"], line["to"], line["release"], line["result"]) == ("a0", "a1", "a1", "ok")
    assert (line["run"], line["verb"], line["who"], line["environment"], line["app"]) == (
        "r1", "deploy", GIVEN["who"], "staging", "shop",
    )  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["time"])
    assert not list(Path(places["scratch"]).iterdir()), "the notes are gone with the run"


def test_the_notes_of_a_run_that_was_cut_off_go_with_the_next(places: dict[str, str]) -> None:
    run(places, id="cut-off").note(migrations=["shop.0001"])
    run(places).note(steps={"start": 1.5})
    run(places).succeed()
    assert "migrations" not in read_ledger(places["folder"])[0]
    assert not list(Path(places["scratch"]).iterdir())


def test_a_failure_says_why_to_root_alone(places: dict[str, str]) -> None:
    run(places).fail("the new release answers 500", release="a1")
    (line,) = read_ledger(places["folder"])
    assert (line["result"], line["reason"]) == ("failed", "the new release answers 500")
    assert stat.S_IMODE((Path(places["folder"]) / "ledger.jsonl").stat().st_mode) == 0o600


def test_a_torn_line_costs_only_itself(places: dict[str, str]) -> None:
    run(places).succeed(release="a1")
    ledger = Path(places["folder"]) / "ledger.jsonl"
    with ledger.open("a") as stream:
        stream.write('{"time": "2026-')
    assert [line["release"] for line in read_ledger(places["folder"])] == ["a1"]
    run(places).succeed(release="a2")
    assert [line["release"] for line in read_ledger(places["folder"])] == ["a1", "a2"]


def test_no_ledger_is_an_empty_one(tmp_path: Path) -> None:
    assert read_ledger(str(tmp_path)) == []


def test_without_a_run_the_change_is_recorded_all_the_same(places: dict[str, str]) -> None:
    alone = Run({}, "shop", **places)
    alone.require_lock()
    alone.note(steps={"start": 1})
    alone.succeed(release="a1")
    (line,) = read_ledger(places["folder"])
    assert (line["run"], line["steps"], line["seconds"]) == ("", {"start": 1}, 0)


def test_what_is_good_is_told_by_the_last_result() -> None:
    lines = [
        {"verb": "deploy", "release": "a", "result": "ok"},
        {"verb": "deploy", "release": "b", "result": "failed", "reason": "no page"},
        {"verb": "deploy", "release": "c", "result": "ok"},
        {"verb": "freeze", "result": "ok"},
        {"verb": "accept", "release": "b", "result": "ok"},
        {"verb": "rollback", "release": "a", "result": "ok"},
        {"verb": "deploy", "release": "d", "result": "failed", "reason": "old"},
        {"verb": "deploy", "release": "d", "result": "ok"},
        {"verb": "deploy", "release": "c", "result": "failed", "reason": "disk full"},
        {"verb": "deploy", "result": "failed", "reason": "no such ref"},
    ]
    assert good_releases(lines) == ["d", "a"]
    assert list(accepted_releases(lines)) == ["b"]
    assert failed_releases(lines) == {"b": "no page", "c": "disk full"}


def hold(places: dict[str, str], **holder: Any) -> Any:
    scratch = Path(places["scratch"])
    lock = (scratch / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (scratch / "lock.json").write_text(json.dumps({"id": "r1", "who": "Eve", "since": 0, "verb": "deploy"} | holder))
    return lock


def test_a_run_goes_on_only_while_it_holds_the_lock(places: dict[str, str]) -> None:
    with hold(places):
        run(places).require_lock()
    with pytest.raises(HostError, match="does not hold the deploy lock any more"):
        run(places).require_lock()


def test_it_says_who_took_it_instead(places: dict[str, str]) -> None:
    said = r"Bob holds it since 1970-01-01 00:00:00 UTC \(rollback of staging\)"
    taken = hold(places, id="r2", who="Bob", verb="rollback", environment="staging")
    with taken, pytest.raises(HostError, match=said):
        run(places).require_lock()


def test_other_machines_have_no_lock_to_look_at(places: dict[str, str]) -> None:
    run(places, machine="another/0").require_lock()
    with pytest.raises(HostError):
        run(places, machine=this_machine()).require_lock()


def test_two_processes_append_whole_lines(places: dict[str, str]) -> None:
    text = """if True:
        import sys
        from plugins.module_utils.common.ledger import append
        for number in range(100):
            append(sys.argv[1], {"number": number, "text": "x" * 5000})
    """
    arguments = [sys.executable, "-c", text, places["folder"]]
    both = [subprocess.Popen(arguments, cwd=Path(__file__).resolve().parents[2]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(read_ledger(places["folder"])) == 200
