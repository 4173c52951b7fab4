"""Files on the control node are there whole or not at all, and private from their first byte."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from plugins.plugin_utils.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, "one\n", 0o600)
    assert (path.read_text(), mode_of(path), mode_of(path.parent)) == ("one\n", 0o600, 0o700)
    write_whole(path, b"two\n")
    assert (path.read_text(), mode_of(path)) == ("two\n", 0o644)
    assert os.listdir(path.parent) == ["file"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, "before")
    seen: list[int] = []

    def full(handle: int) -> None:
        # Before the end nobody else can read what there is of it.
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "after", 0o600)
    assert seen == [0o600]
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["file"]
