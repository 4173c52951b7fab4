"""What one environment has under one key, now and as a run of ours left it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .values import ABSENT, Environment, Host, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A build of Debian's for one processor alone (binNMU)
BUILD = re.compile(r"\+b\d+$")
DIGEST = re.compile(r"hmac:[0-9a-f]{32}")


def differing(variables: Iterable[str], one: Environment, other: Environment) -> tuple[str, ...]:
    """Return those of some variables that two environments have otherwise."""
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
    def versions(self) -> frozenset[str]:
        """What the values begin with, as far as it says which version and not which build of it."""
        return frozenset(BUILD.sub("", str(value).partition(" ")[0]) for value in self.canonical)

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
