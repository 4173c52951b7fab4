"""The gate of a promotion: staging and production must differ in nothing that the inventories do not say. Pure.

What differs can be accepted for one promotion by naming the very keys, with a reason; never all of it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from .remedies import mends
from .text import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .compare import Comparison, Difference

ACCEPT, REASON = "parity_accept", "parity_reason"
WHERE = "(in the command line, -e)"
WILDCARDS = "*?["


@dataclass(frozen=True)
class Verdict:
    """What the gate says: differences that stop the promotion, those that somebody accepted, and what is wrong."""

    stopping: tuple[Difference, ...]
    accepted: tuple[Difference, ...]
    #: What is wrong with the acceptance itself, each with what to write instead
    mistakes: tuple[str, ...]


def names_of(text: Any, known: Sequence[str]) -> list[str]:
    """Return the keys that were named: a list, or a text with commas between them (keys may have some, too)."""
    if isinstance(text, (list, tuple)):
        return [str(name).strip() for name in text]
    found, parts = [], [part.strip() for part in str(text or "").split(",")]
    while parts:
        lengths = [length for length in range(len(parts), 0, -1) if joined(parts[:length], known)]
        length = lengths[0] if lengths else 1
        found.append(joined(parts[:length], known) or parts[0])
        parts = parts[length:]
    return [name for name in found if name]


def joined(parts: Sequence[str], known: Sequence[str]) -> str:
    """Return the known key that these parts are, with or without a blank after its commas; "" for none."""
    return next((text for text in (",".join(parts), ", ".join(parts)) if text in known), "")


def judge(comparison: Comparison, accept: Any, reason: str) -> Verdict:
    """Return what stops a promotion.

    Args:
        comparison: staging and production.
        accept: `parity_accept`, as it was given.
        reason: `parity_reason`.
    """
    # Files of a release that are not what was built are a gate of their own, which nobody passes.
    bad = {difference.name: difference for difference in comparison.bad if difference.name != "release/changed"}
    harmless = {one.name for one in comparison.differences} - set(bad)
    names = names_of(accept, list(bad))
    wrong = [problem for name in names if name not in bad for problem in [mistake(name, bad, harmless)]]
    if names and not reason.strip():
        text = f"{REASON} {WHERE}: a difference is accepted with a reason; the ledger keeps it. Add -e {REASON}='…'"
        wrong.append(text)
    accepted = tuple(bad[name] for name in dict.fromkeys(names) if name in bad)
    return Verdict(tuple(one for one in bad.values() if one not in accepted), accepted, tuple(wrong))


def mistake(name: str, bad: dict[str, Difference], harmless: set[str]) -> str:
    """Return what is wrong with a key that was named and is not among those that stop the promotion."""
    head = f"{ACCEPT} = {name} {WHERE}: "
    if any(letter in name for letter in WILDCARDS) or name in ("all", ""):
        return f"{head}differences are accepted one by one. Write the keys as the list names them"
    if name in harmless:
        return f"{head}this difference is explained and needs no acceptance. Leave it out"
    near = get_close_matches(name, bad, n=1)
    return f"{head}nothing of that name differs. " + (f"Write {near[0]}" if near else "Leave it out")


def gates(verdict: Verdict, comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, what mends it) of everything that stops the promotion."""
    for text in verdict.mistakes:
        wrong, _, mend = text.rpartition(". ")
        yield wrong, mend
    for difference in verdict.stopping:
        both = ", ".join(f"{name} has {value_of(difference, name)}" for name in comparison.names)
        commands = "; or ".join(f"`{command}`" for command in mends(difference, comparison))
        yield f"{difference.name} is {difference.kind}: {both}", commands or "See `./samestack parity`"


def ways_out(verdict: Verdict) -> str:
    """Return how to go on where nothing is to be mended now; "" where nothing stops the promotion."""
    if not verdict.stopping:
        return ""
    keys = ",".join(one.name for one in verdict.stopping)
    return f"To promote all the same, name the keys and say why: -e '{ACCEPT}={keys}' -e {REASON}='…'"


def notes(verdict: Verdict, reason: str) -> dict[str, Any]:
    """Return what the ledger keeps of it; {} where nothing was accepted."""
    accepted = [one.name for one in verdict.accepted]
    return {"differences_accepted": accepted, "differences_reason": reason.strip()} if accepted else {}
