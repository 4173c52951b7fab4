"""The parts of `make test` and `make soak`: real machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import checks
from .parts import Part, tool

if TYPE_CHECKING:
    from .parts import Report

PYTEST = [tool("pytest"), "-q", "-p", "no:cacheprovider"]
SCENARIOS = ("two-machines", "bookworm", "trixie")


def scenario(name: str, *, destroy: bool = False) -> Part:
    """Return the part that plays a Molecule scenario to its end, or takes its machines away."""
    if destroy:
        return Part(f"{name} is taken away", [tool("molecule"), "destroy", "-s", name], seconds=120)
    return Part(f"molecule {name}", [tool("molecule"), "test", "-s", name], seconds=900 if name != "soak" else 7200)


def run(report: Report) -> bool:
    """Run everything; returns whether it passed."""
    passed = checks.run(report)
    passed &= play(report, SCENARIOS)
    front_door = Part("front door", [*PYTEST, "tests/front_door"], seconds=1200)
    return report.run([front_door]) and passed


def play(report: Report, names: tuple[str, ...]) -> bool:
    """Play scenarios, two at a time; takes away what one that failed may have left."""
    passed = report.run([scenario(name) for name in names], side_by_side=2)
    if not passed:
        report.run([scenario(name, destroy=True) for name in names])
    return passed


def soak(report: Report) -> bool:
    """Run the long repetitions; returns whether they passed."""
    return play(report, ("soak",))
