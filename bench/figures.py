"""What was measured, against what was to be reached."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

#: Tenths of a number from here on are noise.
NO_PLACES_FROM = 100


@dataclass
class Figure:
    """One measured number. `goal` is its bound in the same unit, None for a number that only informs."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    #: A goal is a bound from above, unless this is set.
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def row(self) -> tuple[str, str, str, str]:
        """Return the figure as a line of the table: name, value, goal, verdict."""
        goal = "" if self.goal is None else f"{'≥' if self.at_least else '≤'} {written(self.goal, self.unit)}"
        verdict = {None: "", True: "met", False: "NOT MET"}[self.met]
        return self.name, written(self.value, self.unit), goal, verdict


def written(value: float, unit: str) -> str:
    """Return a number as people read it: ratios with two places, everything else with three digits."""
    if unit == "x":
        return f"{value:.2f}x"
    places = 0 if value >= NO_PLACES_FROM or unit == "tasks" else 1
    return f"{value:.{places}f} {unit}".strip()


@dataclass
class Report:
    """All figures of a run, what could not be measured, and details for whoever wants to know why."""

    figures: list[Figure] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str, goal: float | None = None, *, at_least: bool = False) -> None:
        """Add a figure."""
        self.figures.append(Figure(name, value, unit, goal, at_least))

    def table(self) -> str:
        """Return the figures as an aligned table."""
        rows = [("", "measured", "goal", ""), *(figure.row() for figure in self.figures)]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows
        )

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        figures = [{**asdict(figure), "met": figure.met} for figure in self.figures]
        content = {"figures": figures, "not_measured": self.failures, "details": self.details}
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
