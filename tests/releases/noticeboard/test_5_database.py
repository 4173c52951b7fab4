"""What becomes of the database: migrations that are refused, and every way back."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support import versions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.team import Team

COLUMN = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'board_notice' AND column_name = '{}'"
CATEGORIES = "SELECT string_agg(name, ',' ORDER BY id) FROM board_category"
WRITTEN = "SELECT count(*) FROM board_notice WHERE title = '{}'"
ENDED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE%'"
ARCHIVE = "SELECT to_regclass('archive_copy') IS NOT NULL"


@pytest.fixture(autouse=True)
def good(team: Team) -> str:
    """The release that each test starts from; its change is its own, so that it has to be deployed."""
    team.back_to("v1")
    return team.deploy("staging", team.commit("good", versions.touch))


def has(team: Team, column: str) -> bool:
    return team.sql("staging", COLUMN.format(column)) == "1"


def write(team: Team, title: str) -> None:
    team.machine("staging").manage(f'shell -c "{versions.new_notice(title)}"')


def serves(team: Team) -> bool:
    return team.machine("staging").browser().get("/").status == 200


def two_apps(project: Path) -> None:
    versions.add_column(project, "stars")
    versions.other_app(project)


def left_behind(project: Path) -> None:
    versions.add_column(project, "left_behind")
    versions.answers_500(project)


def test_two_apps_go_back_in_the_right_order_and_rows_stay(team: Team, good: str) -> None:
    team.deploy("staging", team.commit("two-apps", two_apps))
    assert has(team, "stars")
    write(team, "Between two apps")
    said = team.samestack("rollback", "staging")
    assert team.live("staging") == good
    assert not has(team, "stars")
    assert team.sql("staging", ARCHIVE) == "f"
    assert team.sql("staging", WRITTEN.format("Between two apps")) == "1"
    assert "maintenance" not in said


def test_a_column_goes_in_two_releases_and_comes_back(team: Team, good: str) -> None:
    first = team.deploy("staging", team.commit("unused", versions.stop_using_column))
    second = team.deploy("staging", team.commit("gone", versions.drop_unused_column))
    assert not has(team, versions.DROPPED_COLUMN)
    team.samestack("rollback", "staging")
    assert team.live("staging") == first != second
    assert has(team, versions.DROPPED_COLUMN)
    team.samestack("rollback", "staging")
    assert team.live("staging") == good
    assert serves(team)


def test_at_once_the_site_closes(team: Team, good: str) -> None:
    team.commit("dropped-at-once", versions.drop_column)
    team.samestack("deploy", "staging", ref="dropped-at-once", allow_breaking=True)
    assert not has(team, versions.DROPPED_COLUMN)
    said = team.samestack("rollback", "staging")
    assert "maintenance page" in said
    assert f"comes back empty: notice.{versions.DROPPED_COLUMN}" in said
    assert team.live("staging") == good
    assert has(team, versions.DROPPED_COLUMN)
    assert serves(team)


def test_past_what_has_no_way_back(team: Team, good: str) -> None:
    before = team.sql("staging", CATEGORIES)
    shouting = team.deploy("staging", team.commit("shout", versions.irreversible))
    write(team, "Lost")
    said = team.refuses("rollback", "staging")
    assert re.search(r"board\.\d+_shout: its RunPython has no way back", said), said[-3000:]
    assert "--database keep" in said
    assert team.live("staging") == shouting

    team.samestack("rollback", "staging", database="keep")
    assert team.live("staging") == good
    assert team.sql("staging", CATEGORIES) == before.upper()

    assert team.deploy("staging", "shout") == shouting
    said = team.refuses("rollback", "staging", database="restore")
    assert "will be lost" in said
    assert "--database restore --confirm" in said
    assert team.live("staging") == shouting

    team.samestack("rollback", "staging", database="restore", confirm=True)
    assert team.live("staging") == good
    assert team.sql("staging", CATEGORIES) == before
    assert team.sql("staging", WRITTEN.format("Lost")) == "0"
    assert serves(team)
    write(team, "The role owns what was restored")
    assert [line["verb"] for line in team.ledger("staging")[-2:]] == ["restore", "rollback"]


def test_what_a_failed_deployment_left_is_taken_back(team: Team, good: str) -> None:
    team.commit("left", left_behind)
    assert "answers 500" in team.refuses("deploy", "staging", ref="left", release_start_timeout="8s")
    assert has(team, "left_behind")
    team.samestack("rollback", "staging", to=good)
    assert team.live("staging") == good
    assert not has(team, "left_behind")
    assert "has nothing that it does not know" in team.refuses("rollback", "staging", to=good)


def test_a_reversal_that_waits_for_a_lock_gives_up(team: Team, good: str) -> None:
    team.deploy("staging", team.commit("locked", lambda project: versions.add_column(project, "held")))
    site = team.machine("staging")
    statement = "BEGIN; LOCK TABLE board_notice IN ACCESS SHARE MODE; SELECT pg_sleep(40)"
    hold = f"cd / && sudo -u postgres psql -qd {site.variable('database_name')} -c '{statement}'"
    site.run(f"systemd-run --quiet --collect --unit=hold sh -c {shlex.quote(hold)}")
    try:
        said = team.refuses("rollback", "staging", release_lock_timeout="2s")
    finally:
        # The server notices only at the end that its client has gone.
        team.sql("staging", ENDED)
    assert "serves, and can live with the migrations that are left" in said
    assert team.live("staging") == good
    assert serves(team)
    team.samestack("rollback", "staging", to=good)
    assert not has(team, "held")


def test_nowhere_to_go_back_to(team: Team) -> None:
    for missing in ("000000000000", "0123"):
        said = team.refuses("rollback", "staging", to=missing)
        assert f"{missing} (--to): this host has no such release" in said


def test_only_some_copies_are_kept(team: Team) -> None:
    kept = team.machine("staging").run("ls /var/lib/samestack/restore-points/*").split()
    dumps = [name for name in kept if name.endswith(".dump")]
    assert 0 < len(dumps) <= team.machine("staging").variable("release_restore_points_keep")
    assert len(kept) == 2 * len(dumps)
