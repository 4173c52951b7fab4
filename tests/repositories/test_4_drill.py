"""The newest backup of each place is tried: fetched with a network, started without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.backups.conftest import PROGRAM
from tests.repositories.conftest import DATABASE, well

if TYPE_CHECKING:
    from tests.repositories.conftest import Kept

DRILL = "/var/lib/samestack/backup/drill.json"
UNIT, FETCH = "samestack-backup-drill.service", "samestack-backup-drill-fetch.service"


@pytest.mark.parametrize("name", ["s3", "sftp"])
def test_a_drill(production: Kept, name: str) -> None:
    production.make()
    production.sql("CREATE TABLE IF NOT EXISTS after_the_backup (n int); INSERT INTO after_the_backup VALUES (1)")
    said = production.team.samestack("drill", "production", drill_repository=name)
    told = json.loads(production.source.run(f"cat {DRILL}"))
    assert told["ok"], told
    assert told["repository"] == name
    assert told["tables"] > 5
    assert told["label"] in [made["label"] for made in production.moments()[-1]["made"] if made["repository"] == name]
    assert {"restore", "fetch WAL", "rows", "replay"} <= set(told["steps"])
    assert f"Restored on production1 from {name}: backup {told['label']}" in said
    assert f"release {production.team.live('production')} answers 200" in said
    assert f"Last drill ({name})" in production.team.samestack("backups", "production")
    for path in ("code", "work/data", "work/wal", "work/pgbackrest.conf"):
        assert not production.source.host.file(f"/var/lib/samestack-drill/{path}").exists


def test_they_take_turns(production: Kept) -> None:
    tried = []
    for _ in range(2):
        production.team.samestack("drill", "production")
        tried.append(json.loads(production.source.run(f"cat {DRILL}"))["repository"])
    assert sorted(tried) == ["s3", "sftp"]


def test_of_another_debian(staging: Kept) -> None:
    staging.make()
    assert "Restored on staging1 from s3" in staging.team.samestack("drill", "staging")
    well(staging)


def test_nothing_of_it_runs_while_there_is_a_network(production: Kept) -> None:
    units = {name: production.source.run(f"systemctl show {name}") for name in (UNIT, FETCH)}
    assert "PrivateNetwork=yes" in units[UNIT]
    assert "PrivateNetwork=no" in units[FETCH]
    assert "User=samestack-drill" in units[FETCH]
    assert "ProtectSystem=strict" in units[FETCH]


def test_a_place_that_is_none(production: Kept) -> None:
    said = production.team.refuses("drill", "production", drill_repository="host")
    assert "backup_repositories (for production) has no such type. Write one of s3, sftp" in said


def test_what_fails_is_named_and_tried_again(production: Kept) -> None:
    """A byte of the newest backup: the drill of that place fails, and the next one is of it again."""
    label = production.make("full")["made"][1]["label"]
    with production.storage.flipped(f"{DATABASE}/backup/noticeboard/{label}"):
        said = production.team.refuses("drill", "production", drill_repository="sftp")
        assert "The drill failed" in said
        assert production.cycle() == "failed"
        assert "The last drill (of sftp) failed" in production.problems()
    production.source.run(f"{PROGRAM} verify")
    assert "from sftp" in production.team.samestack("drill", "production")
    well(production)
