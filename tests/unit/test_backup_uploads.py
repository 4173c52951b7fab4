"""The application's files on their way back, cut off and run again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.module_utils.backup import uploads
from plugins.module_utils.backup.settings import Settings
from plugins.module_utils.backup.uploads import Uploads
from plugins.modules import backup

BEFORE, MOMENT, NOW = 1_000_000_000, 1_000_000_500, 1_000_000_900
PLAN = {"code": "", "snapshot": "aa", "moment": BEFORE, "time": MOMENT, "release": ""}


class Copies:
    """A copy with two files in each folder."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders

    def restore(self, _: str, into: str, include: list[str]) -> None:
        assert include == [str(folder) for folder in self.folders]
        for folder in self.folders:
            place = Path(f"{into}{folder}")
            place.mkdir(parents=True)
            for name in ("old", "changed"):
                (place / name).write_text("of the copy")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uploads:
    """A host with two folders: files that were added or changed between the copy and the moment, and one of later."""
    folders = [tmp_path / "shared/media", tmp_path / "shared/data"]
    for folder in folders:
        folder.mkdir(parents=True)
        for name, written in (("old", BEFORE - 1), ("added", MOMENT - 1), ("changed", MOMENT - 1), ("later", NOW)):
            (folder / name).write_text("of the host")
            os.utime(folder / name, (written, written))
    monkeypatch.setattr(uploads, "STATE", str(tmp_path / "uploads.json"))
    stamps = iter(range(100))
    monkeypatch.setattr(uploads.Uploads, "target", lambda _: (Copies(folders), []))
    monkeypatch.setattr("time.strftime", lambda *_: f"20261129T1200{next(stamps):02d}Z")
    known: dict[str, Any] = {"folders": [str(folder) for folder in folders]}
    return Uploads(Settings("site", "dev", frozenset({"uploads"}), "root", "site", uploads=known, root=str(tmp_path)))


def state() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(uploads.STATE).read_text())
    return found


def content(host: Uploads) -> dict[str, list[str]]:
    folders = sorted(Path(host.shared).iterdir())
    return {folder.name: sorted(f"{one.name} {one.read_text()}" for one in folder.iterdir()) for folder in folders}


GONE_BACK = {name: ["added of the host", "changed of the host", "old of the copy"] for name in ("data", "media")}


def test_what_was_there_is_kept_beside(host: Uploads) -> None:
    host.run(dict(PLAN))
    assert content(host) == GONE_BACK
    (kept,) = state()["kept"]
    assert sorted(one.name for one in Path(kept).rglob("*") if one.is_file()) == sorted(
        ["old", "added", "changed", "later"] * 2
    )


@pytest.mark.parametrize("after", range(4))
def test_a_run_that_was_cut_off_is_run_again(host: Uploads, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """What was there before the first is kept, wherever it had come to."""
    rename, left = os.rename, [None] * after

    def until(*paths: Any) -> None:
        left.pop()
        rename(*paths)

    monkeypatch.setattr(os, "rename", until)
    with pytest.raises(IndexError):
        host.run(dict(PLAN))
    monkeypatch.setattr(os, "rename", rename)
    host.run(dict(PLAN))
    assert content(host) == GONE_BACK
    later = [one.parent.name for kept in state()["kept"] for one in Path(kept).rglob("later")]
    assert sorted(later) == ["data", "media"]
    # Nothing else lies about.
    beside = {one.name for one in Path(host.settings.root).iterdir()} - {"shared", "uploads.json"}
    assert beside == {Path(kept).name for kept in state()["kept"]}
    for kept in state()["kept"]:
        shutil.rmtree(kept)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_preview_brings_no_ledger_back(host: Uploads, monkeypatch: pytest.MonkeyPatch, check_mode: bool) -> None:
    remembered: list[str] = []
    monkeypatch.setattr(Uploads, "remember", lambda _: remembered.append("ledger") or "8d62fa25256d")
    monkeypatch.setattr(Uploads, "plan", lambda _, time, release: {"time": time, "release": release})
    params = {"plan": {"release": "", "time": MOMENT}, "fresh": True}
    module: Any = SimpleNamespace(params=params, check_mode=check_mode)
    found = backup.plan_files(module, host.settings)["plan"]
    assert (bool(remembered), found["release"]) == (not check_mode, "" if check_mode else "8d62fa25256d")


def test_a_copy_from_before_the_first_deployment_has_no_code(host: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = {"id": "aa", "tags": ["release=", f"moment={BEFORE}"]}
    monkeypatch.setattr(uploads.Uploads, "target", lambda _: (None, [copy]))
    plan = host.plan(MOMENT, "")
    assert (plan["release"], plan["code"]) == ("", "")
    assert host.release(plan["release"]) == {"id": ""}
