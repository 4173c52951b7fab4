"""Which keys of a manifest may differ between environments, and why: the one table. Pure.

A key is `section/key`; `*` stands for anything. The first rule that fits counts. Without variables a difference is
*expected*: machines have that of their own. With variables it is *declared*, where one of those really differs between
the two inventories, and unexplained otherwise. What differs only by a word of the inventory (a domain, an address), or
has on each side the value that its inventory intends, needs no rule: see `parity_compare`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cache

LIVE = ("app_live_path", "app_debug")
TLS = ("web_tls", "app_domains", "app_static_domain")
TOPOLOGY = ("topology", "machine_address")


@dataclass(frozen=True)
class Rule:
    """One line of the table."""

    keys: str
    why: str
    #: Variables of which one must differ; none: the difference is expected of any two machines
    variables: tuple[str, ...] = ()
    #: Whether it stays as it is on one machine: a change outside of our runs is drift
    stays: bool = True

    @property
    def is_expected(self) -> bool:
        """Whether any two machines may differ in it."""
        return not self.variables


def expected(keys: str, why: str, *, stays: bool = True) -> Rule:
    """Return a rule for what every machine has of its own."""
    return Rule(keys, why, (), stays)


def follows(keys: str, variables: tuple[str, ...], why: str) -> Rule:
    """Return a rule for what follows from variables that may differ."""
    return Rule(keys, why, variables)


RULES = (
    # Machines have these of their own.
    expected("system/host name", "each machine has its own name"),
    expected("system/machine id", "each machine has its own"),
    expected("system/kernel", "servers start a new one at their own time", stays=False),
    expected("system/virtualisation", "a laptop's machine is no server", stays=False),
    follows("system/architecture", ("architecture",), "a laptop may have another processor than the servers"),
    follows("system/memory", ("memory",), "machines have their sizes"),
    follows("system/processors", ("processors",), "machines have their sizes"),
    # Sizes
    follows("postgresql/setting:*", ("database_settings", "memory", *TOPOLOGY), "sized from the machine"),
    follows("gunicorn/workers", ("web_processes", "processors"), "one more than the machine has processors"),
    # Which release runs
    follows("release/*", ("release", *LIVE), "environments may serve different releases"),
    follows("venv/*", ("release", *LIVE), "it belongs to the release"),
    follows("migrations/*", ("release", *LIVE), "they belong to the release"),
    follows("schema/*", ("release", *LIVE), "it follows from the migrations of the release"),
    follows("settings/*", ("release", *LIVE, "app_domains", "app_catch_mail", *TOPOLOGY), "read from the environment"),
)


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
