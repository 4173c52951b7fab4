"""The script of a pipeline, as each service runs it: it deploys, promotes, and refuses a release whose tests fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from cli import pipelining
from tests.support import versions
from tests.support.clone import NOT_A_PERSONS
from tests.support.soak import rest_in_soak

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.team import Team

FAILING = """from django.test import SimpleTestCase


class ReleaseTests(SimpleTestCase):
    def test_that_fails(self):
        self.assertEqual("this", "that")
"""
HOSTILE = "v7$(touch pwned)`touch pwned`;{{ 7 * 7 }}"


@pytest.fixture(scope="module", params=rest_in_soak(("github", "bitbucket"), ("bitbucket",)))
def service(request: pytest.FixtureRequest, team: Team) -> Iterator[str]:
    """A service whose pipeline the project has."""
    team.clone.decide(app_test_commands=["python manage.py test"])
    # A pipeline is of a repository; the copy of the tests is none.
    folder = team.clone.folder
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    team.clone.samestack("ci", "init", request.param)
    shutil.rmtree(folder / ".git")
    yield request.param
    team.clone.decide(app_test_commands=[])


def script(team: Team, service: str, verb: str, commit: str) -> tuple[int, str]:
    """Run the script as the service does, on local machines; returns its exit code and what it said."""
    folder = team.clone.folder
    name = {"github": "GITHUB_SHA", "bitbucket": "BITBUCKET_COMMIT"}[service]
    ref = {"github": "GITHUB_REF_NAME", "bitbucket": "BITBUCKET_TAG"}[service]
    who = {"github": "GITHUB_ACTOR", "bitbucket": "BITBUCKET_STEP_TRIGGERER_UUID"}[service]
    own = {one: text for one, text in os.environ.items() if not one.startswith(NOT_A_PERSONS)}
    done = subprocess.run(
        [str(folder / pipelining.SCRIPT), verb, "--rehearsal"], cwd="/", text=True, errors="replace", check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=own | {name: commit, ref: HOSTILE, who: HOSTILE}, timeout=1200,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_a_push_is_tested_and_served(team: Team, service: str) -> None:
    team.back_to("v1")
    team.commit("pushed", versions.touch)
    status, said = script(team, service, "deploy", team.git("rev-parse", "pushed"))
    assert status == 0, said[-4000:]
    assert "Tests passed" in said
    line = team.ledger("staging")[-1]
    assert (line["tests"]["result"], line["who"]) == ("ok", f"{HOSTILE} by a pipeline")


def test_a_tag_is_promoted_and_production_keeps_what_its_tests_said(team: Team, service: str) -> None:
    commit = team.git("rev-parse", "pushed")
    status, said = script(team, service, "promote", commit)
    assert status == 0, said[-4000:]
    assert team.live("production") == team.live("staging")
    assert team.ledger("production")[-1]["tests"]["result"] == "ok"
    accepted = [line for line in team.ledger("staging") if line["verb"] == "accept"][-1]
    assert accepted["message"] == f"released: {HOSTILE}"
    folder: Path = team.clone.folder
    assert not list(folder.rglob("pwned"))


def test_a_release_whose_tests_fail_goes_nowhere(team: Team, service: str) -> None:
    live = team.live("staging")
    tests = "board/tests/test_fails.py"
    team.commit("failing", lambda folder: (folder / tests).write_text(FAILING, encoding="utf-8"))
    for verb in ("deploy", "promote"):
        status, said = script(team, service, verb, team.git("rev-parse", "failing"))
        assert status == 1
        assert "test_that_fails" in said
        assert {team.live(kind) for kind in ("staging", "production")} == {live}


def test_what_was_skipped_is_not_promoted_without_a_word(team: Team, service: str) -> None:
    assert service
    before = team.live("production")
    team.samestack("deploy", "staging", ref="failing", skip_tests="no time")
    team.samestack("accept", "staging")
    said = team.refuses("promote", "production")
    assert "its tests were skipped (no time)" in said
    assert "--skip-tests" in said
    assert team.live("production") == before
    team.samestack("promote", "production", skip_tests="still none")
    line = team.ledger("production")[-1]
    assert (line["tests"]["result"], line["tests"]["reason"]) == ("skipped", "still none")
    team.back_to("v1")
