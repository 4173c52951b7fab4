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


def as_superuser(kept: Kept, *statements: str) -> None:
    """Have the server's superuser say something in the application's database."""
    text = "".join(f"{statement};\n" for statement in statements)
    name = kept.source.variable("database_name")
    kept.source.run(f"cd / && sudo -u postgres psql -Xq -v ON_ERROR_STOP=1 -d {name} <<'SQL'\n{text}SQL\n")


def test_a_tablespace_is_never_written_over(staging: Kept) -> None:
    """A restore is refused by name while something lies in its folder; into an empty one it comes back."""
    owner, drop = staging.source.variable("database_owner"), ("DROP TABLE public.quick", "DROP TABLESPACE quick")
    staging.source.run("install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/quick")
    as_superuser(
        staging,
        "CREATE TABLESPACE quick LOCATION '/var/lib/postgresql/quick'",
        f"GRANT CREATE ON TABLESPACE quick TO {owner}",
    )
    staging.sql("CREATE TABLE public.quick (n int) TABLESPACE quick; INSERT INTO public.quick VALUES (7)")
    staging.make()
    moment = staging.now()
    said = staging.team.refuses("restore", "staging", to=moment, confirm=True)
    assert "Tablespace quick lies in /var/lib/postgresql/quick" in said
    assert staging.answers() == 200
    as_superuser(staging, *drop)
    staging.team.samestack("restore", "staging", to=moment, confirm=True)
    assert staging.sql("SELECT n FROM public.quick") == "7"
    as_superuser(staging, *drop)
    staging.make()
    well(staging)
