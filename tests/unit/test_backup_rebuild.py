"""Which hosts are not built anew from what another one keeps."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.backup import restore
from plugins.module_utils.backup.settings import Settings
from plugins.module_utils.backup.source import Source
from plugins.module_utils.common.errors import HostError
from plugins.modules import backup

if TYPE_CHECKING:
    from pathlib import Path


class Host:
    """A database host: what its server answers, and what was done to it."""

    def __init__(self, folder: Path) -> None:
        self.tables, self.did, self.failing = "f", list[str](), ""
        self.state = folder / "restore.json"
        self.settings = Settings(
            "site", "production", frozenset({"database"}), "root", "site", root=str(folder / "srv"),
            database={"port": 5432, "name": "site"},
        )  # fmt: skip

    def sql(self, text: str, database: str, role: str) -> str:
        assert (text, database, role) == (backup.MIGRATED, "site", "samestack")
        return self.tables

    def receive(self) -> dict[str, Any]:
        module: Any = SimpleNamespace(run_command=self.run, params={"plan": {}})
        return backup.receive(module, self.settings)

    def run(self, words: list[str]) -> tuple[int, str, str]:
        self.did.append(words[0])
        return int(self.failing in words), "7", "not loaded"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path)
    monkeypatch.setattr(restore, "STATE", str(found.state))
    monkeypatch.setattr(Source, "server", found)
    return found


def test_a_database_that_is_in_use_stays(host: Host) -> None:
    """The web server's machine is gone, and the database's is not."""
    host.tables = "t"
    with pytest.raises(HostError, match="database site here has an application's tables"):
        host.receive()
    assert host.did == []


def test_that_is_known_before_the_machine_is_provisioned(host: Host) -> None:
    module: Any = SimpleNamespace()
    assert backup.empty(module, host.settings) == {"changed": False}
    host.tables = "t"
    with pytest.raises(HostError, match="application's tables"):
        backup.empty(module, host.settings)
    # Where there is no server, none is asked.
    backup.empty(module, replace(host.settings, does=frozenset({"keeps"})))


def test_an_empty_one_is_filled(host: Host) -> None:
    assert host.receive()["say"] == ["7 files of the repository came"]


def test_a_rebuild_that_was_cut_off_goes_on(host: Host) -> None:
    host.tables = "t"
    host.state.write_text('{"step": "done", "kept": []}')
    assert host.receive()["changed"]


@pytest.mark.parametrize("word", ["stop", "start"])
def test_a_unit_that_does_not_do_as_it_is_told_is_an_error(host: Host, word: str) -> None:
    """Where what is fetched from does not begin again, nothing is backed up from then on."""
    host.failing = word
    with pytest.raises(HostError, match=f"`systemctl {word} {backup.OFFER}` failed: not loaded"):
        host.receive()
