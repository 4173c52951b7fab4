"""A backup that fails is written down, whatever it failed by: people are told by that."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.backup import source
from plugins.module_utils.backup.settings import Settings
from plugins.module_utils.backup.source import Source
from plugins.module_utils.common.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

FULL_DISK = OSError(28, "No space left on device")
KILLED = subprocess.CalledProcessError(-9, ["tee"])


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    for name in ("KEPT", "LAST", "MOMENTS"):
        monkeypatch.setattr(source.places, name, str(tmp_path / name))
    monkeypatch.setattr(source, "private_lock", lambda *_: contextlib.nullcontext())
    return Source(Settings("site", "production", frozenset({"database"}), "root", "site"))


@pytest.mark.parametrize(
    ("error", "words"), [(HostError("no way"), "no way"), (FULL_DISK, "No space left"), (KILLED, "died with")]
)
def test_whatever_it_fails_by_is_written_down(
    host: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, words: str
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Source, "back_up_database", fail)
    with pytest.raises(HostError, match=words):
        host.run("incr")
    last = json.loads((tmp_path / "LAST").read_text())["last"]
    assert not last["ok"]
    assert words in last["reason"]


def test_where_not_even_that_can_be_written_the_reason_is_said(host: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise FULL_DISK

    monkeypatch.setattr(Source, "back_up_database", fail)
    monkeypatch.setattr(source, "write_atomic", fail)
    with pytest.raises(HostError, match="No space left on device"):
        host.run("incr")


def test_a_copy_of_files_hides_no_failure_of_a_whole_backup(host: Source, tmp_path: Path) -> None:
    def last() -> tuple[str, bool]:
        line = json.loads((tmp_path / "LAST").read_text())["last"]
        return line["kind"], line["ok"]

    host.write_down("incr", False, "no way", 0)
    host.write_down("uploads", True, "", 0)
    assert last() == ("incr", False)
    host.write_down("uploads", False, "no way either", 0)
    assert last() == ("uploads", False)
    host.write_down("uploads", True, "", 0)
    assert last() == ("uploads", True)
