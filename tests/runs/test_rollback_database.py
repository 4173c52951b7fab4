"""A rollback on a real PostgreSQL: what it reverses, what it leaves, and what it never takes."""

from __future__ import annotations

import itertools
import re
import threading
import time
from typing import TYPE_CHECKING

import psycopg
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
RECORD = "INSERT INTO django_migrations (app, name, applied) VALUES ('board', '0001_squashed_0002_stars', now())"
STARRED = f"{NOTE}    stars = {STARS}\n"
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


@pytest.mark.parametrize("had", [0, 1, 2])
def test_a_squashed_migration_is_told_of_as_it_was_due(app: KeptReleases, source: Path, had: int) -> None:
    """As one where none of its parts has run, as the rest of these otherwise; Django records all of them and itself."""
    if had:
        second = source / "board/migrations/0002_stars.py"
        text = second.read_text(encoding="utf-8")
        if had == 1:
            second.unlink()
        app.deploy("a", source)
        second.write_text(text, encoding="utf-8")
    squash(source)
    app.build("b", source)
    due = app.check("b", allow_breaking=True).found["pending"]
    assert [name for name in due if name.startswith("board")] == [[f"board.{SQUASH}"], ["board.0002_stars"], []][had]
    assert app.migrate("b") == due
    assert applied(app) == [PARTS[0][6:], PARTS[1][6:], SQUASH]


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
    typed = re.search(r'`echo "(.*)" \| \./samestack dbshell --as owner`', raised.value.hint)
    assert typed, raised.value.hint
    app.sql(typed[1])
    assert applied(app)[-1] == SQUASH
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


def test_a_rename_and_a_new_table_of_the_old_name_go_back_without_loss(app: KeptReleases, source: Path) -> None:
    """The table that goes has the name of one that the earlier release uses, and is another one."""
    app.deploy("one", source)
    app.sql("INSERT INTO board_note (title) VALUES ('kept')")
    models(source, "board", STARRED.replace("Note", "Memo") + f"\n\n{NOTE}")
    steps = ['migrations.RenameModel("Note", "Memo")', f'migrations.CreateModel("Note", [{KEY}, {TITLE}])']
    migration(source, "board.0003_memo", steps, "board.0002_stars")
    app.deploy("two", source, allow_breaking=True)
    app.rollback("one")
    assert app.sql("SELECT title, stars FROM board_note") == [("kept", 0)]
    app.deploy("two", allow_breaking=True)
    app.sql("INSERT INTO board_note (title) VALUES ('new')")
    with pytest.raises(HostError, match=r"board_note: 1 row \(board\.0003_memo\)"):
        app.rollback("one")
    app.rollback("one", "board_note")
    assert app.sql("SELECT title, stars FROM board_note") == [("kept", 0)]


def test_a_model_that_has_moved_to_another_app_keeps_its_rows(app: KeptReleases, source: Path) -> None:
    app.deploy("one", source)
    app.sql("INSERT INTO board_note (title) VALUES ('kept')")
    (source / "board/models.py").unlink()
    settings(source, ["board", "desk"])
    models(source, "desk", STARRED)
    made = SQUASHED[0]
    state = f"migrations.SeparateDatabaseAndState(state_operations=[{made}])"
    sql = (
        'migrations.RunSQL("ALTER TABLE board_note RENAME TO desk_note", "ALTER TABLE desk_note RENAME TO board_note")'
    )
    migration(source, "desk.0001_initial", [sql, state], "board.0002_stars")
    gone = 'migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("Note")])'
    migration(source, "board.0003_moved", [gone], "board.0002_stars", "desk.0001_initial")
    app.deploy("two", source, allow_breaking=True)
    app.sql("INSERT INTO desk_note (title) VALUES ('later')")
    assert app.rollback("one")["names"] == ["board.0003_moved", "desk.0001_initial"]
    assert app.sql("SELECT title FROM board_note ORDER BY id") == [("kept",), ("later",)]


def test_an_app_that_was_made_anew_keeps_its_rows(app: KeptReleases, source: Path) -> None:
    """Its first migration has another name now, and made nothing: it was recorded as applied (--fake)."""
    app.deploy("one", source)
    app.sql("INSERT INTO board_note (title) VALUES ('kept')")
    for name in ("0001_initial", "0002_stars"):
        (source / "board/migrations" / f"{name}.py").unlink()
    migration(source, "board.0001_start", SQUASHED)
    models(source, "board", f"{STARRED}    more = models.IntegerField(null=True)\n")
    more = 'migrations.AddField("note", "more", models.IntegerField(null=True))'
    migration(source, "board.0002_more", [more], "board.0001_start")
    app.sql("INSERT INTO django_migrations (app, name, applied) VALUES ('board', '0001_start', now())")
    app.deploy("two", source)
    plan = app.rollback("one")
    assert (plan["names"], plan["stays"]) == (["board.0002_more"], ["board.0001_start"])
    assert app.sql("SELECT title, stars FROM board_note") == [("kept", 0)]


def test_what_would_not_come_back_is_known_before(app: KeptReleases, source: Path) -> None:
    app.deploy("one", source)
    models(source, "board", NOTE)
    gone = 'migrations.RunSQL("ALTER TABLE board_note DROP stars", migrations.RunSQL.noop)'
    state = 'migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("note", "stars")])'
    migration(source, "board.0003_gone", [gone, state], "board.0002_stars")
    with pytest.raises(HostError, match=r"board\.0003_gone: drops the column board_note\.stars"):
        app.deploy("two", source)
    app.deploy("two", allow_breaking=True)
    with pytest.raises(HostError, match=r"board_note\.stars: would not be there, and release one uses it"):
        app.rollback("one")


def test_a_column_that_was_made_anew_is_not_dropped(app: KeptReleases, source: Path) -> None:
    app.deploy("one", source)
    anew = [
        'migrations.RemoveField("note", "title")',
        'migrations.AddField("note", "title", models.TextField(null=True))',
    ]
    migration(source, "board.0003_anew", anew, "board.0002_stars")
    app.deploy("two", source, allow_breaking=True)
    app.sql("INSERT INTO board_note (title) VALUES ('written by the newer release')")
    assert app.rollback("one")["stays"] == ["board.0003_anew"]
    assert app.sql("SELECT title FROM board_note") == [("written by the newer release",)]


def test_in_no_transaction_it_looks_after_each_statement(app: KeptReleases, source: Path) -> None:
    app.deploy("one", source)
    app.sql("INSERT INTO board_note (title) VALUES ('kept')")
    index = 'AddIndexConcurrently("note", models.Index(fields=["title"], name="by_title"))'
    drop = 'migrations.RunSQL("SELECT 1", "DROP TABLE board_note")'
    migration(source, "board.0003_index", [drop, index], "board.0002_stars", atomic=False)
    app.deploy("two", source)
    uses = app.release("one")["tables"]
    plan = {
        "steps": [{"release": "two", "names": ["board.0003_index"], "forget": []}], "names": ["board.0003_index"],
        "uses": uses, "confirmed": [], "live": "two", "target": "one",
    }  # fmt: skip
    assert "This would drop what the earlier release uses: board_note" in app.reverse(plan)
    assert rows(app) == 1
    # Planned, it is not even begun.
    assert app.rollback("one")["stays"] == ["board.0003_index"]


def test_an_older_release_that_cannot_live_with_the_database_is_refused(app: KeptReleases, source: Path) -> None:
    app.deploy("one", source)
    models(source, "board", f"{STARRED}    place = models.CharField(max_length=9)\n")
    place = 'migrations.AddField("note", "place", models.CharField(max_length=9, default=""), preserve_default=False)'
    migration(source, "board.0003_place", [place], "board.0002_stars")
    app.deploy("two", source, allow_breaking=True)
    with pytest.raises(HostError, match=r"older than the database, which has had board\.0003_place") as raised:
        app.deploy("one")
    assert "  board_note.place must not be empty, has no default" in str(raised.value)
    assert "`./samestack rollback --to one` goes back with the database" in raised.value.hint
    app.deploy("one", allow_breaking=True)
    with pytest.raises(psycopg.errors.NotNullViolation):
        app.sql("INSERT INTO board_note (title) VALUES ('of the older release')")
    app.deploy("two")
    app.rollback("one")
    app.sql("INSERT INTO board_note (title) VALUES ('of the older release')")


def test_an_older_release_that_can_live_with_it_is_deployed(app: KeptReleases, source: Path) -> None:
    app.deploy("one", source)
    models(source, "board", f"{STARRED}    place = models.CharField(max_length=9, null=True)\n")
    place = 'migrations.AddField("note", "place", models.CharField(max_length=9, null=True))'
    migration(source, "board.0003_place", [place], "board.0002_stars")
    app.deploy("two", source)
    assert app.check("one").stranger_migrations() == ["board.0003_place"]
    app.deploy("one")


def test_an_index_waits_for_others_and_what_is_left_of_one_is_taken_away(app: KeptReleases, source: Path) -> None:
    app.deploy("one", source)
    app.sql("INSERT INTO board_note (title) VALUES ('twice'), ('twice')")
    unique = (
        'migrations.RunSQL("CREATE UNIQUE INDEX CONCURRENTLY by_title ON board_note (title)", "DROP INDEX by_title")'
    )
    migration(source, "board.0003_index", [unique], "board.0002_stars", atomic=False)
    with pytest.raises(HostError, match="Left unfinished, and of no use to any query: by_title"):
        app.deploy("two", source)
    app.sql("DELETE FROM board_note WHERE id = 1")
    with psycopg.connect(host=app.socket, dbname=app.database, user=app.role) as other:
        other.execute("LOCK TABLE board_note IN ROW EXCLUSIVE MODE")
        waiting = threading.Thread(target=app.migrate, args=["two"])
        waiting.start()
        # Longer than any other statement may wait here (lock_timeout)
        time.sleep(app.params["lock_timeout"] + 2)
        assert waiting.is_alive()
        other.rollback()
        waiting.join(30)
    assert app.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_title'::regclass") == [(True,)]
    assert applied(app)[-1] == "0003_index"


def test_tables_of_somebody_else_are_named_before_anything_runs(app: KeptReleases, source: Path) -> None:
    app.deploy("one", source)
    app.sql("CREATE ROLE loader")
    app.sql("ALTER TABLE board_note OWNER TO loader")
    app.deploy("one")
    migration(source, "board.0003_more", [], "board.0002_stars")
    with pytest.raises(HostError, match="board_note to loader") as raised:
        app.deploy("two", source)
    # Both ways out are typed in test_ownership.py.
    assert "ALTER TABLE public.board_note OWNER TO postgres;" in raised.value.hint
