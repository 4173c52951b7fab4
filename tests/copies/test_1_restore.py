"""Staging gets production's data, and nothing of anybody's is in it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.copies.catalogue import LOOK, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parity.conftest import Rehearsal

#: A row in each table of the application's that people write to, with a string of its own in each column
ROWS = """
SET ROLE noticeboard_owner;
INSERT INTO auth_user
    (id, username, email, first_name, last_name, password, is_superuser, is_staff, is_active, date_joined)
  SELECT n, 'canary-u' || n, 'canary-m' || n || '@example.org', 'canary-f' || n, 'canary-l' || n,
    'pbkdf2_sha256$canary' || n, n = 900, false, true, '2026-01-02' FROM generate_series(900, 939) n;
INSERT INTO board_category (id, name, slug) VALUES (900, 'canary-cat', 'canary-slug');
INSERT INTO board_notice (title, body, category_id, author_id, published_at, attachment, archived, checksum, read_by)
  SELECT 'canary-t' || n, 'canary-b' || n, 900, n, '2026-01-02', 'attachments/canary-a' || n || '.txt', false,
    'canary-c' || n, 'canary-r' || n FROM generate_series(900, 939) n;
INSERT INTO board_timerrun (name, finished_at, outcome) VALUES ('canary-timer', now(), 'canary-outcome');
INSERT INTO django_session VALUES ('canary-session', 'canary-data', '2030-01-01');
INSERT INTO django_admin_log (action_time, object_repr, action_flag, change_message, user_id)
  VALUES (now(), 'canary-repr', 1, 'canary-change', 900);
"""
COUNT = """SELECT count(*) FROM {table} WHERE "{column}" ~ 'canary'"""
NOTICES = """
SELECT count(*), count(DISTINCT title), count(DISTINCT author_id) FROM board_notice WHERE category_id = 900"""
REDIS = (
    "REDISCLI_AUTH=$(cat /etc/samestack/redis-password) "
    "redis-cli --user samestack --no-auth-warning -s /run/redis/redis-server.sock"
)
CLEAN = """
SET ROLE noticeboard_owner;
ALTER TABLE board_notice DROP COLUMN IF EXISTS extra;
DELETE FROM django_admin_log WHERE user_id >= 900; DELETE FROM django_session WHERE session_key ~ 'canary';
DELETE FROM board_notice WHERE category_id = 900; DELETE FROM board_category WHERE id = 900;
DELETE FROM board_timerrun WHERE name ~ 'canary'; DELETE FROM auth_user WHERE id >= 900;
"""
SANITISE = """
models:
  auth.User: {username: hash, first_name: fake name, last_name: empty, email: fake e-mail}
  board.Category:
    name: hash
    slug: hash
  board.Notice:
    title: hash
    body: {prefix: "About "}
    attachment: empty
    checksum: hash
    read_by: hash
    published_at: {shift date: 3}
  board.TimerRun: {name: hash, outcome: empty}
"""


@pytest.fixture(scope="module")
def seeded(team: Rehearsal) -> Iterator[Rehearsal]:
    """Production with a canary in each column of text, and what becomes of each."""
    (team.clone.folder / "sanitise.yml").write_text(SANITISE, encoding="utf-8")
    team.sql("production", CLEAN + ROWS)
    yield team
    team.sql("production", CLEAN)


def all_text(team: Rehearsal, environment: str) -> str:
    """Everything that a database has, as SQL."""
    return team.machine(environment).run("cd / && sudo -u postgres pg_dump noticeboard")


def left(team: Rehearsal) -> list[str]:
    """What a copy has left on the machines and on this computer: nothing, whatever became of it."""
    found = [path.name for path in (team.clone.folder / ".samestack/copies").glob("*")]
    for environment in ("production", "staging"):
        machine = team.machine(environment)
        found += machine.run("find /var/lib/samestack/copies -mindepth 1 2>/dev/null || true").split()
        databases = "SELECT datname FROM pg_database WHERE datname ~ '_(copy|restoring)$'"
        found += machine.run(f'cd / && sudo -u postgres psql -XAtc "{databases}"').split()
    return found


def restore(team: Rehearsal) -> str:
    return team.clone.samestack("restore", "staging", "--from", "production", "--rehearsal", "--confirm")


def refuses(team: Rehearsal, *more: str) -> str:
    return team.clone.refuses("restore", "staging", "--from", "production", "--rehearsal", *more)


def test_each_text_column_of_production_has_a_canary(seeded: Rehearsal) -> None:
    """The test's own rows are complete: no column was forgotten, in the application's tables and in Django's."""
    there = read(seeded.sql("production", LOOK))
    own = ("auth_user", "board_category", "board_notice", "board_timerrun", "django_session", "django_admin_log")
    for name in own:
        for column in there.tables[name].columns.values():
            if not column.harmless and column.name != "object_id":
                look = COUNT.format(table=name, column=column.name)
                assert seeded.sql("production", look) != "0", f"{name}.{column.name}"


def test_a_person_is_asked_before_anything_is_done(seeded: Rehearsal) -> None:
    said = refuses(seeded)
    assert "tables of which have rows" in said
    assert "--confirm" in said
    check = seeded.clone.samestack("restore", "staging", "--from", "production", "--rehearsal", "--check")
    assert "Everything in noticeboard is declared" in check
    assert "Everything in noticeboard is declared" in seeded.clone.samestack(
        "sanitise", "check", "production", "--rehearsal"
    )
    assert left(seeded) == []


def test_what_arrives_serves_and_has_nothing_of_the_originals(seeded: Rehearsal) -> None:
    staging = seeded.machine("staging")
    staging.run(f"{REDIS} SET old-session x")
    said = restore(seeded)
    assert "values that they had 0 are in it" in said
    text = all_text(seeded, "staging")
    assert "canary" not in text
    assert seeded.sql("staging", NOTICES) == "40|40|40"
    assert seeded.sql("staging", "SELECT count(*) FROM django_session") == "0"
    assert seeded.sql("staging", "SELECT DISTINCT left(password, 1) FROM auth_user WHERE id >= 900") == "!"
    moved = "SELECT count(*) FROM board_notice WHERE category_id = 900 AND published_at = '2026-01-02'"
    assert seeded.sql("staging", moved) == "0"
    owner = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    assert seeded.sql("staging", owner) == "noticeboard_owner"
    assert staging.run(f"{REDIS} EXISTS old-session").strip() == "0"
    seeded.clone.samestack("manage", "staging", "--rehearsal", "--", "check", "--database", "default")
    assert left(seeded) == []
    for environment, whose in (("staging", "of production"), ("production", "for staging")):
        line = seeded.ledger(environment)[-1]
        assert line["result"] == "ok"
        assert re.fullmatch(rf"a copy {whose}: \d+ rows, 0 of \d+ values left", line["message"])
        assert line["copy"]["common"] == 0


def test_the_key_is_in_no_log_and_no_list_of_processes(seeded: Rehearsal) -> None:
    secrets = (seeded.clone.folder / ".samestack/secrets/production.yml").read_text(encoding="utf-8")
    found = re.search(r"vault_copies_key: (\S+)", secrets)
    assert found
    key = found[1]
    machine = seeded.machine("production")
    logs = machine.run("cat /var/log/postgresql/*.log /var/lib/samestack/ledger.jsonl; journalctl --boot --no-pager")
    assert key not in logs
    assert key.encode().hex() not in logs


def test_an_undeclared_column_stops_it_by_name_also_one_that_came_since(seeded: Rehearsal) -> None:
    before = seeded.sql("staging", "SELECT max(id) FROM board_notice")
    seeded.sql("production", "SET ROLE noticeboard_owner; ALTER TABLE board_notice ADD extra text")
    seeded.sql("production", "UPDATE board_notice SET extra = 'canary-x' || id")
    path = seeded.clone.folder / "sanitise.yml"
    path.write_text(SANITISE.replace("    title: hash\n", ""), encoding="utf-8")
    said = refuses(seeded, "--confirm")
    assert "board.Notice.title: character varying(120)" in said
    assert "board.Notice.extra: text" in said
    assert "sanitise init" in said
    assert left(seeded) == []
    assert seeded.sql("staging", "SELECT max(id) FROM board_notice") == before
    seeded.clone.samestack("sanitise", "init", "production", "--rehearsal")
    text = path.read_text(encoding="utf-8")
    assert "extra: hash  # check" in text
    assert 'body: {prefix: "About "}' in text
    restore(seeded)
    # Of the release's model there is no such column: it came by hand, and leaves as it is declared.
    assert "canary" not in all_text(seeded, "staging")


def test_one_that_was_cut_off_leaves_nothing_that_the_next_does_not_take_away(seeded: Rehearsal) -> None:
    """The run is killed while the rows are on their way; nobody cleans up but the next."""
    folder = seeded.clone.folder
    command = ["./samestack", "restore", "staging", "--from", "production", "--rehearsal", "--confirm"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)  # fmt: skip
    # What makes the copy is the parent of what reads the rows; without it, the rest ends by itself.
    look = "until reads=$(pgrep -fo section=dat[a]); do :; done; kill -9 $(ps -o ppid= -p $reads) $reads"
    seeded.machine("production").run(f"timeout 60 sh -c '{look}'")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    restore(seeded)
    assert left(seeded) == []
    assert "canary" not in all_text(seeded, "staging")
