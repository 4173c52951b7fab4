"""What a backup host hands over for a moment that a database host does not lead to any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.backup import chain, planning
from plugins.module_utils.backup.chain import Backup
from plugins.module_utils.backup.pgbackrest import Found
from plugins.module_utils.backup.settings import Settings
from plugins.module_utils.backup.target import LATEST
from plugins.module_utils.common.errors import HostError
from plugins.plugin_utils.backup.answers import PLAN
from plugins.plugin_utils.backup.table import plan_words

if TYPE_CHECKING:
    from pathlib import Path

#: A full backup a day, each with a differential one; a restore began timeline 2 in segment 25, which is on both
FULLS = ("20261120-021000F", "20261121-021000F", "20261122-021000F")
DAY = 86400
BEGIN = 1_795_140_600
LEFT = "0/19000100"


def backup(label: str, time: float, count: int, line: int = 1) -> Backup:
    place = f"0/{count:X}000028"
    kind = "full" if label.endswith("F") else "diff"
    return Backup(label, kind, int(time), int(time) + 60, chain.named(line, count), chain.named(line, count), lsn=place)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Found]:
    found = Found(backup_folder="backup/site")
    for day, label in enumerate(FULLS):
        for hours in (0, 12):
            one = f"{label}_{label[:8]}-141000D" if hours else label
            found.backups.append(backup(one, BEGIN + day * DAY + hours * 3600, 10 * (day + 1) + hours // 2))
            place = tmp_path / "backup/site" / one
            place.mkdir(parents=True)
            (place / "backup.manifest").write_text("of it")
    for line, counts in ((1, range(10, 40)), (2, range(25, 30))):
        for count in counts:
            name = chain.named(line, count)
            found.archived[name] = BEGIN + (count - 10) * 8640.0
            place = tmp_path / "archive/site/17-1" / name[:16] / f"{name}-{'0a' * 20}.zst"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("wal")
    for name in ("archive/site/archive.info", "archive/site/17-1/00000002.history", "samestack-id"):
        (tmp_path / name).write_text("one")
    for name in ("backup.info", "backup.info.copy", "backup.info.was-20261101T000000Z"):
        (tmp_path / "backup/site" / name).write_text("list")
    (tmp_path / "backup/site/backup.history/2026").mkdir(parents=True)
    (tmp_path / "backup/site/backup.history/2026" / f"{FULLS[2]}.manifest").write_text("old")
    monkeypatch.setattr(planning, "PgBackRest", lambda *_: SimpleNamespace(found=lambda: found))
    return tmp_path, found


def asked(time: float, **other: Any) -> dict[str, Any]:
    return {
        "to": "then", "kind": "time", "time": time, "name": "", "words": "then", "release": "", "up": True,
        "now": BEGIN + 10 * DAY, "identity": "one", "asks": "It is gone.", "mends": False, **other,
    }  # fmt: skip


SETTINGS = Settings("site", "production", frozenset({"keeps"}), "root", "site")


def given(root: Path, found: Found, plan: dict[str, Any]) -> tuple[set[str], list[int]]:
    """The backups that go over, and the segments."""
    files = list(planning.files(str(root), "site", found, plan["share"]))
    assert len(files) == plan["files"]
    assert {"archive/site/archive.info", "backup/site/backup.info", "samestack-id"} < set(files)
    assert "archive/site/17-1/00000002.history" in files
    assert not [name for name in files if "history/" in name or ".was-" in name]
    labels = {name.split("/")[2] for name in files if name.endswith("backup.manifest")}
    segments = sorted(name.split("/")[-1][:24] for name in files if name.endswith(".zst"))
    return labels, [chain.number(name) for name in segments if chain.timeline(name) == 1]


def test_of_an_old_moment_its_backup_and_the_wal_until_then_goes_over(kept: tuple[Path, Found]) -> None:
    root, found = kept
    plan = planning.kept(SETTINGS, asked(BEGIN + 13 * 3600), str(root))
    assert plan["backup"] == f"{FULLS[0]}_20261120-141000D"
    # From what the differential one begins with to what the next full one begins with.
    assert given(root, found, plan) == ({FULLS[0], plan["backup"]}, list(range(16, 21)))
    assert plan["lost"] == plan["now"] - plan["time"]
    plan = planning.kept(SETTINGS, asked(BEGIN + 3600), str(root))
    assert given(root, found, plan) == ({FULLS[0]}, list(range(10, 17)))


def test_wal_is_that_of_the_way(kept: tuple[Path, Found]) -> None:
    """On timeline 2 what timeline 1 went on to write is another one's."""
    root, found = kept
    found.timelines[2], found.histories[2] = BEGIN + 1.2 * DAY, f"1\t{LEFT}\tbefore\n"
    time = BEGIN + 1.6 * DAY
    found.archived |= {chain.named(2, count): time + 60 for count in range(25, 30)}
    plan = planning.kept(SETTINGS, asked(time), str(root))
    assert (plan["backup"], plan["line"], plan["share"]["last"]) == (FULLS[1], 2, "")
    files = list(planning.files(str(root), "site", found, {**plan["share"], "last": chain.named(2, 28)}))
    names = sorted(name.split("/")[-1][:24] for name in files if name.endswith(".zst"))
    assert names == [chain.named(1, count) for count in range(20, 25)] + [
        chain.named(2, count) for count in range(25, 29)
    ]


def test_a_broken_repository_gets_everything_since(kept: tuple[Path, Found]) -> None:
    root, found = kept
    plan = planning.kept(SETTINGS, asked(BEGIN + 1.2 * DAY, mends=True), str(root))
    assert plan["backup"] == FULLS[1]
    labels, segments = given(root, found, plan)
    assert labels == {one.label for one in found.backups if one.label >= FULLS[1]}
    assert segments == list(range(20, 40))
    plan = planning.kept(SETTINGS, asked(0, kind=LATEST, mends=True), str(root))
    assert plan["time"] == plan["until"] == found.archived[chain.named(1, 39)]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"identity": "two"}, "keeps another repository"),
        ({"time": BEGIN - DAY}, "is before the first backup, of 2026-11-20"),
        ({"time": BEGIN + 9 * DAY}, "nothing is there any more"),
    ],
)
def test_what_it_has_not_is_said(kept: tuple[Path, Found], other: dict[str, Any], words: str) -> None:
    with pytest.raises(HostError, match=words):
        planning.kept(SETTINGS, asked(**{"time": BEGIN, **other}), str(kept[0]))


def test_one_that_cannot_be_read_and_one_of_another_version(kept: tuple[Path, Found]) -> None:
    root, found = kept
    del found.archived[chain.named(1, 17)]
    with pytest.raises(HostError, match="WAL 000000010000000000000011 is not in the repository"):
        planning.kept(SETTINGS, asked(BEGIN + 20 * 3600), str(root))
    found.trouble = "no key"
    with pytest.raises(HostError, match="What the backup host has cannot be read either: no key"):
        planning.kept(SETTINGS, asked(BEGIN), str(root))


def test_people_are_told_what_goes_over_and_why(kept: tuple[Path, Found]) -> None:
    """Before anything is done, by what hosts may answer."""
    files = {"snapshot": "", "moment": 0, "live": "a", "release": "a", "wanted": "a", "there": True, "code": ""}
    for other, words in ({}, "first: the database's host does not"), ({"mends": True}, "which take its place"):
        plan = planning.kept(SETTINGS, asked(BEGIN + 13 * 3600, **other), str(kept[0]))
        PLAN.check(plan)
        said = plan_words(plan, files, "production")
        assert any(f"hands over {plan['files']} files" in line and words in line for line in said), said
        assert ("It is gone." in said) == bool(other)
