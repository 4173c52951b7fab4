"""What a run replaced is put back: contents, owners, links, and nothing of an older run."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.system import change, restore
from plugins.module_utils.system import undo as system_undo
from plugins.module_utils.system.change import State
from plugins.module_utils.system.entries import EntryError
from plugins.module_utils.system.restore import Restore, is_unit
from plugins.module_utils.system.undo import Record
from tests.unit.test_system_state import entry, mode

if TYPE_CHECKING:
    from pathlib import Path

RUN = {"id": "20261122T120000Z-a1", "who": "Ada", "verb": "provision", "began": 1000.0}
NEXT = {**RUN, "id": "20261122T130000Z-b2", "began": 2000.0}


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that was provisioned before."""
    pending = tmp_path / "var/pending"
    pending.mkdir(parents=True)
    monkeypatch.setattr(system_undo, "UNDO", str(tmp_path / "var/undo"))
    monkeypatch.setattr(system_undo, "FIRST_CHANGE", str(pending))
    monkeypatch.setattr(change, "PENDING", str(pending))
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "site.conf").write_text("old\n")
    (folder / "site.conf").chmod(0o640)
    (folder / "link").symlink_to("site.conf")
    (folder / "gone").write_text("was here\n")
    return folder


def provision(*files: dict[str, Any], run: dict[str, Any] = RUN, owner: str = "nginx") -> None:
    params = {"owner": owner, "files": list(files), "units": []}
    state = State(SimpleNamespace(check_mode=False, params=params), Record(run, owner))
    state.put(state.plan())
    state.pending.save({})


def undo(run: dict[str, Any] = RUN, check: bool = False) -> list[str]:
    about = next(known for known in system_undo.runs() if known["id"] == run["id"])
    return Restore(about, "shop", check).run()


def everything(host: Path) -> list[dict[str, Any]]:
    return [
        entry(host / "site.conf", "new\n", mode="0644"),
        entry(host / "link", state="link", target="elsewhere"),
        entry(host / "gone", state="absent"),
        entry(host / "made", state="directory"),
        entry(host / "made/file", "made\n"),
    ]


def test_everything_is_as_before(host: Path) -> None:
    provision(*everything(host))
    (said, last) = undo()
    assert "by Ada) is taken back" in said
    assert "Packages stay" in last
    assert (host / "site.conf").read_text() == "old\n"
    assert mode(host / "site.conf") == 0o640
    assert os.readlink(host / "link") == "site.conf"
    assert (host / "gone").read_text() == "was here\n"
    assert not (host / "made").exists()


def test_what_an_exclusive_folder_lost_is_back(host: Path) -> None:
    (host / "code").mkdir()
    (host / "code" / "old.py").write_text("old\n")
    provision(entry(host / "code", state="directory", exclusive=True), entry(host / "code" / "new.py", "new\n"))
    assert [path.name for path in (host / "code").iterdir()] == ["new.py"]
    undo()
    assert [path.name for path in (host / "code").iterdir()] == ["old.py"]
    assert (host / "code" / "old.py").read_text() == "old\n"


def test_nobody_else_may_look(host: Path) -> None:
    provision(*everything(host))
    folder = host.parent / "var/undo" / RUN["id"]
    assert [mode(folder.parent), mode(folder)] == [0o700, 0o700]
    assert {mode(path) for path in folder.iterdir()} == {0o600}


def test_a_second_time_changes_nothing(host: Path) -> None:
    provision(*everything(host))
    undo()
    (host / "site.conf").write_text("by hand\n")
    assert "undone already" in undo()[0]
    assert (host / "site.conf").read_text() == "by hand\n"


def test_check_mode_only_says_it(host: Path) -> None:
    provision(*everything(host))
    assert "would be taken back" in undo(check=True)[0]
    assert (host / "site.conf").read_text() == "new\n"
    assert not system_undo.undone(RUN["id"])


def test_one_run_and_not_the_one_before(host: Path) -> None:
    provision(entry(host / "site.conf", "second\n"))
    provision(entry(host / "site.conf", "third\n"), run=NEXT)
    provision(entry(host / "site.conf", "fourth\n"), run=NEXT, owner="django")
    assert [run["id"] for run in system_undo.runs()] == [NEXT["id"], RUN["id"]]
    undo(NEXT)
    assert (host / "site.conf").read_text() == "second\n"


def test_nothing_replaced_keeps_nothing(host: Path) -> None:
    provision(entry(host / "site.conf", "old\n", mode="0640"))
    provision(entry(host / "site.conf", "new\n"), run={})
    with pytest.raises(EntryError, match="refused"):
        provision(entry(host / "site.conf", "bad\n", validate=["false"]))
    assert [record for run in system_undo.runs() for record in system_undo.records(run["id"])] == []


def test_what_was_edited_since_is_said(host: Path) -> None:
    provision(*everything(host))
    (host / "site.conf").write_text("by hand\n")
    assert any("Changed by somebody" in line and "site.conf" in line for line in undo())
    assert (host / "site.conf").read_text() == "old\n"


def test_folders_in_use_stay(host: Path) -> None:
    provision(*everything(host))
    (host / "made/upload").write_text("x")
    assert any("stay" in line and str(host / "made") in line for line in undo())
    assert (host / "made/upload").exists()


def test_what_a_program_refuses_is_not_put_back(host: Path) -> None:
    provision(entry(host / "site.conf", "new\n", validate=[f"grep -q new {host}/site.conf"]))
    with pytest.raises(EntryError, match="refused"):
        undo()
    assert (host / "site.conf").read_text() == "new\n"
    assert not system_undo.undone(RUN["id"])


def test_commands_run_again_and_not_on_what_is_gone(host: Path) -> None:
    log = host / "log"
    provision(
        entry(host / "site.conf", "new\n", apply=[f"touch {log}"]),
        entry(host / "fresh", "x", apply=[f"cat {host}/fresh"]),
    )
    log.unlink()
    undo()
    assert log.exists()
    assert not (host / "fresh").exists()


def test_the_run_that_built_the_machine_stays(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host.parent / "var/pending").rmdir()
    provision(*everything(host))
    assert "nothing to go back to" in undo()[0]
    assert (host / "site.conf").read_text() == "new\n"
    monkeypatch.setattr(restore, "UNITS", str(host))
    provision(entry(host / "shop.service", "[Service]\n"), run=NEXT)
    assert "nothing to go back to" in undo(NEXT)[0]


def test_only_the_last_runs_are_kept(host: Path) -> None:
    for turn in range(8):
        provision(entry(host / "site.conf", f"{turn}\n"), run={**RUN, "id": f"r{turn}", "began": float(turn)})
    assert [run["id"] for run in system_undo.runs()] == ["r7", "r6", "r5", "r4", "r3"]


def test_units_are_led_back(host: Path) -> None:
    record = Record(RUN, "django")
    record.keep([entry(host / "site.conf", "new\n")])
    record.units(["enable shop.service", "start shop.service", "touch /x", "try-restart ssh.service"])
    assert system_undo.unit_actions(RUN["id"]) == [("stop", "shop.service"), ("disable", "shop.service")]


def test_which_files_are_units_that_can_be_stopped() -> None:
    assert is_unit("/etc/systemd/system/shop-timer-tidy.timer")
    assert not is_unit("/etc/systemd/system/shop-web@.service")
    assert not is_unit("/etc/shop/env")
