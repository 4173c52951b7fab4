"""Who is told of what is wrong with backups."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.filter.backup import backup_program_files
from plugins.module_utils.backup import settings, watch
from plugins.module_utils.backup.settings import Settings
from plugins.plugin_utils.project_root import ENGINE

SETTINGS = Settings("site", "production", frozenset({"keeps"}), "root", "site")


@pytest.mark.parametrize(
    ("own", "offered", "kept"), [(False, {}, False), (True, {}, True), (False, {"port": 1}, True)], ids=str
)
def test_what_is_kept_off_this_machine(own: bool, offered: dict[str, Any], kept: bool) -> None:
    repository = {"number": 1, "name": "local", "off_machine": own}
    assert replace(SETTINGS, repositories=(repository,), offer=offered).kept is kept


class World:
    """What a look finds, whom it tells, and what people know."""

    def __init__(self, folder: Path) -> None:
        self.found: dict[str, str] | Exception = {}
        self.said: list[tuple[str, str]] = []
        self.sent = True
        self.known = folder / "told.json"

    def problems(self, _: Any) -> dict[str, str]:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def tell(self, _: str, title: str, body: str, kind: str) -> bool:
        self.said.append((kind, f"{title}\n{body}"))
        return self.sent

    def watch(self, found: dict[str, str] | Exception) -> int:
        self.found = found
        return watch.watch(SETTINGS)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path)
    (tmp_path / "notices").write_text("mailto://somebody\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(settings, "TOLD", str(found.known))
    monkeypatch.setattr(settings, "KEPT", str(tmp_path))
    monkeypatch.setattr(settings, "LOOKED", str(tmp_path / "looked.json"))
    monkeypatch.setattr(watch, "remarks", lambda _: [])
    monkeypatch.setattr(watch, "gather", lambda _: {"repositories": [{"until": 7}], "drill": {}})
    monkeypatch.setattr(watch, "problems", found.problems)
    monkeypatch.setattr(watch, "tell", found.tell)
    monkeypatch.setattr(watch, "take_while_there_is_room", lambda _: None)
    return found


def test_people_are_told_once_and_when_all_is_well_again(world: World) -> None:
    assert [world.watch(found) for found in ({"run": "It failed."}, {"run": "It failed again."}, {}, {})] == [
        1,
        1,
        0,
        0,
    ]
    assert [kind for kind, _ in world.said] == ["failure", "success"]
    assert "site, production" in world.said[0][1]
    assert "It failed." in world.said[0][1]


def test_what_could_not_be_sent_is_sent_later(world: World) -> None:
    world.sent = False
    assert world.watch({"run": "It failed."}) == 1
    world.sent = True
    assert world.watch({"run": "It failed."}) == 1
    assert len(world.said) == 2
    assert json.loads(world.known.read_text()) == {"run": "It failed."}


@pytest.mark.parametrize(
    "error", [ValueError("invalid literal"), KeyError("time"), OSError("no such file"), TypeError()]
)
def test_a_look_that_fails_is_told_too(world: World, error: Exception) -> None:
    """Otherwise whoever can make it fail has silenced it."""
    assert world.watch(error) == 1
    ((kind, text),) = world.said
    assert kind == "failure"
    assert f"Nobody can say how the backups are: {type(error).__name__}" in text


def test_nobody_is_told_where_nobody_wants_to_be(world: World, tmp_path: Path) -> None:
    (tmp_path / "notices").write_text("")
    assert [world.watch(found) for found in ({"run": "It failed."}, {})] == [1, 0]
    assert not world.said


@pytest.mark.parametrize(("free", "verb"), [(11, "start"), (9, "stop")])
def test_copies_of_files_are_taken_while_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verb: str
) -> None:
    """They come without asking; the database's backups are fetched onto the same disk."""
    did: list[list[str]] = []
    usage = SimpleNamespace(total=105, used=100 - free, free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: did.append(command))
    watch.take_while_there_is_room(replace(SETTINGS, uploads={"targets": [{"address": str(tmp_path)}]}))
    assert did == [["systemctl", verb, "samestack-backup-uploads.service"]]


def test_the_program_of_a_host_has_what_it_imports(tmp_path: Path) -> None:
    for one in backup_program_files(str(tmp_path)):
        if one.get("state") == "directory":
            Path(one["path"]).mkdir(parents=True)
        else:
            shutil.copy(one["source"], one["path"])
    shutil.copy(ENGINE / "roles/backup/files/backup.py", tmp_path / "__main__.py")
    said = subprocess.run([sys.executable, "-I", tmp_path, "--help"], capture_output=True, text=True, check=True).stdout
    assert "Tell people what is wrong" in said


def test_what_was_seen_is_kept_for_whoever_asks_how_the_host_is(world: World) -> None:
    def kept() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((world.known.parent / "looked.json").read_text())
        return found

    world.watch({})
    assert (kept()["problems"], kept()["until"]) == ({}, 7)
    world.watch({"run": "It failed."})
    assert kept()["problems"] == {"run": "It failed."}
    world.watch(OSError("no disk"))
    assert list(kept()["problems"]) == ["look"]
    assert kept()["until"] == 0
