"""A bucket beside the own disk: each is made, tried and shown for itself; and the way back to the bucket alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.repositories.conftest import well

if TYPE_CHECKING:
    from tests.repositories.conftest import Kept

TABLE = "CREATE TABLE IF NOT EXISTS beside (n int); TRUNCATE beside; INSERT INTO beside VALUES (1)"


def test_the_own_disk_and_a_bucket(staging: Kept) -> None:
    """The disk comes later, on a timeline that a restore has begun: it gets its history, and can be restored from."""
    team, storage = staging.team, staging.storage
    staging.decide({"type": "local"}, storage.s3(path_style=False))
    team.samestack("provision", "staging")
    made = staging.make()["made"]
    assert [one["repository"] for one in made] == ["local", "s3"]
    well(staging)
    out = team.samestack("backups", "staging")
    assert "local (same disk)" in out
    assert "On the same disk: no backup" not in out
    for name in ("local", "s3"):
        assert f"Restored on staging1 from {name}" in team.samestack("drill", "staging", drill_repository=name)
    storage.serve_bucket(serves=False)
    try:
        staging.sql(TABLE)
        moment = staging.now()
        staging.sql("DELETE FROM beside")
        team.samestack("restore", "staging", to=moment, confirm=True)
        assert staging.sql("SELECT count(*) FROM beside") == "1"
        assert staging.answers() == 200
    finally:
        storage.serve_bucket()
    staging.make()
    well(staging)


def test_the_bucket_alone_again(staging: Kept) -> None:
    staging.decide(staging.storage.s3(path_style=False))
    staging.team.samestack("provision", "staging")
    assert [one["repository"] for one in staging.make()["made"]] == ["s3"]
    well(staging)
