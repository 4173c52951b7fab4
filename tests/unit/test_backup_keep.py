"""What a backup host removes of the files' copies, and after what."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.backup import judging, keep, main, status
from plugins.module_utils.backup.settings import Settings
from plugins.module_utils.common.errors import HostError

DAY = 86400
NOW = 1_800_000_000.0


class Copies:
    """A repository of restic's: what reading it finds, and what comes meanwhile."""

    def __init__(self, root: Path, wrong: list[str], coming: list[str]) -> None:
        self.address, self.wrong, self.coming = str(root), wrong, coming
        self.did: list[str] = []
        for name in ("snapshots/aa", "snapshots/bb", "index/1"):
            path = root / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
            os.utime(path, (NOW - 40 * DAY, NOW - (40 if name.endswith("aa") else 35) * DAY))

    def check(self, part: str) -> list[str]:
        self.did.append(part)
        for name in self.coming[:1]:
            (Path(self.address) / "index" / self.coming.pop(0)).write_text(name)
        return self.wrong

    def forget(self, names: list[str]) -> None:
        self.did += names


def test_nothing_is_pruned_by_an_index_that_was_not_read(tmp_path: Path) -> None:
    """A burglar adds one that leads nowhere, also while all is read: restic would drop the pack that has the bytes."""
    restic: Any = Copies(tmp_path, [], ["2"])
    assert keep.read_and_forget(restic, NOW - 30 * DAY) == ["aa"]
    assert restic.did == ["100%", "100%", "aa"]
    restic = Copies(tmp_path, [], list("34567"))
    with pytest.raises(HostError, match="new copies came each time"):
        keep.read_and_forget(restic, NOW - 30 * DAY)
    assert "aa" not in restic.did
    restic = Copies(tmp_path, ["pack 1c contains 1 errors"], [])
    with pytest.raises(HostError, match="nothing is removed while not all is as it was written: pack 1c"):
        keep.read_and_forget(restic, NOW - 30 * DAY)
    assert restic.did == ["100%"]


def test_what_ours_does_not_let_go_is_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket's key may lack the right to remove; whoever keeps the backups has it."""
    monkeypatch.setattr(keep.places, "EXPIRED", str(tmp_path / "expired.json"))

    def go() -> None:
        raise PermissionError(13, "Permission denied")

    keep.note("uploads host", go, ours=True)
    keep.note("uploads s3", go)
    found = json.loads((tmp_path / "expired.json").read_text())
    assert [found[name]["denied"] for name in ("uploads host", "uploads s3")] == [False, True]


@pytest.mark.parametrize("at_fault", ["keep", "verify"])
@pytest.mark.parametrize("error", [KeyError("x"), HostError("a backup is at work"), OSError(28, "No space left")])
def test_a_night_that_ends_early_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_fault: str, error: Exception
) -> None:
    """Whatever it is, also before anything was removed, or while all is read."""
    nightly = tmp_path / "nightly.json"
    for name, value in (("KEPT", tmp_path), ("NIGHTLY", nightly)):
        monkeypatch.setattr(keep.places, name, str(value))

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(keep, "keep", lambda _: ["20261129-180910F"])
    monkeypatch.setattr(status, "verify", lambda *_: {})
    settings = Settings("site", "production", frozenset({"keeps"}), "root", "site")
    assert main.expire(Any, settings) == 0  # type: ignore[arg-type]
    assert json.loads(nightly.read_text())["reason"] == ""
    monkeypatch.setattr({"keep": keep, "verify": status}[at_fault], at_fault, fail)
    with pytest.raises(type(error)):
        main.expire(Any, settings)  # type: ignore[arg-type]
    found = {"expired": {}, "nightly": json.loads(nightly.read_text()), "time": NOW * 2}
    ((word, said),) = judging.of_expiry(found)
    assert word == "night"
    assert str(error) in said
