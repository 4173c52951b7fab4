"""Root on staging is hostile: what a host answers is under its control, whatever asks there."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from plugins.plugin_utils.parity.store import NAME
from plugins.plugin_utils.text import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.machines import Machine
    from tests.support.team import Team

#: Every answer of a module goes through it, on its way out of the host's own Python.
LIAR, START = (f"/usr/lib/python3/dist-packages/samestack_liar.{ending}" for ending in ("py", "pth"))
LIES = "/etc/samestack-lies.json"
PROGRAM = f"""
import json, re, sys
LIES = [(re.compile(old, re.S), new) for old, new in json.load(open({LIES!r}))]
class Liar:
    def __init__(self, stream): self.stream = stream
    def __getattr__(self, name): return getattr(self.stream, name)
    def write(self, text):
        for old, new in LIES: text = old.sub(lambda found: new, text)
        return self.stream.write(text)
sys.stdout = Liar(sys.stdout)
"""
UP = "../../../../.."
STAMP = r'"time": "20[^"]*Z"'
ID = r'"current": "[0-9a-f]{12}"'


@contextmanager
def lies(machine: Machine, *pairs: tuple[str, str]) -> Iterator[None]:
    """Let a machine say something else than what is so: in each answer, what matches becomes something else."""
    for path, text in ((LIES, json.dumps(pairs)), (LIAR, PROGRAM), (START, "import samestack_liar")):
        machine.run(f"cat > {path} <<'END'\n{text}\nEND")
    try:
        yield
    finally:
        machine.run(f"rm -f {START} {LIAR} {LIES}")


def files(folder: Path) -> dict[str, int]:
    """Return a folder's files with their sizes, but those that runs are expected to leave."""
    return {
        name: path.lstat().st_size
        for path in folder.rglob("*")
        if path.is_file()
        and not re.match(
            r"\.samestack/(timings|parity|modules|sources|collections|tools|dev|cp)|\.samestack/parity\.html|\.git/|\.cache",
            name := str(path.relative_to(folder)),
        )
        and not (name.startswith(".samestack/manifests/rehearsal/") and NAME.fullmatch(path.name))
    }


def unseen(text: str) -> list[str]:
    return sorted(set(UNSEEN.findall(text)))


@pytest.fixture(scope="module")
def staging(team: Team) -> Machine:
    team.samestack("accept", "staging")
    # What is compared where a host's answer is refused
    team.clone.run("./samestack", "parity", "staging", "production", "--rehearsal")
    return team.machine("staging")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(STAMP, f'"time": "{UP}/inventories/group_vars/all/evil"', id="time"),
        pytest.param(STAMP, '"time": "9999-12-31T23:59:59Z"', id="future", marks=pytest.mark.soak),
        pytest.param(r'"digest": "[0-9a-f]+"', f'"digest": "/{UP}/x"', id="digest", marks=pytest.mark.soak),
        pytest.param(r'"sections": \{', '"sections": {"../../x<script>": {"a": "b"}, ', id="section"),
        pytest.param(r'"schema": 1', '"schema": ' + "[" * 400 + "]" * 400, id="nested", marks=pytest.mark.soak),
        pytest.param(
            r'"history": \[',
            '"history": [{"time": "<b>", "digest": "../x", "cause": "\\u001b[2J"}, ',
            id="history",
            marks=pytest.mark.soak,
        ),
    ],
)
def test_a_manifest_is_kept_in_its_place_or_not_at_all(team: Team, staging: Machine, old: str, new: str) -> None:
    before = files(team.clone.folder)
    with lies(staging, (old, new)):
        assert team.clone.run("./samestack", "parity", "staging", "production", "--rehearsal") != 0
    assert files(team.clone.folder) == before
    assert "not recorded now" in team.clone.output
    assert not unseen(team.clone.output)
    page = (team.clone.folder / ".samestack/parity.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    # It is quoted where it is refused, and nowhere else
    assert "9999-12-31" not in page.replace("&#x27;9999-12-31T23:59:59Z&#x27; is not what stands there", "")


def test_what_a_manifest_says_is_words(team: Team, staging: Machine) -> None:
    evil = "x\\u001b]0;owned\\u0007\\u009b31m\\u202e<script>alert(1)</script>{{ 7*7 }}`id`\\n"
    with lies(staging, (r'"kernel": \{', f'"kernel": {{"{evil}": "{evil}", ')):
        team.clone.run("./samestack", "parity", "staging", "production", "--rehearsal", "--all")
    page = (team.clone.folder / ".samestack/parity.html").read_text(encoding="utf-8")
    assert "alert(1)" in page and "{{ 7*7 }}" in page, "the lie was told at all"
    assert "<script>alert" not in page
    for text in (page, team.clone.output):
        assert not unseen(text)
    team.clone.run("./samestack", "parity", "staging", "production", "--rehearsal", "--json")
    assert not unseen(team.clone.output)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(ID, f'"current": "{UP}/etc/samestack"', id="id"),
        pytest.param(
            r'"vid": "[0-9a-f]{12}"', f'"vid": "{UP}/etc/samestack"', id="environment", marks=pytest.mark.soak
        ),
        pytest.param(r'"sha256": "[0-9a-f]{64}"', '"sha256": "../../x"', id="digest"),
        pytest.param(r'"label": "[^"]*"', '"label": {"a": "\\u001b[2J"}', id="label", marks=pytest.mark.soak),
    ],
)
def test_a_promotion_takes_nothing_from_elsewhere(team: Team, staging: Machine, old: str, new: str) -> None:
    production = team.machine("production")
    known = production.run("find /etc/samestack /srv -type f | sort | sha256sum")
    before = files(team.clone.folder)
    with lies(staging, (old, new)):
        assert team.clone.run("./samestack", "promote", "--rehearsal") != 0
    said = " ".join(team.clone.output.split())
    assert "gave an answer that is none" in said or "cannot be the name of a release" in said
    assert production.run("find /etc/samestack /srv -type f | sort | sha256sum") == known
    assert files(team.clone.folder) == before


def test_a_ledger_is_words(team: Team, staging: Machine) -> None:
    line = {
        "time": "2026-11-28T00:00:00Z", "verb": "deploy", "who": "\x1b]0;x\x07\u202eeve {{ 7*7 }}", "result": "failed",
        "reason": "\x9b2J<b>" + "x" * 100_000, "release": "a" * 12, "label": "\x1b[31mred",
    }  # fmt: skip
    crooked = [{"time": ["x"]}, {"verb": {"a": 1}, "seconds": "many"}, "text", {"release": "../../etc"}]
    ledger = "/var/lib/samestack/ledger.jsonl"
    staging.run(f"cp -p {ledger} {ledger}.kept")
    text = "\n".join(json.dumps(one) for one in (line, *crooked, {**line, "reason": "short"}))
    try:
        staging.run(f"cat >> {ledger} <<'END'\n{text}\nEND")
        shown = team.samestack("releases", "staging")
        assert "eve {{ 7*7 }}" in shown and not unseen(shown)
        assert max(map(len, shown.splitlines())) < 400
        as_json = team.samestack("releases", "staging", json=True)
        assert not unseen(as_json)
        assert any(json.loads(one).get("label") == "\x1b[31mred" for one in as_json.splitlines())
    finally:
        staging.run(f"mv {ledger}.kept {ledger}")
