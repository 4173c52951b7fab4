"""Numbers over a day and a week: two files of one length, whatever happens."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.watch.series import COLUMNS, DAILY, WEEKLY, Row, keep, row, shown

if TYPE_CHECKING:
    from pathlib import Path

    from plugins.module_utils.watch.check import Facts

NOW = 1_794_960_000.0
FACTS: dict[str, Facts] = {
    "site": {"status": 200, "seconds": 0.123}, "load": {"processors": 2, "busy": 0.25},
    "memory": {"total": 8.0, "available": 2.0}, "disk": {"disks": {"/": {"percent": 30.0}, "/srv": {"percent": 70.0}}},
    "postgresql": {"used": 25, "most": 100},
}  # fmt: skip


def load(value: float) -> Row:
    return (math.nan, value, *[math.nan] * (len(COLUMNS) - 2))


def test_a_row_is_what_a_look_has_found() -> None:
    assert dict(zip(COLUMNS, row(FACTS), strict=True)) == {
        "answer": 123, "load": 25, "memory": 75, "disk": 70, "connections": 25,
    }  # fmt: skip
    assert row({**FACTS, "load": {"load": 1.5}})[1] == 150


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {name: {"unknown": "it hangs"} for name in FACTS},
        {"site": {"status": 0, "seconds": 10}, "load": {"processors": 2}, "disk": {"disks": {}},
         "postgresql": {"error": "refused"}},
    ],
)  # fmt: skip
def test_what_nobody_can_say_is_no_number(facts: dict[str, Facts]) -> None:
    assert all(math.isnan(value) for value in row(facts))


def test_ten_days_are_a_day_and_a_week_and_no_more_room(tmp_path: Path) -> None:
    for minute in range(0, 10 * 1440, 3):
        keep(str(tmp_path), NOW + minute * 60, load(minute % 15))
    sizes = {name: os.stat(tmp_path / name).st_size for name in ("day", "week")}
    assert sizes == {"day": 1440 * 24, "week": 672 * 24}
    assert (tmp_path / "day").stat().st_mode & 0o777 == 0o600
    found = shown(str(tmp_path), NOW + (10 * 1440 - 3) * 60)
    assert len(found["day"]["load"]) == 1440
    assert [value for value in found["day"]["load"] if value is not None] == [0, 3, 6, 9, 12] * 96
    assert found["day"]["load"][-1] == 12
    # A quarter of an hour is the mean of its minutes.
    assert found["week"]["load"] == [6] * 672
    assert set(found["day"]["answer"]) == {None}


def test_while_nobody_looked_there_is_nothing(tmp_path: Path) -> None:
    keep(str(tmp_path), NOW, load(1))
    assert [value for value in shown(str(tmp_path), NOW + 3600)["day"]["load"] if value is not None] == [1]
    # What a turn ago stood in the same place is of another day.
    later = NOW + 86400 + 120
    keep(str(tmp_path), later, load(2))
    assert [value for value in shown(str(tmp_path), later)["day"]["load"] if value is not None] == [2]


def test_a_file_that_is_none_is_begun_anew(tmp_path: Path) -> None:
    assert set(shown(str(tmp_path), NOW)["week"]["load"]) == {None}
    (tmp_path / "day").write_bytes(b"\xff" * 100)
    assert set(shown(str(tmp_path), NOW)["day"]["load"]) == {None}
    keep(str(tmp_path), NOW, load(math.inf))
    assert shown(str(tmp_path), NOW)["day"]["load"][-1] is None
    keep(str(tmp_path), NOW, load(3))
    assert [ring.file for ring in (DAILY, WEEKLY)] == ["day", "week"]
    assert shown(str(tmp_path), NOW)["day"]["load"][-1] == 3


def test_nobodys_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "day").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        keep(str(tmp_path), NOW, load(1))
