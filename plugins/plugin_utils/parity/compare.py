"""Compares the manifests of environments: what differs, section by section, and whether anything explains it. Pure.

A library that compares (deepdiff, jsondiff) says where two structures differ. Whether a declared difference, an
environment's own name or a change by hand explains it is what people ask, and only this project knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .cell import Cell, alike, differing
from .judge import BAD, CLASSES, DECLARED, DRIFT, EXPECTED, SAME, UNEXPLAINED, Difference, Judge
from .rules import rule_for
from .section import SECTIONS, in_order
from .values import Environment, Host, Missing, environments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .envelope import Envelope

__all__ = [
    "BAD", "CLASSES", "DECLARED", "DRIFT", "EXPECTED", "SAME", "UNEXPLAINED", "Comparison", "Difference", "compare",
]  # fmt: skip


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
    return in_order(names)


def in_section(found: Sequence[Environment], section: str) -> Iterator[Difference]:
    """Yield what differs in a section."""
    having = [environment for environment in found if environment.with_section(section)]
    if 0 < len(having) < len(found):
        difference = _whole_section(found, having, section)
        if difference:
            yield difference
    hosts = [host for environment in having for host in environment.with_section(section)]
    by_host = {id(host): host.keys(section) for host in hosts}
    known = SECTIONS.get(section)
    every = [host.envelope.sections[section] for host in hosts]
    if all(alike(values, every[0]) for values in every) and not (known and known.wrong):
        return
    keys = sorted({key for names in by_host.values() for key in names})
    for key in [key for key in keys if not known or key not in known.summaries]:
        cells = [Cell(environment, section, key, by_host) for environment in having]
        difference = Judge(section, key, cells).difference()
        if difference:
            yield difference


def _whole_section(found: Sequence[Environment], having: list[Environment], section: str) -> Difference | None:
    """Return the difference that some environments could not read a section that others have."""
    lacking = [environment for environment in found if environment not in having]
    values = {one.name: {host.name: _section_value(host, section) for host in one.hosts} for one in found}
    rule = rule_for(section, "")
    variables = differing(rule.variables if rule else (), lacking[0], having[-1])
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
