"""Database, uploads and code go back to a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.machines import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.backups.conftest import Backups, Writer

BAD = """from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("board", "0003_worker_and_timer")]
    operations = [migrations.RunSQL("DELETE FROM board_notice WHERE id > 0", migrations.RunSQL.noop)]
"""


def bad_release(root: Path) -> None:
    """Make a release that deletes rows."""
    (root / "board/migrations/0004_bad.py").write_text(BAD, encoding="utf-8")


def test_what_cannot_be_gone_back_to_is_said_before_anything_is_touched(production: Backups) -> None:
    team = production.team
    for to, words in (
        ("2099-01-01", "is still to come"), ("2001-01-01 10:00+02:00", "is before the first backup"),
        ("yesterday", "this is no moment"), ("before:ffffffffffff", "nothing is known of it"),
        ("before:board.0099", "nothing is known of it"),
    ):  # fmt: skip
        assert words in team.refuses("restore", "production", to=to, confirm=True)
    assert "--confirm" in team.refuses("restore", "production", to="latest")
    assert production.answers() == 200


def test_what_a_bad_release_deleted_comes_back(production: Backups) -> None:
    team, rows = production.team, production.sql("SELECT count(*) FROM board_notice")
    before = team.live("production")
    production.upload("kept.txt", "kept")
    team.commit("v2", bad_release)
    bad = team.deploy("production", "v2")
    production.upload("later.txt", "later")
    assert production.sql("SELECT count(*) FROM board_notice") == "0"
    said = team.samestack("restore", "production", to=f"before:{bad}", check=True)
    assert "Lost: everything written in the last" in said
    assert production.sql("SELECT count(*) FROM board_notice") == "0"
    team.samestack("restore", "production", to="before:board.0004", confirm=True)
    assert production.sql("SELECT count(*) FROM board_notice") == rows
    assert team.live("production") == before
    assert production.answers() == 200
    found = production.uploads()
    assert found["kept.txt"] == "kept"
    assert "later.txt" not in found
    line = [line for line in team.ledger("production") if line["verb"] == "restore"][-1]
    assert (line["result"], line["release"], line["from"]) == ("ok", before, bad)
    # What was there is beside it.
    assert production.source.run("ls -d /var/lib/postgresql/*/main.replaced-* /srv/noticeboard/shared.replaced-*")


def test_twice_in_a_row(production: Backups) -> None:
    """To a moment on the way that the first restore has left, and to one on the way that it began."""
    production.sql("CREATE TABLE way (n int); INSERT INTO way VALUES (1)")
    first = production.now()
    production.sql("INSERT INTO way VALUES (2)")
    second = production.now()
    production.sql("INSERT INTO way VALUES (3)")
    production.team.samestack("restore", "production", to=first, confirm=True)
    assert production.sql("SELECT n FROM way") == "1"
    production.sql("INSERT INTO way VALUES (20)")
    production.team.samestack("restore", "production", to=f"{second}+00:00", confirm=True)
    assert production.sql("SELECT n FROM way ORDER BY n").split() == ["1", "2"]
    wait_for("all to be well", production.well, 90)


def test_what_was_replaced_goes_with_a_backup_by_the_clock(production: Backups) -> None:
    replaced = "ls -d /var/lib/postgresql/*/main.replaced-* /srv/noticeboard/shared.replaced-* 2>/dev/null || true"
    assert production.source.run(replaced)
    # The first follows each restore by itself.
    for _ in range(2):
        production.source.run("systemctl start samestack-backup@incr.service")
    assert not production.source.run(replaced)
    assert production.status()["problems"] == []


def test_the_data_directory_is_gone(production: Backups, writer: Writer) -> None:
    """The loss, by the client's own ledger, is within a minute; one verb brings the rest back."""
    wait_for("rows", lambda: len(writer.acknowledged) > 100)
    production.source.run(
        "pkill -9 -u postgres postgres; rm -rf /var/lib/postgresql/*/main; systemctl stop 'postgresql@*'"
    )
    acknowledged = writer.stop()
    production.team.samestack("restore", "production", to="latest", confirm=True)
    lost = writer.lost()
    newest = max(acknowledged.values())
    assert all(newest - acknowledged[number] <= 60 for number in lost), len(lost)
    assert production.answers() == 200
