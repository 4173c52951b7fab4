"""Two environments whose packages a stack lock makes alike, and the verbs that a person types for that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from plugins.module_utils.packages.compare import packages_of
from plugins.module_utils.standalone.look import STACK
from plugins.plugin_utils.stack.lock import FILE, read_lock, written
from tests.support.clone import Clone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.machines import Environment, Machine

# Each has its site on Debian 13 and its database on Debian 12.
SECTIONS = {"1": "debian-13-amd64", "2": "debian-12-amd64"}
STAGING, PRODUCTION = ("staging1", "staging2"), ("production1", "production2")


class Stack:
    """Two environments, and the file that makes their packages alike."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clone = Clone(environment.site.root)
        self.file = environment.site.root / FILE

    def arguments(self, verb: str, kind: str, *options: str, **extra: Any) -> list[str]:
        """Return the command's arguments, with options and values for Ansible."""
        given = [*options, *(["-e", json.dumps(extra)] if extra else [])]
        return [verb, kind, "--rehearsal", *(["--", *given] if given else [])]

    def samestack(self, verb: str, kind: str, *options: str, **extra: Any) -> str:
        """Type a verb that works."""
        return self.clone.samestack(*self.arguments(verb, kind, *options, **extra))

    def packages_of_production(self, *options: str, **extra: Any) -> str:
        """See to production's packages alone: the rest of a provision has tests of its own."""
        return self.samestack("provision", "production", "--tags", "host", *options, **extra)

    def refused(self, **extra: Any) -> str:
        """See to production's packages, which must fail; returns what it said in one line."""
        return self.clone.refuses(*self.arguments("provision", "production", "--tags", "host", **extra))

    def machine(self, name: str) -> Machine:
        return self.environment.machine(name)

    def run(self, name: str, command: str) -> str:
        """Run a command as root on a machine; returns its output."""
        return str(self.machine(name).run(command))

    def versions(self, name: str) -> dict[str, str]:
        """Return what is installed on a machine, by dpkg itself."""
        query = f"dpkg-query -W -f '{STACK}'"
        return dict(packages_of(self.run(name, query))[0])

    @property
    def locked(self) -> dict[str, Any]:
        """Return the sections of the file; it must be good."""
        sections, problems = read_lock(self.file)
        assert not problems
        return dict(sections)

    def write(self, sections: dict[str, Any]) -> None:
        """Write the file as a person may who edits it."""
        self.file.write_text(written(sections), encoding="utf-8")

    def section(self, name: str) -> dict[str, Any]:
        """Return the section of a machine."""
        return dict(self.locked[SECTIONS[name[-1]]])

    def offered(self, name: str, packages: Iterable[str]) -> list[tuple[str, str, str]]:
        """Return (package, version, suite) of what the archives have, newest first."""
        lines = self.run(name, f"apt-cache madison {' '.join(packages)}").splitlines()
        rows = [[part.strip() for part in line.split("|")] for line in lines]
        return [(package, version, source.split()[1].split("/")[0]) for package, version, source in rows]

    def ledger(self, name: str) -> dict[str, Any]:
        """Return the last line of a machine's ledger."""
        return dict(yaml.safe_load(self.run(name, "tail -1 /var/lib/samestack/ledger.jsonl")))
