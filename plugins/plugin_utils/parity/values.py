"""What an environment's hosts have under a key, with the inventory's own words (domains, addresses, names) taken out.

Pure. A value is a string, a number, a boolean, None or a list of strings; lists become tuples here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..inventory.environment import ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .envelope import Envelope

# In this order columns stand and hosts are asked.
# What rules call variables and is no decision: it is read from the manifests themselves
DERIVED = {
    "release": ("release", "id"), "architecture": ("system", "architecture"), "processors": ("system", "processors"),
    "memory": ("system", "memory MiB"), "virtualization": ("system", "virtualization"), "kernel": ("system", "kernel"),
}  # fmt: skip
LIVE_CODE = "app_live_path"
# Lists of the same word, one after the other, are one: an environment may have more domains than another.
REPEATED = re.compile(r"(?P<word>[^\s,/]*(?://)?<[a-z_ ]+>[^\s,/]*)(?:[\s,]+(?P=word))+(?![^\s,/])")


class Absent:
    """That there is no such key."""

    def __repr__(self) -> str:
        """Return how people read it."""
        return "(not there)"


ABSENT = Absent()


@dataclass(frozen=True)
class Missing:
    """That a host could not tell, and why."""

    why: str

    def __repr__(self) -> str:
        """Return how people read it."""
        return f"(unknown: {self.why})"


@dataclass(frozen=True)
class Flag:
    """A boolean: to Python, True is 1 as well."""

    on: bool


def frozen(value: Any) -> Any:
    """Return a value that can be a member of a set and is equal only to one of its own kind."""
    return tuple(value) if isinstance(value, list) else Flag(value) if isinstance(value, bool) else value


def thawed(value: Any) -> Any:
    """Return a frozen value as JSON has it; None where there is nothing."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Flag):
        return value.on
    return None if value is ABSENT else repr(value) if isinstance(value, Missing) else value


def shown(value: Any) -> str:
    """Return a frozen value as people read it."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "(none)"
    if isinstance(value, Flag):
        return "yes" if value.on else "no"
    return '""' if value == "" else "(null)" if value is None else str(value)


@dataclass
class Words:
    """The words of one host's inventory, by which a value may differ from another's."""

    tokens: Sequence[Mapping[str, str]]

    @cached_property
    def _names(self) -> dict[str, str]:
        return {token["text"]: token["variable"] for token in self.tokens if token["text"]}

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        texts = sorted(self._names, key=len, reverse=True)
        one = "|".join(map(re.escape, texts))
        return re.compile(rf"(?<![\w.-])(?:{one})(?![\w-]|\.\w)") if texts else None

    def found(self, text: str) -> bool:
        """Return whether there is any of the words in a text."""
        return bool(self._pattern and self._pattern.search(text))

    def replaced(self, text: str) -> tuple[str, frozenset[str]]:
        """Return a text with each word's variable in its place, and those variables."""
        used: set[str] = set()
        if not self._pattern:
            return text, frozenset()

        def variable(match: re.Match[str]) -> str:
            used.add(self._names[match[0]])
            return f"<{self._names[match[0]]}>"

        text = self._pattern.sub(variable, text)
        return (REPEATED.sub(r"\g<word>", text), frozenset(used)) if used else (text, frozenset())

    def canonical(self, value: Any) -> tuple[Any, frozenset[str]]:
        """Return a frozen value with the words taken out, and the variables that stood for them."""
        if isinstance(value, str):
            return self.replaced(value)
        if isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
            pairs = [self.replaced(item) for item in value]
            return tuple(dict.fromkeys(item for item, _ in pairs)), frozenset().union(*(used for _, used in pairs))
        return value, frozenset()


@dataclass(eq=False)
class Host:
    """One host's manifest as it is compared."""

    envelope: Envelope
    words: Words = field(init=False)

    def __post_init__(self) -> None:
        """Take the words from what the inventory declares."""
        self.words = Words(self.envelope.declared.get("tokens") or ())

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        return self.envelope.host

    def keys(self, section: str) -> dict[str, str]:
        """Return the keys of a section as they are compared, each with the key as the host has it."""
        found = self.envelope.sections.get(section) or {}
        names = [*found, *(name for name in self._missing_keys(section) if name not in found)]
        if not self.words.found("\n".join(names)):
            return {name: name for name in names}
        return {self.words.replaced(name)[0]: name for name in sorted(names, reverse=True)}

    def _missing_keys(self, section: str) -> list[str]:
        start = f"{section}/"
        return [name[len(start) :] for name in self.envelope.missing if name.startswith(start)]

    def value(self, section: str, key: str) -> Any:
        """Return what the host has under its own name of a key, frozen."""
        why = self.envelope.missing.get(f"{section}/{key}") or self.envelope.missing.get(section)
        values = self.envelope.sections.get(section) or {}
        return frozen(values[key]) if key in values else Missing(why) if why else ABSENT

    def value_before(self, section: str, key: str) -> Any:
        """Return what the host had when a run of ours last recorded it; None where nobody knows."""
        before = self.envelope.before
        if before is None or section not in before:
            return None
        return frozen(before[section][key]) if key in before[section] else ABSENT

    def intended(self, section: str, key: str) -> Mapping[str, Any] | None:
        """Return what the inventory wants there (value, variable); None where it says nothing."""
        found: Mapping[str, Any] = self.envelope.declared.get("intended") or {}
        return found.get(f"{section}/{key}")


@dataclass(eq=False)
class Environment:
    """The hosts of one environment."""

    name: str
    hosts: list[Host]

    @property
    def rehearsal(self) -> bool:
        """Whether local machines stand in for it."""
        return any(host.envelope.rehearsal for host in self.hosts)

    def variable(self, name: str) -> Any:
        """Return what a variable is on the hosts: in the inventory, or (DERIVED) as the machines are."""
        if name == "topology":
            kinds = self.hosts[0].envelope.declared.get("topology") or {}
            return sorted(map(repr, kinds.values()))
        if name == "deployed":
            # A first promotion finds a machine on which nothing of the application runs.
            return sorted({repr(bool((host.envelope.sections.get("release") or {}).get("id"))) for host in self.hosts})
        if name in DERIVED:
            section, key = DERIVED[name]
            values = [(host.envelope.sections.get(section) or {}).get(key) for host in self.hosts]
        else:
            values = [(host.envelope.declared.get("variables") or {}).get(name) for host in self.hosts]
        return sorted({repr(value) for value in values if value is not None})

    @property
    def has_live_code(self) -> bool:
        """Whether what runs changes as people write it."""
        return any((host.envelope.declared.get("variables") or {}).get(LIVE_CODE) for host in self.hosts)

    def with_section(self, section: str) -> list[Host]:
        """Return the hosts that could read a section."""
        return [host for host in self.hosts if section in host.envelope.sections]

    def why_missing(self, section: str) -> str:
        """Return why no host could read a section."""
        reasons = {host.envelope.missing.get(section, "it was not recorded") for host in self.hosts}
        return "; ".join(sorted(reasons))


def environments(envelopes: Iterable[Envelope]) -> list[Environment]:
    """Return the environments that manifests are of, in the order in which they are shown."""
    found: dict[str, list[Host]] = {}
    for envelope in sorted(envelopes, key=lambda one: one.host):
        found.setdefault(envelope.environment, []).append(Host(envelope))
    names = sorted(
        found, key=lambda name: (ENVIRONMENTS.index(name) if name in ENVIRONMENTS else len(ENVIRONMENTS), name)
    )
    return [Environment(name, found[name]) for name in names]
