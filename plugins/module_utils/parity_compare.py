"""Compares the manifests of environments: what differs, and whether anything explains it. Pure.

A difference is *expected* (machines have it of their own), *declared* (it follows from what the inventories say
differently), *drift* (an environment is not as a run of ours left it, and was like the others then), or *unexplained*.
It is marked on the environments that are to be mended: those that drifted or are not what their inventory intends, else
those that are not like most.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from parity_rules import rule_for
from parity_values import ABSENT, LIVE_CODE, Environment, Host, Missing, environments, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from parity_envelope import Envelope

SAME, EXPECTED, DECLARED, DRIFT, UNEXPLAINED = "same", "expected", "declared", "drift", "unexplained"
#: From harmless to worst
CLASSES = (SAME, EXPECTED, DECLARED, DRIFT, UNEXPLAINED)
BAD = (DRIFT, UNEXPLAINED)
# Sections in the order in which people look for things
SECTIONS = (
    "system", "packages", "sources", "python", "release", "venv", "settings", "migrations", "environment", "gunicorn",
    "postgresql", "schema", "redis", "nginx", "certificates", "units", "kernel", "firewall", "sockets", "timers",
    "accounts", "files",
)  # fmt: skip
# These are wrong wherever they are not empty, also where all environments agree.
NEVER = {("release", "changed"): "files of the release are not what was built"}
# Digests of the other keys of their section: those say the same, and what it is
SUMMARIES = {("schema", "digest")}
KEYED = "each machine has its own, or each environment its secret"
DIGEST = re.compile(r"hmac:[0-9a-f]{32}")
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


@dataclass
class Comparison:
    """All differences of some environments."""

    environments: list[Environment]
    differences: list[Difference] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The environments' names, in order."""
        return [environment.name for environment in self.environments]

    @property
    def sections(self) -> list[str]:
        """Every section that any host has or could not read, in order."""
        return sections_of(self.environments)

    @property
    def bad(self) -> list[Difference]:
        """Drift and what nothing explains."""
        return [difference for difference in self.differences if difference.kind in BAD]

    def cell(self, environment: str, section: str) -> str:
        """Return the worst class on an environment in a section."""
        marks = [one.marks.get(environment, SAME) for one in self.differences if one.section == section]
        return max(marks, key=CLASSES.index, default=SAME)

    def count(self, kind: str) -> int:
        """Return how many differences of a class there are."""
        return sum(difference.kind == kind for difference in self.differences)


def compare(envelopes: Iterable[Envelope]) -> Comparison:
    """Return all differences of the environments that manifests are of, by section and key."""
    found = environments(envelopes)
    comparison = Comparison(found)
    for section in sections_of(found):
        comparison.differences += in_section(found, section)
    return comparison


def sections_of(found: Sequence[Environment]) -> list[str]:
    """Return every section that there is, in order; those that this code does not know come last."""
    hosts = [host.envelope for environment in found for host in environment.hosts]
    names = {name for host in hosts for name in [*host.sections, *(key.split("/")[0] for key in host.missing)]}
    return sorted(names, key=lambda name: (SECTIONS.index(name) if name in SECTIONS else len(SECTIONS), name))


def in_section(found: Sequence[Environment], section: str) -> Iterator[Difference]:
    """Yield what differs in a section."""
    having = [environment for environment in found if environment.with_section(section)]
    if 0 < len(having) < len(found):
        difference = _whole_section(found, having, section)
        if difference:
            yield difference
    hosts = [host for environment in having for host in environment.with_section(section)]
    by_host = {id(host): host.keys(section) for host in hosts}
    every = [host.envelope.sections[section] for host in hosts]
    if all(alike(values, every[0]) for values in every) and not any(name == section for name, _ in NEVER):
        return
    keys = sorted({key for names in by_host.values() for key in names})
    for key in [key for key in keys if (section, key) not in SUMMARIES]:
        cells = [Cell(environment, section, key, by_host) for environment in having]
        difference = Judge(section, key, cells).difference()
        if difference:
            yield difference


def _whole_section(found: Sequence[Environment], having: list[Environment], section: str) -> Difference | None:
    """Return the difference that some environments could not read a section that others have."""
    lacking = [environment for environment in found if environment not in having]
    values = {one.name: {host.name: _section_value(host, section) for host in one.hosts} for one in found}
    rule = rule_for(section, "")
    variables = _differing(rule.variables if rule else (), lacking[0], having[-1])
    kinds = {one.name: DRIFT if _had(one, section) else DECLARED if variables else UNEXPLAINED for one in lacking}
    because = variables or tuple(environment.why_missing(section) for environment in lacking)
    worst = max(kinds.values(), key=CLASSES.index)
    return Difference(section, "", worst, values, kinds, because, having[-1].name)


def _had(environment: Environment, section: str) -> bool:
    """Return whether a run of ours left it with the section."""
    return any(section in (host.envelope.before or {}) for host in environment.hosts)


def _section_value(host: Host, section: str) -> Any:
    if section in host.envelope.sections:
        return f"{len(host.envelope.sections[section])} keys"
    return Missing(host.envelope.missing.get(section, "it was not recorded"))


def _differing(variables: Iterable[str], one: Environment, other: Environment) -> tuple[str, ...]:
    return tuple(name for name in variables if one.variable(name) != other.variable(name))


class Cell:
    """What one environment has under one key, now and as a run of ours left it."""

    def __init__(
        self, environment: Environment, section: str, key: str, names: Mapping[int, Mapping[str, str]]
    ) -> None:
        """Gather it from the hosts; `names` are the hosts' own names of their keys."""
        self.environment = environment
        self.section, self.key = section, key
        hosts = environment.with_section(section)
        own = {host.name: names[id(host)].get(key, key) for host in hosts}
        self.values = _together({host: host.value(section, own[host.name]) for host in hosts})
        self.raw = frozenset(self.values.values())
        self._hosts = [host for host in hosts if host.name in self.values]
        self._own = own

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.name

    @property
    def canonical(self) -> frozenset[Any]:
        """The values with the inventory's words taken out."""
        return frozenset(host.words.canonical(self.values[host.name])[0] for host in self._hosts)

    @property
    def unkeyed(self) -> frozenset[Any]:
        """The values without digests under the environment's own key, which nobody can compare with another's."""
        return frozenset(
            DIGEST.sub("hmac:…", value)
            if isinstance(value, str)
            else tuple(DIGEST.sub("hmac:…", str(one)) for one in value)
            if isinstance(value, tuple)
            else value
            for value in self.canonical
        )

    @property
    def words(self) -> frozenset[str]:
        """The variables that those words stand for."""
        every = [host.words.canonical(self.values[host.name])[1] for host in self._hosts]
        in_key = [host.words.replaced(self._own[host.name])[1] for host in self._hosts]
        return frozenset().union(*every, *in_key)

    @property
    def before(self) -> frozenset[Any] | None:
        """The values as a run of ours left them, with the words taken out; None where nobody knows."""
        found = {host: host.value_before(self.section, self._own[host.name]) for host in self._hosts}
        if any(value is None for value in found.values()):
            return None
        return frozenset(host.words.canonical(value)[0] for host, value in found.items())

    @property
    def drifted(self) -> bool:
        """Whether a host is not as a run of ours left it."""
        return self.before is not None and self.before != self.canonical

    @property
    def intended(self) -> tuple[str, ...] | None:
        """The variables that intend just these values; () where they are others; None where none says anything."""
        wanted = [host.intended(self.section, self._own[host.name]) for host in self._hosts]
        if not wanted or any(one is None for one in wanted):
            return None
        fits = all(
            one is not None and same_value(one.get("value"), self.values[host.name])
            for one, host in zip(wanted, self._hosts, strict=True)
        )
        return tuple(dict.fromkeys(str(one["variable"]) for one in wanted if one)) if fits else ()


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two hosts have the same in a section; to Python, True is 1 as well."""
    if one is other:
        return True
    return one == other and all(type(value) is type(other[key]) for key, value in one.items())


def same_value(intended: Any, found: Any) -> bool:
    """Return whether a host has what the inventory intends."""
    return bool(frozen(intended) == found or (intended is None and found is ABSENT))


def _together(values: Mapping[Host, Any]) -> dict[str, Any]:
    """Return the hosts' values; where a host of another kind has the key, those without it do not count."""
    having = {host: value for host, value in values.items() if value is not ABSENT}
    kinds = {host.envelope.functions for host in having}
    return {
        host.name: value
        for host, value in values.items()
        if value is not ABSENT or not having or host.envelope.functions in kinds
    }


class Judge:
    """Says what the difference under one key is, if there is one."""

    def __init__(self, section: str, key: str, cells: Sequence[Cell]) -> None:
        """Take what each environment has."""
        self.section, self.key, self.cells = section, key, cells
        self.rule = rule_for(section, key)

    def difference(self) -> Difference | None:
        """Return the difference, None where there is none."""
        wrong = NEVER.get((self.section, self.key))
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
                one.canonical == cell.canonical and not _differing(variables, one.environment, cell.environment)
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
            return DECLARED, list(_differing(named, cell.environment, other.environment) or named)
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
        variables = _differing(self.rule.variables, cell.environment, other.environment)
        return (DECLARED, list(variables)) if variables else (SAME, [])
