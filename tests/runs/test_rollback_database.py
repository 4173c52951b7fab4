"""A rollback on a real PostgreSQL: what it reverses, what it leaves, and what it never takes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.common.errors import HostError
from tests.support.kept_releases import KeptReleases, migration, models, settings
from tests.support.local_postgresql import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = '("id", models.BigAutoField(primary_key=True, serialize=False))'
TITLE = '("title", models.CharField(max_length=50, null=True))'
STARS = "models.IntegerField(default=0, db_default=0)"
NOTE = "class Note(models.Model):\n    title = models.CharField(max_length=50, null=True)\n"
STARRED = f"{NOTE}    stars = {STARS}\n"
RECORD = "INSERT INTO django_migrations (app, name, applied) VALUES ('board', '0001_squashed_0002_stars', now())"
COUNT = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server."""
    with postgresql() as socket:
        yield socket


def application(folder: Path, server: str, patch: pytest.MonkeyPatch) -> KeptReleases:
    KeptReleases(folder, server, "postgres").sql(f"CREATE DATABASE d{(number := next(COUNT))}")
    found = KeptReleases(folder, server, f"d{number}")
    found.instead_of_systemd(patch)
    return found


@pytest.fixture
def app(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> KeptReleases:
    return application(tmp_path, server, monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A project whose app `board` has two migrations."""
    folder = tmp_path / "source"
    settings(folder, ["board"])
    models(folder, "board", STARRED)
    migration(folder, "board.0001_initial", [f'migrations.CreateModel("Note", [{KEY}, {TITLE}])'])
    migration(folder, "board.0002_stars", [f'migrations.AddField("note", "stars", {STARS})'], "board.0001_initial")
    return folder


SQUASHED = [f'migrations.CreateModel("Note", [{KEY}, {TITLE}, ("stars", {STARS})])']
PARTS = ["board.0001_initial", "board.0002_stars"]
SQUASH = "0001_squashed_0002_stars"


def squash(folder: Path) -> None:
    migration(folder, f"board.{SQUASH}", SQUASHED, replaces=PARTS)


def clean(folder: Path) -> None:
    for name in ("0001_initial", "0002_stars"):
        (folder / "board/migrations" / f"{name}.py").unlink()
    migration(folder, f"board.{SQUASH}", SQUASHED)


def applied(app: KeptReleases) -> list[str]:
    return [name for (name,) in app.sql("SELECT name FROM django_migrations WHERE app = 'board' ORDER BY id")]


def rows(app: KeptReleases) -> int:
    return int(app.sql("SELECT count(*) FROM board_note")[0][0])


def test_a_squash_is_no_newer_migration(app: KeptReleases, source: Path) -> None:
    """Django's own way: squash with `replaces`, then take the old files and `replaces` away."""
    app.deploy("one", source)
    app.sql("INSERT INTO board_note (title) VALUES ('kept')")
    squash(source)
    assert app.deploy("two", source).found["unrecorded"] == [f"board.{SQUASH}"]
    assert applied(app) == ["0001_initial", "0002_stars", SQUASH]
    clean(source)
    app.deploy("three", source)
    plan = app.rollback("one")
    assert (plan["action"], plan["names"], plan["stays"]) == ("nothing", [], [])
    assert rows(app) == 1
    assert app.check("three").found["pending"] == []


@pytest.mark.parametrize("forgotten", [False, True])
def test_not_even_where_nobody_knows_what_it_stood_for(app: KeptReleases, source: Path, forgotten: bool) -> None:
    app.deploy("one", source)
    app.sql("INSERT INTO board_note (title) VALUES ('kept')")
    clean(source)
    app.build("three", source)
    # As in an environment that has skipped the release with `replaces` …
    with pytest.raises(HostError, match="makes the table board_note") as raised:
        app.deploy("three")
    assert f"migrate --fake board {SQUASH}" in raised.value.hint
    app.sql(RECORD)
    if forgotten:
        # … or where `migrate --prune` has taken the old names away.
        app.sql("DELETE FROM django_migrations WHERE name IN ('0001_initial', '0002_stars')")
    app.deploy("three")
    plan = app.rollback("one")
    assert (plan["action"], plan["stays"]) == ("nothing", [f"board.{SQUASH}"])
    assert f"Applied under another name, release one uses what they made: board.{SQUASH}" in plan["say"]
    assert rows(app) == 1


def test_a_squash_with_something_new_in_it_gives_only_that_back(app: KeptReleases, source: Path) -> None:
    (source / "board/migrations/0002_stars.py").rename(source.parent / "later.py")
    models(source, "board", NOTE)
    app.deploy("one", source)
    app.sql("INSERT INTO board_note (title) VALUES ('kept')")
    (source.parent / "later.py").rename(source / "board/migrations/0002_stars.py")
    models(source, "board", STARRED)
    squash(source)
    app.deploy("two", source)
    clean(source)
    app.deploy("three", source)
    plan = app.rollback("one")
    assert plan["names"] == ["board.0002_stars"]
    assert applied(app) == ["0001_initial"]
    assert rows(app) == 1
    # Forth again: what was squashed is recorded only when all of it has run.
    app.deploy("two")
    assert applied(app) == ["0001_initial", "0002_stars", SQUASH]
    app.deploy("three")
    assert app.sql("SELECT stars FROM board_note") == [(0,)]


def test_back_over_the_end_of_a_squash(app: KeptReleases, source: Path) -> None:
    squash(source)
    app.deploy("one", source)
    clean(source)
    app.deploy("two", source)
    models(source, "board", f"{STARRED}    more = models.IntegerField(null=True)\n")
    more = 'migrations.AddField("note", "more", models.IntegerField(null=True))'
    migration(source, "board.0003_more", [more], f"board.{SQUASH}")
    app.deploy("three", source)
    assert app.rollback("two")["names"] == ["board.0003_more"]
    app.deploy("three")
    assert app.rollback("one")["names"] == ["board.0003_more"]
    assert rows(app) == 0


def test_the_reversal_itself_looks_once_more(app: KeptReleases, source: Path) -> None:
    """Whatever a plan says: nothing is committed that takes what the earlier release uses."""
    app.deploy("one", source)
    app.sql("INSERT INTO board_note (title) VALUES ('kept')")
    clean(source)
    app.build("three", source)
    app.sql(RECORD)
    app.deploy("three")
    uses = app.release("one")["tables"]
    step = {"release": "three", "names": [f"board.{SQUASH}"], "forget": []}
    for confirmed in ([], ["board_note"]):
        plan = {
            "steps": [step], "names": step["names"], "uses": uses, "confirmed": confirmed, "live": "three",
            "target": "one",
        }  # fmt: skip
        trouble = app.reverse(plan)
        assert "This would drop what the earlier release uses: board_note" in trouble
        assert "The database is as it was" in trouble
        assert rows(app) == 1
    trouble = app.reverse({**plan, "uses": {}, "confirmed": []})
    assert "tables with rows in them, which nobody has confirmed: board_note" in trouble
    assert rows(app) == 1
    assert app.reverse({**plan, "uses": {}}) == ""
    assert app.sql("SELECT to_regclass('board_note')") == [(None,)]


def test_tables_with_rows_go_when_they_are_named(app: KeptReleases, source: Path) -> None:
    app.deploy("one", source)
    models(
        source, "board", f"{STARRED}\n\nclass Tag(models.Model):\n    pass\n\n\nclass Mark(models.Model):\n    pass\n"
    )
    both = [f'migrations.CreateModel("{name}", [{KEY}])' for name in ("Tag", "Mark")]
    migration(source, "board.0003_tag", both, "board.0002_stars")
    app.deploy("two", source)
    app.sql("INSERT INTO board_tag DEFAULT VALUES")
    app.sql("INSERT INTO board_tag DEFAULT VALUES")
    with pytest.raises(HostError, match=r"board_tag: 2 rows \(board\.0003_tag\)") as raised:
        app.rollback("one")
    assert "--confirm board_tag`" in raised.value.hint
    assert "board_mark" not in str(raised.value)
    assert app.rollback("one", "board_tag")["pointed"]
    assert app.sql("SELECT to_regclass('board_tag'), to_regclass('board_mark')") == [(None, None)]
