"""A comparison as people read it in a terminal: a mark a section first, then only what is to be mended. Pure."""

from __future__ import annotations

import time
from calendar import timegm
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..text import one_line, printable
from .compare import BAD, DECLARED, DRIFT, EXPECTED, SAME, UNEXPLAINED, Comparison
from .remedies import mends
from .section import SECTIONS
from .values import ABSENT, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .compare import Difference
    from .values import Environment

LACKING = "lacking"
# Letters that also tell themselves apart without colour; the second is for terminals that have no others.
MARKS = {
    SAME: ("✓", "="), EXPECTED: ("✓", "="), DECLARED: ("≈", "~"), DRIFT: ("▲", "!"), UNEXPLAINED: ("✗", "X"),
    LACKING: ("·", "."),
}  # fmt: skip
COLOURS = {SAME: "32", EXPECTED: "32", DECLARED: "32", DRIFT: "33", UNEXPLAINED: "31", LACKING: "2"}
LEGEND = ((SAME, "the same"), (DECLARED, "declared"), (DRIFT, "drift"), (UNEXPLAINED, "unexplained"))
VALUE_LETTERS = 60
COLUMN = 4


@dataclass(frozen=True)
class Look:
    """What the terminal can show."""

    width: int = 100
    unicode: bool = True
    colour: bool = False

    def mark(self, kind: str) -> str:
        """Return the letter of a class."""
        return self.painted(MARKS[kind][0 if self.unicode else 1], kind)

    def painted(self, text: str, kind: str) -> str:
        """Return a text in a class's colour."""
        return f"\x1b[{COLOURS[kind]}m{text}\x1b[0m" if self.colour else text


def lines(comparison: Comparison, look: Look, *, now: float, everything: bool = False) -> list[str]:
    """Return the report; `everything`: with what is declared and expected, each with what explains it."""
    found = [*summary(comparison, look, now=now), ""]
    shown_ones = [one for one in comparison.differences if everything or one.kind in BAD]
    for section in comparison.sections:
        mine = [one for one in shown_ones if one.section == section]
        if mine:
            found += [section, *(line for one in mine for line in told(one, comparison, look)), ""]
    # Of a host are the keys, too, the commands that are made of them, and why it could not tell.
    return [*(line if look.colour else printable(line) for line in found), verdict(comparison)]


def summary(comparison: Comparison, look: Look, *, now: float) -> Iterator[str]:
    """Yield the matrix: one line an environment, a mark a section."""
    left = max((len(name) for name in comparison.names), default=0) + 2
    sections = comparison.sections
    per_line = max(1, (look.width - left) // COLUMN)
    for start in range(0, len(sections), per_line):
        part = sections[start : start + per_line]
        yield (" " * left + "".join(short(section).ljust(COLUMN) for section in part)).rstrip()
        for environment in comparison.environments:
            marks = [look.mark(kind_of(comparison, environment, section)) for section in part]
            yield environment.name.ljust(left) + (" " * (COLUMN - 1)).join(marks)
        yield ""
    yield "  ".join(f"{look.mark(kind)} {word}" for kind, word in LEGEND)
    for environment in comparison.environments:
        stand_in = ", a local stand-in" if environment.rehearsal else ""
        for host in environment.hosts:
            yield f"{environment.name}: {host.name}{stand_in}, recorded {age(host.envelope.time, now)}"


def kind_of(comparison: Comparison, environment: Environment, section: str) -> str:
    """Return the class of a cell of the matrix."""
    kind = comparison.cell(environment.name, section)
    return LACKING if kind not in BAD and not environment.with_section(section) else kind


def short(section: str) -> str:
    """Return a section's name as it fits over its column."""
    return SECTIONS[section].short if section in SECTIONS else section[: COLUMN - 1]


def label(comparison: Comparison, name: str) -> str:
    """Return how an environment is called: a stand-in says that it is one."""
    environment = next(one for one in comparison.environments if one.name == name)
    return f"{name} (rehearsal)" if environment.rehearsal else name


def told(difference: Difference, comparison: Comparison, look: Look) -> Iterator[str]:
    """Yield the lines about one difference: the key, what each environment has, why, and what mends it."""
    why = f" ({', '.join(difference.because)})" if difference.because else ""
    word = look.painted(difference.kind, difference.kind)
    key = printable(difference.key) or "(all of it)"
    yield f"  {look.mark(difference.kind)} {key}  {word}{printable(why)}"
    left = max(len(name) for name in comparison.names)
    for name in comparison.names:
        pointer = "→" if look.unicode else ">"
        at = pointer if difference.marks.get(name) in BAD else " "
        yield f"    {at} {name.ljust(left)}  {value_of(difference, name)}"
    for command in mends(difference, comparison):
        yield f"      mend: {printable(command)}"


def value_of(difference: Difference, environment: str, letters: int = VALUE_LETTERS) -> str:
    """Return what an environment has; where its hosts differ, each with its name."""
    values = difference.values.get(environment, {})
    texts = {host: cut(shown(value), letters) for host, value in values.items()}
    if len(set(texts.values())) <= 1:
        return next(iter(texts.values()), shown(ABSENT))
    return "; ".join(f"{host}: {text}" for host, text in texts.items())


def cut(text: str, letters: int) -> str:
    """Return a text as one printable line of at most so many letters."""
    return one_line(text, letters)


def verdict(comparison: Comparison) -> str:
    """Return the last line."""
    counts = {kind: comparison.count(kind) for kind in (UNEXPLAINED, DRIFT, DECLARED, EXPECTED)}
    words = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    names = _listed([label(comparison, name) for name in comparison.names])
    return f"{names} do not match: {words}" if comparison.bad else f"{names} match: {words}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def age(stamp: str, now: float) -> str:
    """Return how long ago a time (UTC, `2026-11-25T14:03:00Z`) was, in words; `now` in seconds since 1970."""
    seconds = max(0, now - timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")))
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {word}{'' if number == 1 else 's'} ago"
    return "just now"
