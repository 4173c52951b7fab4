"""Backups are made in a bucket and on an sftp server, shown, and opened by nobody who lacks the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.repositories.conftest import LAST
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.repositories.conftest import Kept


def test_the_first_backup_comes_by_itself(kept: Kept) -> None:
    wait_for("the first backup", lambda: kept.source.host.file(LAST).exists, 120)
    assert json.loads(kept.source.run(f"cat {LAST}"))["last"]["ok"]


def test_a_second_run_changes_nothing(kept: Kept) -> None:
    kept.team.samestack("provision", kept.kind)
    assert "Nothing changed on" in kept.team.clone.output


def test_a_backup_now(kept: Kept) -> None:
    kept.upload("first.txt", "first")
    moment = kept.make()
    said = kept.team.clone.output
    names = ["s3", "sftp"] if kept.kind == "production" else ["s3"]
    assert [one["repository"] for one in moment["made"]] == names
    for one in moment["made"]:
        assert one["label"] in [backup["label"] for backup in kept.repository(one["repository"])["backups"]]
        assert f"{one['kind']} backup {one['label']}: " in said


def test_what_can_be_restored(kept: Kept) -> None:
    found = kept.status()
    assert found["problems"] == []
    assert found["age"] < 120
    out = kept.team.samestack("backups", kept.kind)
    assert f"{kept.kind} is restorable until" in out
    assert "same disk" not in out
    assert "Uploads (s3): " in out
    assert kept.cycle() == "inactive"
