"""Database, uploads and code go back to a moment out of a bucket, or from an sftp server; whichever is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.repositories.conftest import well

if TYPE_CHECKING:
    from tests.repositories.conftest import Kept

TABLE = "CREATE TABLE IF NOT EXISTS moments (n int); TRUNCATE moments; INSERT INTO moments VALUES (1)"


def test_a_moment_comes_back(kept: Kept) -> None:
    kept.sql(TABLE)
    kept.upload("kept.txt", "kept")
    kept.make()
    moment = kept.now()
    kept.sql("DELETE FROM moments")
    kept.upload("later.txt", "later")
    kept.team.samestack("restore", kept.kind, to=moment, confirm=True)
    assert kept.sql("SELECT count(*) FROM moments") == "1"
    found = kept.uploads()
    assert found["kept.txt"] == "kept"
    assert "later.txt" not in found
    assert kept.answers() == 200
    well(kept)


@pytest.mark.parametrize("away", ["s3", "sftp"])
def test_one_is_away_and_the_other_has_it(production: Kept, away: str) -> None:
    """WAL that waits for the one that is away is in the other."""
    production.sql(TABLE)
    production.make()
    storage = production.storage
    if away == "s3":
        storage.serve_bucket(serves=False)
    else:
        storage.stop_sftp()
    try:
        moment = production.now()
        production.sql("DELETE FROM moments")
        production.team.samestack("restore", "production", to=moment, confirm=True)
        assert production.sql("SELECT count(*) FROM moments") == "1"
        assert production.answers() == 200
    finally:
        storage.serve_bucket()
        storage.serve_sftp()
    production.make()
    well(production)
