"""Where the database's host keeps backups of its own, too: what only the other has, and what is broken here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.backups.conftest import Backups

REPOSITORY = "/var/lib/pgbackrest"
GIVEN = f"{REPOSITORY}/samestack-given"


def test_what_only_the_backup_host_still_has(production: Backups) -> None:
    """The database's host keeps two full backups; a moment before them is a month away from being lost."""
    team, source = production.team, production.source
    oldest = production.make("full")["label"]
    production.sql("DROP TABLE IF EXISTS older; CREATE TABLE older (n int); INSERT INTO older VALUES (1)")
    then = production.now()
    production.sql("INSERT INTO older VALUES (2)")
    newest = [production.make("full")["label"] for _ in range(2)]
    production.sql("INSERT INTO older VALUES (3)")
    assert oldest not in source.run(f"ls {REPOSITORY}/backup/noticeboard").split()
    said = team.samestack("restore", "production", to=then, check=True)
    assert "The backup host hands over" in said
    assert f"Database: backup {oldest}" in said
    assert not source.host.file(GIVEN).exists
    team.samestack("restore", "production", to=then, confirm=True)
    assert production.sql("SELECT n FROM older") == "1"
    assert production.answers() == 200
    # Nothing of it stays, and nothing that was there went.
    assert not source.host.file(GIVEN).exists
    assert set(newest) <= set(source.run(f"ls {REPOSITORY}/backup/noticeboard").split())
    production.make()
    wait_for("all to be well", production.well, 90)


@pytest.mark.parametrize(
    "harm",
    [
        f"cd {REPOSITORY}/backup/noticeboard; for name in backup.info backup.info.copy; do echo XX > $name; done",
        f"cd {REPOSITORY}/backup/noticeboard; rm -r $(ls -d *F | tail -1)",
    ],
    ids=["wrong bytes", "files are gone"],
)
def test_the_repository_on_the_database_host_is_broken(production: Backups, harm: str) -> None:
    team, source = production.team, production.source
    production.sql("DROP TABLE IF EXISTS broken; CREATE TABLE broken (n int); INSERT INTO broken VALUES (1)")
    then = production.now()
    production.sql("INSERT INTO broken VALUES (2)")
    production.make()
    source.run(harm)
    said = team.samestack("restore", "production", to=then, check=True)
    assert "The repository on the database's host is broken" in said
    team.samestack("restore", "production", to=then, confirm=True)
    assert production.sql("SELECT n FROM broken") == "1"
    assert production.answers() == 200
    assert source.run(f"ls -d {REPOSITORY}/samestack.replaced-*")
    # What begins by itself after a restore leaves it; the next one has a whole repository, and takes it away.
    for _ in range(2):
        production.make()
    assert not source.host.run(f"ls -d {REPOSITORY}/samestack.replaced-*").stdout
    wait_for("all to be well", production.well, 90)
