"""Which keys of a manifest may differ between environments, and why: the table that the sections' files make. Pure.

A line is `section/key | kind | why`, and the first that fits a key counts; {a,b} stands for either. The kind is one of

    never           nothing explains a difference in it
    expected        any two machines may differ in it; on one machine it stays as it is, else it is drift
    changes         any two machines may differ in it, and it changes by itself
    <variables>     declared, where one of these really differs between the two

Variables are those of the inventory, or what the machines are: see `values.DERIVED`. What differs only by a word of the
inventory (a domain, an address), or has on each side the value that its inventory intends, needs no rule: see `judge`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from functools import cache
from typing import TYPE_CHECKING

from .section import SECTIONS, Section

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Rule:
    """One line of the table."""

    keys: str
    why: str
    #: Variables of which one must differ; () where any two machines may differ in it, or where it is never explained
    variables: tuple[str, ...] = ()
    #: Whether it stays as it is on one machine: a change outside of our runs is drift
    stays: bool = True
    #: Nothing explains a difference in it
    never: bool = False

    @property
    def is_expected(self) -> bool:
        """Whether any two machines may differ in it."""
        return not self.variables and not self.never


def expanded(pattern: str) -> list[str]:
    """Return the patterns that one with {a,b} in it stands for."""
    before, brace, rest = pattern.partition("{")
    if not brace:
        return [pattern]
    inner, _, after = rest.partition("}")
    return [found for one in inner.split(",") for found in expanded(before + one + after)]


def parsed(table: str) -> list[Rule]:
    """Return the rules of a table."""
    rules = []
    for line in filter(str.strip, table.splitlines()):
        keys, kind, why = (cell.strip() for cell in line.split("|"))
        words = () if kind in ("never", "expected", "changes") else tuple(kind.split())
        rules += [Rule(one, why, words, kind != "changes", kind == "never") for one in expanded(keys)]
    return rules


def table(sections: Iterable[Section]) -> list[Rule]:
    """Return the rules of sections: what a service says of another section counts before what that one says itself."""
    pairs = [(one.name, rule) for one in sections for rule in parsed(one.rules)]
    return [rule for _, rule in sorted(pairs, key=lambda pair: pair[1].keys.startswith(f"{pair[0]}/"))]


RULES = tuple(table(SECTIONS.values()))


@cache
def rules_of(section: str) -> tuple[tuple[re.Pattern[str], Rule], ...]:
    """Return the rules that can fit a section's keys, compiled."""
    fitting = [rule for rule in RULES if re.match(translate(rule.keys.split("/", 1)[0]), section)]
    return tuple((re.compile(translate(rule.keys)), rule) for rule in fitting)


@cache
def rule_for(section: str, key: str) -> Rule | None:
    """Return the first rule that fits a key, or None."""
    name = f"{section}/{key}"
    return next((rule for pattern, rule in rules_of(section) if pattern.match(name)), None)


@cache
def replaced(section: str, key: str) -> bool:
    """Return whether a promotion puts something else in the place of what a key is about."""
    patterns = SECTIONS[section].replaced if section in SECTIONS else ()
    return any(fnmatchcase(key, one) for pattern in patterns for one in expanded(pattern))
