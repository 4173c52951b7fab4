"""Section `memory`: what is left of it, swap, and what the kernel has killed because nothing was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import container
from ..check import RED, YELLOW, Check, Facts, Finding, Look
from ..spans import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Seconds for which people should know that something was killed
WINDOW = 3600
#: Percent below the limit from which on it is yellow; percent of swap that may be used
BEFORE, SWAPPED = 10, 80


def gather(look: Look) -> Facts:
    """Return the facts; raises nothing."""
    found: Facts = dict(container.memory())
    found["killed"] = look.memory.growth("killed", look.now, found["killed"], WINDOW)
    return found


def judge(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what there is too little of."""
    if facts["killed"]:
        text = f"the kernel has killed {facts['killed']:.0f} processes in the last hour, for want of memory"
        yield Finding("killed", RED, text, "hungry")
    used = percent(facts)
    if used >= limits["memory"] - BEFORE:
        level = RED if used >= limits["memory"] else YELLOW
        yield Finding("full", level, f"{used:.0f} % of memory is in use", "hungry")
    if facts["swap"] and facts["swap_used"] * 100 / facts["swap"] >= SWAPPED:
        yield Finding("swap", YELLOW, f"{size(facts['swap_used'])} of {size(facts['swap'])} swap is in use", "hungry")


def percent(facts: Facts) -> float:
    """Return how much is in use."""
    return float(100 - facts["available"] * 100 / facts["total"]) if facts["total"] else 0


def words(facts: Facts) -> str:
    """Return how much is in use."""
    swap = f", swap {size(facts['swap_used'])} of {size(facts['swap'])}" if facts["swap"] else ""
    return f"{percent(facts):.0f} % of {size(facts['total'])}{swap}"


CHECK = Check("memory", 80, gather, judge, words)
