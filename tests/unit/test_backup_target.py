"""What people may mean by a moment to go back to: pure."""

from __future__ import annotations

import datetime

import pytest

from plugins.module_utils.backup.pgbackrest import target_options
from plugins.module_utils.backup.target import Target, for_server, parse, resolve
from plugins.module_utils.common.errors import HostError

NOW = 1_800_000_000.0
POINTS = [
    {"name": "samestack:1:aaaaaaaaaaaa", "time": NOW - 900, "release": "", "before": "aaaaaaaaaaaa",
     "migrations": ["board.0001_initial"]},
    {"name": "samestack:2:bbbbbbbbbbbb", "time": NOW - 600, "release": "aaaaaaaaaaaa", "before": "bbbbbbbbbbbb",
     "migrations": ["board.0002_more", "auth.0012_alter"]},
    {"name": "samestack:3:aaaaaaaaaaaa", "time": NOW - 300, "release": "bbbbbbbbbbbb", "before": "aaaaaaaaaaaa",
     "migrations": []},
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2027-01-15 08:00", NOW), ("2027-01-15T08:00:00Z", NOW), ("2027-01-15 08:00:00.5 UTC", NOW + 0.5),
        ("2027-01-15 10:00+02:00", NOW), ("2027-01-15 02:30:00-0530", NOW), ("2027-01-15", NOW - 8 * 3600),
        ("2027-01-15 08:00+00:00", NOW),
    ],
)  # fmt: skip
def test_times_are_utc_unless_they_say_otherwise(text: str, seconds: float) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "14:05", "27.11.2026", "2026-13-01", "2026-11-31", "2026-11-27 25:00", "2026-11-27 14", "1h"],
)
def test_what_is_no_time_says_how_one_is_written(text: str) -> None:
    with pytest.raises(HostError) as error:
        resolve(text, POINTS, NOW)
    assert "before:<release>" in error.value.hint


@pytest.mark.parametrize("text", ["2027-01-15 08:00:01", "2027-01-15 09:30+01:00"])
def test_what_is_still_to_come_is_refused(text: str) -> None:
    with pytest.raises(HostError, match="is still to come; it is 2027-01-15 08:00:00 UTC"):
        resolve(text, POINTS, NOW)


def test_what_people_know_by_name() -> None:
    assert resolve("before:bbbbbbbbbbbb", POINTS, NOW).name == "samestack:2:bbbbbbbbbbbb"
    assert resolve("before:bbbb", POINTS, NOW).release == "aaaaaaaaaaaa"
    # The newest of several
    assert resolve("before:aaaaaaaaaaaa", POINTS, NOW).name == "samestack:3:aaaaaaaaaaaa"
    assert resolve("before:board.0002", POINTS, NOW).name == "samestack:2:bbbbbbbbbbbb"
    assert resolve("before:auth.0012_alter", POINTS, NOW).name == "samestack:2:bbbbbbbbbbbb"
    assert (
        resolve("before:board.0001", POINTS, NOW).words
        == "before migration board.0001_initial, 2027-01-15 07:45:00 UTC"
    )
    assert resolve(" latest ", POINTS, NOW) == Target("latest", NOW, words="the latest moment that there is")


@pytest.mark.parametrize("text", ["before:cccccccccccc", "before:board.0003", "before:board.000", "before:nobody.0001"])
def test_what_nobody_knows_is_answered_with_what_there_is(text: str) -> None:
    with pytest.raises(HostError, match="There are restore points before: aaaaaaaaaaaa, bbbbbbbbbbbb"):
        resolve(text, POINTS, NOW)


def test_no_point_yet() -> None:
    with pytest.raises(HostError, match="There is no restore point yet"):
        resolve("before:aaaa", [], NOW)
    with pytest.raises(HostError, match="neither a release nor a migration"):
        resolve("before:the flood", POINTS, NOW)


def test_how_the_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ubuntu 22.04 has Python 3.10.
    monkeypatch.delattr(datetime, "UTC")
    assert for_server(NOW + 0.25) == "2027-01-15 08:00:00.250000+00"
    assert target_options("latest", "", 2) == ["--type=default", "--target-timeline=2"]
    assert target_options("name", "p", 1) == [
        "--type=name", "--target-action=promote", "--target=p", "--target-timeline=1",
    ]  # fmt: skip
