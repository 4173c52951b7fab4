"""Addresses of several projects on one computer: each has a block, and keeps it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from box import blocks
from box.common import MACHINES, SetupError
from box.host import NUMBERS

if TYPE_CHECKING:
    from pathlib import Path


class Computer:
    """A computer with projects; `answering` and `strangers` are addresses of machines that are none of theirs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, monkeypatch
        self.answering: set[str] = set()
        self.strangers: set[str] = set()
        monkeypatch.setattr(blocks, "COMPUTER", folder / "computer")
        monkeypatch.setattr(blocks, "REGISTER", folder / "computer" / "projects.json")
        monkeypatch.setattr(blocks, "answers", lambda address: address in self.answering)
        monkeypatch.setattr(blocks, "strangers", lambda: iter(self.strangers))

    def claim(self, name: str, kept: int | None = None) -> int:
        project = self.folder / name
        project.mkdir(exist_ok=True)
        self._patch.setattr(blocks, "PROJECT", project)
        return blocks.claim("10.0.3", kept)


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    return Computer(tmp_path, monkeypatch)


def test_no_two_machines_have_one_number() -> None:
    every = [number for block in blocks.BLOCKS for number in blocks.numbers(block).values()]
    assert len(every) == len(set(every)) == len(blocks.BLOCKS) * len(MACHINES)
    assert not set(every) & set(NUMBERS), "tests have these"
    assert all(1 < number < 255 for number in every), "the first is the bridge's"


def test_the_first_project_has_the_numbers_that_there_were_before() -> None:
    assert blocks.addresses("10.0.3", 0) == {
        "dev1": "10.0.3.10", "staging1": "10.0.3.20", "production1": "10.0.3.30", "backup1": "10.0.3.40",
    }  # fmt: skip


def test_each_project_keeps_its_own(computer: Computer) -> None:
    assert [computer.claim(name) for name in ("one", "two", "three")] == [0, 1, 2]
    assert [computer.claim(name) for name in ("three", "one", "two")] == [2, 0, 1]


def test_a_project_that_is_gone_makes_room(computer: Computer) -> None:
    assert [computer.claim(name) for name in ("one", "two")] == [0, 1]
    (computer.folder / "one").rmdir()
    assert computer.claim("three") == 0
    assert computer.claim("two") == 1


def test_what_others_have_is_left_to_them(computer: Computer) -> None:
    """A clone of an earlier version is in no register; nor is anything else on the bridge."""
    computer.strangers = {"10.0.3.10"}
    computer.answering = {"10.0.3.31"}
    assert computer.claim("one") == 2
    # Taken since: what the project has it keeps, and `up` says who is in the way.
    computer.strangers = {"10.0.3.12"}
    assert computer.claim("one") == 2


def test_machines_of_an_earlier_version_stay_where_they_are(computer: Computer) -> None:
    computer.strangers = {"10.0.3.20"}
    assert computer.claim("one", kept=0) == 0
    assert computer.claim("two") == 1


def test_a_register_that_was_cut_off_is_begun_anew(computer: Computer) -> None:
    computer.claim("one")
    blocks.REGISTER.write_text('{"')
    assert computer.claim("two") == 0


def test_when_all_are_taken_it_is_said(computer: Computer) -> None:
    for number in blocks.BLOCKS:
        computer.claim(f"p{number}")
    with pytest.raises(SetupError, match=r"All 20 blocks .* `\./samestack machines`"):
        computer.claim("one more")
    assert len(json.loads(blocks.REGISTER.read_text())) == len(blocks.BLOCKS)
