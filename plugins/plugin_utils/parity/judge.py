"""Says what the difference under one key is: of which class, on whom it is marked, and what explains it. Pure.

A difference is *expected* (machines have it of their own), *declared* (it follows from what the inventories say
differently), *drift* (an environment is not as a run of ours left it, and was like the others then), or *unexplained*.
It is marked on the environments that are to be mended: those that drifted or are not what their inventory intends, else
those that are not like most.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from .cell import Cell, differing
from .rules import rule_for
from .section import SECTIONS
from .values import ABSENT, LIVE_CODE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAME, EXPECTED, DECLARED, DRIFT, UNEXPLAINED = "same", "expected", "declared", "drift", "unexplained"
#: From harmless to worst
CLASSES = (SAME, EXPECTED, DECLARED, DRIFT, UNEXPLAINED)
BAD = (DRIFT, UNEXPLAINED)
# Another processor has other builds of the same versions.
ARCHITECTURE = "architecture"
KEYED = "each machine has its own, or each environment its secret"
NOT_INTENDED = "not what the inventory says"


@dataclass(frozen=True)
class Difference:
    """One key in which environments differ."""

    section: str
    #: "" where a whole section is there in one environment and not in another
    key: str
    kind: str
    #: What each host of each environment has, frozen
    values: Mapping[str, Mapping[str, Any]]
    #: The class on each environment that it is marked on
    marks: Mapping[str, str]
    #: Variables that explain it, or words that do
    because: tuple[str, ...] = ()
    #: The environment that the marked ones are compared with, "" where there is none
    reference: str = ""

    @property
    def name(self) -> str:
        """How it is called on a command line: `section/key`, or the section."""
        return f"{self.section}/{self.key}" if self.key else self.section


class Judge:
    """Says what the difference under one key is, if there is one."""

    def __init__(self, section: str, key: str, cells: Sequence[Cell]) -> None:
        """Take what each environment has."""
        self.section, self.key, self.cells = section, key, cells
        self.rule = rule_for(section, key)

    def difference(self) -> Difference | None:
        """Return the difference, None where there is none."""
        wrong = SECTIONS[self.section].wrong.get(self.key) if self.section in SECTIONS else None
        if wrong:
            dirty = {cell.name: DRIFT for cell in self.cells if cell.raw - {(), ABSENT}}
            return self._found(dirty, (wrong,)) if dirty else None
        if len({cell.raw for cell in self.cells}) <= 1:
            return None
        marks = {cell.name: DRIFT if cell.drifted else UNEXPLAINED for cell in self.cells if cell.intended == ()}
        because = [NOT_INTENDED] if marks else []
        left = [cell for cell in self.cells if cell.name not in marks]
        reference = self._reference(left)
        for pair in combinations(left, 2):
            kinds, reasons = self._pair(*pair, left)
            for name, kind in kinds.items():
                marks[name] = max(kind, marks.get(name, SAME), key=CLASSES.index)
            because += reasons
        return self._found(marks, tuple(dict.fromkeys(because)), reference.name if reference else "")

    def _found(self, marks: Mapping[str, str], because: tuple[str, ...], reference: str = "") -> Difference | None:
        kind = max(marks.values(), key=CLASSES.index, default=SAME)
        values = {cell.name: cell.values for cell in self.cells}
        return Difference(self.section, self.key, kind, values, dict(marks), because, reference) if marks else None

    def _reference(self, cells: Sequence[Cell]) -> Cell | None:
        """Return whom others are to become like: one that did not drift, like most, the nearest to production."""
        sizes = Counter(cell.canonical for cell in cells)
        ranked = [(not cell.drifted, sizes[cell.canonical], number) for number, cell in enumerate(cells)]
        return cells[max(ranked)[2]] if ranked else None

    def _pair(self, cell: Cell, other: Cell, left: Sequence[Cell]) -> tuple[dict[str, str], list[str]]:
        """Return the classes of what two environments have, and what explains it."""
        both = (cell, other)
        if cell.raw == other.raw:
            return {}, []
        drifted = [one.name for one in both if one.drifted and not self._moves(one)]
        kind, reasons = self._explained(cell, other, drifted=bool(drifted))
        if kind == SAME and drifted and (self._by_rule(cell, other)[0] != SAME or self._agreed(cell, other)):
            return dict.fromkeys(drifted, DRIFT), []
        return dict.fromkeys(self._odd(both, left), UNEXPLAINED if kind == SAME else kind), reasons

    def _odd(self, both: tuple[Cell, Cell], left: Sequence[Cell]) -> list[str]:
        """Return who of two is not like most of those that are to be like it; both where that is even."""
        variables = self.rule.variables if self.rule else ()
        like = [
            sum(
                one.canonical == cell.canonical and not differing(variables, one.environment, cell.environment)
                for one in left
            )
            for cell in both
        ]
        return [cell.name for cell, number in zip(both, like, strict=True) if number <= min(like)]

    def _explained(self, cell: Cell, other: Cell, *, drifted: bool) -> tuple[str, list[str]]:
        """Return what explains that two environments have different values; SAME where nothing does."""
        if cell.canonical == other.canonical:
            return DECLARED, sorted(cell.words | other.words)
        if cell.intended and other.intended:
            named = tuple(dict.fromkeys(word for text in cell.intended + other.intended for word in text.split()))
            return DECLARED, list(differing(named, cell.environment, other.environment) or named)
        if cell.unkeyed == other.unkeyed and not drifted:
            return EXPECTED, [KEYED]
        if drifted and self.rule and self.rule.stays:
            return SAME, []
        return self._by_rule(cell, other)

    def _moves(self, cell: Cell) -> bool:
        """Return whether it changes as people write code: what follows from live code."""
        return bool(self.rule and LIVE_CODE in self.rule.variables and cell.environment.has_live_code)

    def _agreed(self, cell: Cell, other: Cell) -> bool:
        """Return whether two environments were alike when a run of ours last left each of them."""
        return (cell.before or cell.canonical) == (other.before or other.canonical)

    def _by_rule(self, cell: Cell, other: Cell) -> tuple[str, list[str]]:
        if not self.rule or self.rule.never:
            return SAME, []
        if self.rule.is_expected:
            return EXPECTED, [self.rule.why]
        variables = differing(self.rule.variables, cell.environment, other.environment)
        if variables == (ARCHITECTURE,) and cell.versions != other.versions and ABSENT not in cell.raw | other.raw:
            return SAME, []
        return (DECLARED, list(variables)) if variables else (SAME, [])
