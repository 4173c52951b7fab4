"""The gate of a promotion: staging and production must differ in nothing that the inventories do not say. Pure.

What differs can be accepted for one promotion by naming the very keys, or a section, with a reason; never all of it at
once. What the promotion itself replaces on production (the processes of the release before, whatever they were doing)
is not judged.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from .remedies import mends
from .rules import replaced
from .section import SECTIONS
from .text import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .compare import Comparison, Difference

ACCEPT, REASON = "parity_accept", "parity_reason"
WHERE = "(in the command line, -e)"
WILDCARDS = "*?["
#: Behind a section's name: all that differs in it
WHOLE = "/*"
#: Where it is replaced
TARGET = "production"
#: As many differences of one section are accepted by its name
MANY = 3


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
    bad = {
        difference.name: difference
        for difference in comparison.bad
        if difference.name != "release/changed" and not is_replaced(difference)
    }
    harmless = {one.name for one in comparison.differences} - set(bad)
    names = in_sections(names_of(accept, list(bad)), bad.values())
    wrong = [problem for name in names if name not in bad for problem in [mistake(name, bad, harmless)]]
    if names and not reason.strip():
        text = f"{REASON} {WHERE}: a difference is accepted with a reason; the ledger keeps it. Add `--reason '…'`"
        wrong.append(text)
    accepted = tuple(bad[name] for name in dict.fromkeys(names) if name in bad)
    return Verdict(tuple(one for one in bad.values() if one not in accepted), accepted, tuple(wrong))


def is_replaced(difference: Difference) -> bool:
    """Return whether a promotion replaces what differs: only what it puts something else in the place of."""
    return set(difference.marks) == {TARGET} and replaced(difference.section, difference.key)


def in_sections(names: Iterable[str], bad: Iterable[Difference]) -> list[str]:
    """Return the keys that were named, those of whole sections one by one."""
    found: list[str] = []
    for name in names:
        inside = [one.name for one in bad if f"{one.section}{WHOLE}" == name]
        found += inside or [name]
    return found


def mistake(name: str, bad: dict[str, Difference], harmless: set[str]) -> str:
    """Return what is wrong with a key that was named and is not among those that stop the promotion."""
    head = f"{ACCEPT} = {name} {WHERE}: "
    if name.endswith(WHOLE) and name.removesuffix(WHOLE) in SECTIONS:
        return f"{head}nothing in this section stands in the way. Leave it out"
    if any(letter in name for letter in WILDCARDS) or name in ("all", ""):
        return f"{head}differences are accepted by key or by section. Write them as the list names them"
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
    numbers = Counter(one.section for one in verdict.stopping)
    words = [
        f"--accept-section {one.section}" if numbers[one.section] >= MANY else f"--accept {shlex.quote(one.name)}"
        for one in verdict.stopping
    ]
    return f"To promote all the same, name them and say why: `{' '.join(dict.fromkeys(words))} --reason '…'`"


def notes(verdict: Verdict, reason: str) -> dict[str, Any]:
    """Return what the ledger keeps of it; {} where nothing was accepted."""
    accepted = [one.name for one in verdict.accepted]
    return {"differences_accepted": accepted, "differences_reason": reason.strip()} if accepted else {}
