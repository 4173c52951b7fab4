"""What has to be true before staging's release goes to production, gate by gate."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.plugin_utils.release import gates

ID, SHA = "0a1b2c3d4e5f", "ab" * 32
MACHINE = {"os": "debian", "release": "13", "architecture": "x86_64", "python": "3.13.5"}
ROOM = 500 << 20


def host(**other: Any) -> dict[str, Any]:
    """Return what is found on a host where all is well."""
    return {
        "current": ID, "release": ID, "sha256": SHA, "dirty": {}, "healthy": True, "why": "", "failed": {},
        "accepted": {"who": "tests", "sha256": SHA}, "inputs": {"platform": "debian-13-x86_64", "python": "3.13"},
        "free": ROOM, "env_missing": [], "machine": MACHINE,
    } | other  # fmt: skip


def unmet(staging: dict[str, Any] | None = None, production: dict[str, Any] | None = None, **other: Any) -> list[str]:
    """Return the gates of one host each that are not met, as they are shown."""
    options: dict[str, Any] = {"pending": [], "acceptance": True, "room": ROOM} | other
    found = gates.unmet({"staging1": host(**(staging or {}))}, {"production1": host(**(production or {}))}, **options)
    return [str(gate) for gate in found]


def test_all_is_well() -> None:
    assert unmet() == []


@pytest.mark.parametrize(
    ("staging", "said"),
    [
        ({"current": ""}, "Staging serves no release"),
        ({"sha256": "", "accepted": {"sha256": ""}}, "no release with a digest"),
        ({"dirty": {"changed": ["source/manage.py"]}}, "source/manage.py (changed)"),
        ({"healthy": False, "why": "it answers 500"}, "it answers 500"),
        ({"failed": {ID: "a worker does not stay up"}}, "failed"),
        ({"accepted": {}}, "not accepted"),
        ({"accepted": {"sha256": "other bytes"}}, "not accepted"),
    ],
)
def test_staging(staging: dict[str, Any], said: str) -> None:
    found = unmet(staging)
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("production", "said"),
    [
        ({"free": ROOM - 1}, "release_min_free = 500m"),
        ({"machine": MACHINE | {"release": "12", "python": "3.11.2"}}, "debian-12-x86_64"),
        ({"dirty": {"missing": ["venv/bin/python"]}}, "venv/bin/python (missing)"),
    ],
)
def test_production(production: dict[str, Any], said: str) -> None:
    found = unmet(production=production)
    assert len(found) == 1
    assert found[0].startswith("production1: ")
    assert said in found[0]


def test_migrations_that_staging_has_not_had() -> None:
    assert "board.0004_x" in unmet(pending=["board.0004_x"])[0]


def test_acceptance_can_be_switched_off() -> None:
    assert unmet({"accepted": {}}, acceptance=False) == []


def test_all_of_them_at_once() -> None:
    found = unmet({"healthy": False, "accepted": {}}, {"free": 0})
    assert len(found) == 3


def test_hosts_of_staging_that_differ() -> None:
    both = {"staging1": host(), "staging2": host(current="f" * 12)}
    found = gates.unmet(both, {}, [], acceptance=True, room=0)
    assert "different releases" in str(found[0])


def test_a_long_list_of_changes_is_cut() -> None:
    text = gates.changed_paths({"changed": [f"source/{number}" for number in range(9)]})
    assert text.endswith("and 4 more")


def test_a_variable_that_only_staging_has_is_told_and_refuses_nothing() -> None:
    """Whether the settings insist on it, `check` finds out in production, before anything serves."""
    staging = {"staging1": {"env_missing": ["OPTIONAL"]}}
    production = {"production1": {"env_missing": ["OPTIONAL", "PAYMENT_KEY"]}, "production2": {"env_missing": []}}
    (line,) = gates.not_set(staging, production)
    assert line.startswith("production1: nothing sets PAYMENT_KEY there")
    assert unmet(production={"env_missing": ["PAYMENT_KEY"]}) == []
