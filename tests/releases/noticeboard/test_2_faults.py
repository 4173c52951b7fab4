"""What is wrong is said, and whoever visits the site notices nothing."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support import versions
from tests.support.machines import wait_for
from tests.support.soak import rest_in_soak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.team import Team


@dataclass(frozen=True)
class Fault:
    """A change of the application that must not go live, and what is said about it."""

    change: Callable[[Path], object]
    said: str
    recorded: bool = True


FAULTS = {
    "syntax-error": Fault(versions.syntax_error, "SyntaxError"),
    "settings-do-not-import": Fault(versions.broken_settings, "ImportError|ModuleNotFoundError"),
    "static-build": Fault(versions.broken_static, "static|collectstatic"),
    "missing-key": Fault(versions.missing_env_key, r"app_env or app_secret_env"),
    "migration-half-way": Fault(versions.fail_halfway, "migrate"),
    "answers-500": Fault(versions.answers_500, "answers 500"),
    "never-ready": Fault(versions.never_ready, "no answer|does not stay up|release_start_timeout"),
}
#: One of each step that a release ends in
ALWAYS = {"static-build", "missing-key", "migration-half-way", "answers-500", "never-ready"}


@pytest.fixture(scope="module", autouse=True)
def good(team: Team) -> str:
    """A release that serves while the others fail."""
    team.back_to("v1")
    return team.deploy("staging", team.commit("good", versions.touch))


@pytest.fixture(autouse=True)
def visits(team: Team) -> Iterator[list[str]]:
    """What somebody meets who looks at the site again and again during a test: nothing bad."""
    browser, failures, over = team.machine("staging").browser(), [], threading.Event()

    def visit() -> None:
        while not over.is_set():
            try:
                status = browser.get("/").status
            except OSError as error:
                failures.append(repr(error))
            else:
                failures.extend([str(status)] if status != 200 else [])
            time.sleep(0.05)

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    yield failures
    over.set()
    thread.join(30)
    assert failures == []


def refused_deploy(team: Team, name: str, **values: object) -> str:
    """Deploy what must not go live; returns what was said."""
    before = team.live("staging")
    said = team.refuses("deploy", "staging", ref=name, **values)
    assert team.live("staging") == before
    return said


@pytest.mark.parametrize("name", rest_in_soak(FAULTS, ALWAYS))
def test_a_bad_release_stays_out(team: Team, good: str, name: str) -> None:
    fault = FAULTS[name]
    team.back_to("good")
    team.commit(name, fault.change)
    said = refused_deploy(team, name, release_start_timeout="8s")
    assert re.search(fault.said, said), said[-3000:]
    line = team.ledger("staging")[-1]
    assert (line["verb"], line["result"]) == ("deploy", "failed")
    assert line["reason"]
    assert line["release"] not in ("", good)
    kept = team.samestack("releases", "staging").partition("Kept on the host")[2]
    assert line["release"] not in kept
    assert "failed" in team.refuses("rollback", "staging", to=line["release"])


def test_a_ref_that_does_not_exist(team: Team) -> None:
    assert "release_ref = v999" in refused_deploy(team, "v999")


def test_a_migration_that_the_running_code_cannot_live_with(team: Team) -> None:
    team.back_to("good")
    team.commit("dropped", versions.drop_column)
    said = refused_deploy(team, "dropped")
    assert "--allow-breaking" in said
    assert versions.DROPPED_COLUMN in said


def test_a_migration_that_waits_for_a_lock_gives_up(team: Team, good: str) -> None:
    team.back_to("good")
    team.commit("blocked", lambda project: versions.add_column(project, "blocked"))
    site = team.machine("staging")
    database = site.variable("database_name")
    statement = "BEGIN; LOCK TABLE board_notice IN ACCESS SHARE MODE; SELECT pg_sleep(60)"
    hold = f"cd / && sudo -u postgres psql -qd {database} -c '{statement}'"
    site.run(f"systemd-run --quiet --collect --unit=hold sh -c {shlex.quote(hold)}")
    try:
        began = time.monotonic()
        said = refused_deploy(team, "blocked", release_lock_timeout="2s")
        assert time.monotonic() - began < 60
    finally:
        # The server notices only at the end that its client has gone.
        team.sql(
            "staging", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE%'"
        )
    assert re.search("lock", said)
    assert team.live("staging") == good
    assert team.deploy("staging", "blocked") != good
    team.samestack("rollback", "staging")
    assert team.live("staging") == good


@pytest.fixture
def small_disk(team: Team) -> Iterator[None]:
    """Staging's releases lie on a disk that has room for what is there, and for little else."""
    site = team.machine("staging")
    site.run(
        f"cd /srv/{site.app} && mkdir -p /run/small && used=$(du -sk releases | cut -f1)\n"
        "mount -t tmpfs -o size=$((used + 1000))k,mode=0755 tmpfs /run/small\n"
        "cp -a releases/. /run/small/ && mount --bind /run/small releases"
    )
    yield
    site.run(f"umount /srv/{site.app}/releases && umount /run/small")


@pytest.mark.usefixtures("small_disk")
def test_a_disk_that_fills_up(team: Team) -> None:
    team.back_to("good")
    team.commit("heavy", lambda project: (project / "heavy.bin").write_bytes(os.urandom(4 << 20)))
    said = refused_deploy(team, "heavy", release_min_free="1k")
    assert "is full" in said, said
    site = team.machine("staging")
    release = team.ledger("staging")[-1]["release"]
    assert not site.host.file(f"/srv/{site.app}/releases/{release}").exists


def test_too_little_room(team: Team) -> None:
    team.back_to("good")
    team.commit("large", versions.touch)
    said = refused_deploy(team, "large", release_min_free="900000g")
    assert "release_min_free" in said


def test_two_at_once(team: Team) -> None:
    team.back_to("good")
    team.commit("first", versions.slow_build)
    arguments = ["./samestack", *team.arguments("deploy", "staging", ref="first")]
    with subprocess.Popen(
        arguments, cwd=team.clone.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as first:
        site = team.machine("staging")
        wait_for("the first one holds the lock", lambda: site.host.file("/run/samestack/lock.json").exists, 30)
        said = team.refuses("deploy", "staging", ref="good")
        assert re.search("deploy.* since", said), said[-2000:]
        assert first.wait(120) == 0
    team.samestack("rollback", "staging")


def test_frozen(team: Team, good: str) -> None:
    team.samestack("freeze", "staging", message="The fair is on")
    said = refused_deploy(team, "good")
    assert "The fair is on" in said
    assert "unfreeze" in said
    assert "The fair is on" in team.refuses("provision", "staging")
    team.samestack("unfreeze", "staging")
    assert team.deploy("staging", "good") == good
