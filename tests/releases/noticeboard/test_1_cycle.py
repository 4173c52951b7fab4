"""Staging, promotion, a change of the schema, and back: what a team does in its first week."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import versions

if TYPE_CHECKING:
    from tests.support.machines import Machine
    from tests.support.team import Team

COLUMNS = (
    "SELECT string_agg(column_name, ',' ORDER BY 1) FROM information_schema.columns WHERE table_name = 'board_notice'"
)
TITLE = "Written while v2 was live"
WRITTEN = "SELECT count(*) FROM board_notice WHERE title = 'Written while v2 was live'"


@pytest.fixture(scope="module")
def v1(team: Team) -> str:
    """The first release: on staging, accepted, promoted."""
    release = team.deploy("staging", "v1")
    assert "not accepted" in team.refuses("promote", "production")
    team.samestack("accept", "staging")
    team.samestack("promote", "production")
    return release


@pytest.fixture(scope="module")
def columns_of_v1(team: Team, v1: str) -> str:
    """What the table of notices has in the first release."""
    return team.sql("production", COLUMNS)


@pytest.fixture(scope="module")
def v2(team: Team, v1: str, columns_of_v1: str) -> str:
    """The second release, with another column, on both."""
    team.commit("v2", versions.add_column)
    release = team.deploy("staging", "v2")
    assert release != v1
    team.samestack("accept", "staging")
    team.samestack("promote", "production")
    assert team.sql("production", COLUMNS) != columns_of_v1
    return release


def built(machine: Machine, release: str) -> dict[str, Any]:
    """Return how a machine's release was built."""
    found: dict[str, Any] = json.loads(machine.run(f"cat /srv/{machine.app}/releases/{release}/build.json"))
    return found


def test_the_same_release_is_live_on_every_machine(team: Team, v1: str) -> None:
    assert team.live("staging") == team.live("production") == v1


def test_it_is_the_same_to_the_last_byte(team: Team, v1: str) -> None:
    listing = f"cd /srv/{team.machine('staging').app}/releases/{v1} && sha256sum contents && sha256sum release.json"
    machines = [*team.machines("staging"), *team.machines("production")]
    assert len({machine.run(listing) for machine in machines}) == 1
    recorded = {built(machine, v1)["sha256"] for machine in machines}
    assert recorded == {machines[0].run(listing).split()[0]}


def test_a_promotion_is_no_build(team: Team, v1: str) -> None:
    builders = {built(machine, v1)["host"] for machine in team.machines("production")}
    assert len(builders) == 1
    promoted = [line for line in team.ledger("production") if line["verb"] == "promote"]
    assert promoted[0]["release"] == v1
    assert "packages" not in promoted[0]["steps"]


def test_what_is_live_is_not_deployed_again(team: Team, v2: str) -> None:
    before = team.ledger("staging")
    output = team.samestack("deploy", "staging", ref="v2")
    assert "live already" in output
    assert "Changed on" not in output
    assert team.ledger("staging") == before


def test_nothing_is_planned_after_a_run(team: Team, v2: str) -> None:
    assert "Nothing would change" in team.samestack("plan", "production")
    assert "Nothing would change" in team.samestack("plan", "staging", ref="v2")


def test_back_with_the_schema_and_without_losing_rows(team: Team, v1: str, v2: str, columns_of_v1: str) -> None:
    team.machine("production").manage(f'shell -c "{versions.new_notice(TITLE)}"')
    team.samestack("rollback", "production")
    assert team.live("production") == v1
    assert team.sql("production", COLUMNS) == columns_of_v1
    assert team.sql("production", WRITTEN) == "1"
    assert team.machine("production").browser().get("/").status == 200


def test_the_ledgers_tell_the_story(team: Team, v1: str, v2: str) -> None:
    lines = [line for line in team.ledger("production") if line.get("release")]
    told = [(line["verb"], line["to"], line["result"]) for line in lines]
    assert [one for one in told if one[0] in ("promote", "rollback")] == [
        ("promote", v1, "ok"), ("promote", v2, "ok"), ("rollback", v1, "ok"),
    ]  # fmt: skip
    staging = [line["verb"] for line in team.ledger("staging")]
    assert [verb for verb in staging if verb != "provision"] == ["deploy", "accept", "deploy", "accept"]
    shown = team.samestack("releases", "production")
    assert v1 in shown
    assert "(current)" in shown
