"""What a backup host takes from a database host that somebody has broken into."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.module_utils.backup import fetch, wire
from plugins.module_utils.backup.pgbackrest import WRONG_KEY
from plugins.module_utils.backup.settings import Settings
from plugins.module_utils.common.errors import HostError

FIRST = {"id": 1, "repo-key": 1, "system-id": 7713657126670861881, "version": "15"}
SECOND = {"id": 2, "repo-key": 1, "system-id": 7713657126670861999, "version": "17"}
FULL = {"label": "20261129-180910F", "prior": None, "reference": None}


class PgBackRest:
    """Reads the files of a repository as pgBackRest does, and says what it was asked for."""

    def __init__(self, root: Path) -> None:
        self.file = root / "backup/site/backup.info"
        self.expired = 0

    def known(self) -> dict[str, list[Any]]:
        if not self.file.exists():
            return {"db": [], "backup": []}
        found: dict[str, list[Any]] = json.loads(self.file.read_text())
        return found

    def backups(self) -> list[Any]:
        if "locked" in self.known():
            raise HostError(WRONG_KEY)
        return self.known()["backup"]

    def reads(self, path: str, begins: str) -> bool:
        if not path.endswith(".backup"):
            return "new cipher" not in self.known() and begins == "[backrest]"
        return "new cipher of WAL" not in self.known() and begins == "START WAL LOCATION"

    def expire(self) -> None:
        self.expired += 1


class Fetch(fetch.Fetch):
    """Gets what a database host shows, without the way."""

    def __init__(self, root: Path, shown: dict[str, Any]) -> None:
        self.settings = Settings("site", "production", frozenset({"keeps"}), "root", "site")
        self.root, self.shown = str(root), shown
        self.asked: list[str] = []
        self.repository = PgBackRest(root)
        self.pgbackrest = self.repository  # type: ignore[assignment]

    def get(self, name: str, size: int, place: str = "") -> None:
        self.asked.append(name)
        if name not in self.shown:
            raise wire.WireError("the connection was closed within a file")
        path = Path(place or f"{self.root}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.shown[name]))


def repository(**other: Any) -> dict[str, Any]:
    files = ("archive/site/archive.info", "backup/site/backup.info")
    return {f"{name}{copy}": {"db": [FIRST], "backup": [FULL], **other} for name in files for copy in ("", ".copy")}


def files(root: Path) -> dict[str, str]:
    return {str(one.relative_to(root)): one.read_text() for one in root.rglob("*") if one.is_file()}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A backup host that has fetched."""
    Fetch(tmp_path, repository()).take_info({"archive/site/15-1": 1})
    (tmp_path / "archive/site/15-1/0000000100000000").mkdir(parents=True)
    (tmp_path / "archive/site/15-1/0000000100000000/000000010000000000000002.00000028.backup").touch()
    return tmp_path


def test_the_first_time_all_is_taken(tmp_path: Path) -> None:
    found = Fetch(tmp_path, repository())
    found.take_info({"archive/site/15-1": 1})
    assert set(files(tmp_path)) == set(repository())
    assert not found.repository.expired


def test_nothing_is_asked_for_again_while_nothing_is_new(kept: Path) -> None:
    found = Fetch(kept, {})
    found.take_info({"archive/site/15-1": 9, "archive/site/15-1/0000000100000000": 9})
    assert not found.asked


def test_a_new_major_version_is_taken(kept: Path) -> None:
    found = Fetch(kept, repository(db=[FIRST, SECOND]))
    found.take_info({"archive/site/15-1": 1, "archive/site/17-2": 1})
    assert json.loads((kept / "backup/site/backup.info").read_text())["db"] == [FIRST, SECOND]
    assert found.repository.expired == 1


@pytest.mark.parametrize(
    "shown",
    [
        repository(db=[{**FIRST, "system-id": 1}]),
        repository(db=[SECOND]),
        repository(db=[FIRST, SECOND], backup=[{**FULL, "prior": "20260101-000000F"}]),
        repository(locked=True),
        repository(**{"db": [FIRST, SECOND], "new cipher": True}),
        repository(**{"db": [FIRST, SECOND], "new cipher of WAL": True}),
        {"archive/site/archive.info": {"db": [SECOND], "backup": []}},
        {},
    ],
    ids=[
        "another server", "only a new one", "a backup that hangs on nothing", "another key", "another key of backups",
        "another key of WAL", "cut off", "at once",
    ],
)  # fmt: skip
def test_whoever_has_broken_in_cannot_have_backups_forgotten(kept: Path, shown: dict[str, Any]) -> None:
    """pgBackRest removes backups that its list knows nothing of: the list that is here stays."""
    before, found = files(kept), Fetch(kept, shown)
    with pytest.raises((wire.WireError, HostError)):
        found.take_info({"archive/site/15-1": 1, "archive/site/17-2": 1})
    assert {name: text for name, text in files(kept).items() if name in before} == before
    assert not found.repository.expired


@pytest.mark.parametrize(
    "told",
    [
        None, [], "x", {}, {"current": "zzz", "timeout": 50}, {"current": "0" * 24, "timeout": -9e9},
        {"current": "0" * 24, "timeout": "50"}, {"current": "0" * 24}, {"current": ["0" * 24], "timeout": 50},
        {"current": "0" * 24 + "\n", "timeout": 50}, {"current": "0" * 24, "timeout": -1},
    ],
)  # fmt: skip
def test_what_no_server_says_is_not_believed(told: Any) -> None:
    """It would end the look at the backups, or say that they are newer than they are."""
    assert fetch.server_of(told) == {}
    assert fetch.server_of({"current": "0" * 24, "timeout": 50, "more": 1}) == {"current": "0" * 24, "timeout": 50}


def test_what_is_fetched_leaves_the_room_that_is_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has filled the disk: uploads come onto it, too."""
    found = Fetch(tmp_path, {})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1050, used=880, free=120))
    found.check_room(20)
    with pytest.raises(HostError, match=r"have to stay \(backup_disk_limit\)"):
        found.check_room(21)
