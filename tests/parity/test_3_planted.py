"""Whatever somebody changes by hand is found, in its section, on that environment, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.parity.plants import PLANTS, Plant
from tests.support.chromium import cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parity.conftest import Rehearsal

HARMLESS = {"same", "expected", "declared"}
MANY = 30


class Planted:
    """The plants on production, and what the comparison said of them."""

    def __init__(self, team: Rehearsal) -> None:
        self.app = team.machine("production").app
        self.team = team
        self.there = list(PLANTS)
        for plant in PLANTS:
            team.machine("production").run(plant.script.format(app=self.app))
        self.found = team.parity()

    def take_away(self) -> None:
        """Undo all of it, the last first."""
        while self.there:
            self.team.machine("production").run(self.there.pop().undo.format(app=self.app))

    @property
    def bad(self) -> dict[str, dict[str, Any]]:
        """Return what is neither expected nor declared, by its name."""
        return {one["name"]: one for one in self.found["differences"] if one["class"] not in HARMLESS}

    def shows(self, plant: Plant, name: str) -> bool:
        """Return whether a difference may be of a plant."""
        return any(name.startswith(one.format(app=self.app)) for one in plant.seen)


@pytest.fixture(scope="module")
def planted(team: Rehearsal, turn: int) -> Iterator[Planted]:
    """Everything is planted in one go, and taken away again."""
    found = Planted(team)
    yield found
    found.take_away()


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_planted_change_is_found_on_production_alone(planted: Planted, plant: Plant) -> None:
    mine = [one for name, one in planted.bad.items() if planted.shows(plant, name)]
    assert mine, f"{plant.name}: not among {sorted(planted.bad)}"
    first = plant.seen[0].format(app=planted.app)
    assert any(one["name"].startswith(first) for one in mine), [one["name"] for one in mine]
    for one in mine:
        assert [name for name, mark in one["marks"].items() if mark not in HARMLESS] == ["production"], one
        assert one["mend"], one


def test_planted_changes_are_many_and_nothing_else_is_found(planted: Planted) -> None:
    assert len(PLANTS) >= MANY
    others = [name for name in planted.bad if not any(planted.shows(plant, name) for plant in PLANTS)]
    assert others == []


def test_planted_changes_turn_their_cells_and_no_other(planted: Planted) -> None:
    sections = {name.split("/")[0] for name in planted.bad}
    shown = cells(planted.team.clone.folder / ".samestack/parity.html")
    turned = {where for where, mark in shown.items() if mark not in HARMLESS}
    assert turned == {("production", section) for section in sections}


def test_planted_changes_that_are_taken_back_leave_nothing(planted: Planted) -> None:
    planted.take_away()
    found = planted.team.parity()
    assert [one["name"] for one in found["differences"] if one["class"] not in HARMLESS] == []
