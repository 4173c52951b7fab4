"""Production with its backups on another machine, staging with its own on its own disk; and a client with a ledger.

The files are played in their order, each with what the ones before have left.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import writer
from tests.support.machines import environment
from tests.support.team import Team

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.machines import Environment, Machine

__all__ = ["environment"]

MEDIA = "/srv/noticeboard/shared/media"
#: The clone whose machines these are: its tools are lent to the scenario's copy
CLONE = Path(sys.executable).parents[2]
PROGRAM = "/usr/local/lib/samestack/backup"


class Backups:
    """An environment with backups, and whoever types the verbs there."""

    def __init__(self, team: Team, kind: str) -> None:
        self.team, self.kind = team, kind
        self.source = team.machine(kind)
        #: The machine with the repository that counts
        self.keeper = next((one for one in team.environment.machines(kind) if one.has("backup")), self.source)
        #: What `box/host` calls the machine with the data
        self.box = f"{os.environ['MOLECULE_SCENARIO_NAME']}-{self.source.name}"

    def __repr__(self) -> str:
        return self.kind

    def status(self) -> dict[str, Any]:
        """What `samestack backups` says, for programs, whether or not something is wrong."""
        arguments = self.team.arguments("backups", self.kind, json=True)
        self.team.clone.run("./samestack", *arguments)
        line = next(line for line in self.team.clone.output.splitlines() if line.startswith("{"))
        found: dict[str, Any] = json.loads(line)
        return found

    def problems(self) -> str:
        """What people are told that is wrong, in one line; the exit status says the same."""
        status = self.team.clone.run("./samestack", *self.team.arguments("backups", self.kind))
        said = re.sub(r"\s+", " ", self.team.clone.output)
        assert ("need somebody" in said) == bool(status), said[-3000:]
        return said.partition("need somebody: ")[2]

    def well(self) -> bool:
        """Whether the machines' own looks find nothing wrong."""
        machines = {one.name: one for one in (self.source, self.keeper)}
        return all(self.cycle(one) == "inactive" for one in machines.values())

    def cycle(self, machine: Machine | None = None) -> str:
        """One look of a machine's own timer; returns the state of its unit."""
        there, unit = machine or self.keeper, "samestack-backup-look@check.service"
        # It is asked more often than systemd lets a unit start.
        there.host.run(f"systemctl reset-failed {unit}; systemctl start {unit}")
        return str(there.host.run(f"systemctl is-failed {unit}").stdout).strip()

    def make(self, kind: str = "incr") -> dict[str, Any]:
        """Make a backup; returns its moment."""
        self.team.samestack("backup", self.kind, kind_of_backup=kind)
        return self.moments()[-1]

    def moments(self) -> list[dict[str, Any]]:
        """The moments that were backed up."""
        text = self.source.run("cat /var/lib/samestack/backup/moments.jsonl")
        return [json.loads(line) for line in text.splitlines()]

    def sql(self, statements: str) -> str:
        """What the application's database answers its owner."""
        user, name = self.source.variable("database_owner"), self.source.variable("database_name")
        command = f"psql -XqAt -v ON_ERROR_STOP=1 -U {user} -d {name}"
        return self.source.run(f"cd / && sudo -u postgres {command} <<'SQL'\n{statements}\nSQL\n").strip()

    def now(self) -> str:
        """The server's time, as people type it."""
        return self.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")

    def upload(self, name: str, text: str) -> None:
        """Put a file where uploads are, as the application does."""
        self.source.run(f"echo {text} | runuser -u noticeboard -- tee {MEDIA}/{name} >/dev/null")

    def uploads(self) -> dict[str, str]:
        """The uploads, with what is in them."""
        # Not all of them are text: a copy may have caught a file of bytes that was gone the next moment.
        lines = self.source.run(
            f"cd {MEDIA}; find * -type f 2>/dev/null | while read name; do echo $name $(base64 -w 0 $name); done"
        ).splitlines()
        found = {name: base64.b64decode("".join(text)) for name, *text in map(str.split, lines)}
        return {name: content.decode(errors="backslashreplace").strip() for name, content in found.items()}

    def power(self, meanwhile: Callable[[], object]) -> None:
        """Cut the power of the machine with the data, do something, and switch it on again."""
        subprocess.run([CLONE / "box/host", "kill", self.box], check=True)
        meanwhile()
        subprocess.run([CLONE / "box/host", "start", self.box], check=True, stdout=subprocess.DEVNULL)

    def answers(self) -> int:
        """The status of the site's page."""
        return self.source.browser().get("/healthz/").status


class Writer(writer.Writer):
    """A client of an environment's database."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups
        machine = backups.source
        inventory = backups.team.clone.folder
        user, name = machine.variable("database_owner"), machine.variable("database_name")
        command = [
            "ssh", "-F", f"{inventory}/.samestack/ssh_config", machine.name, "sudo", "-u", "postgres", "psql", "-XqAt",
            "-U", user, "-d", name,
        ]  # fmt: skip
        super().__init__(command)
        backups.sql(writer.TABLE)

    def lost(self) -> list[int]:
        """The acknowledged rows that the database has not got any more."""
        there = set(map(int, self._backups.sql(writer.ROWS).split()))
        return sorted(set(self.acknowledged) - there)


@pytest.fixture(scope="session")
def team(environment: Environment) -> Team:
    """Both environments, with the example's first version."""
    found = Team(environment)
    if not found.repository.exists():
        found.clone.decide("staging/differences.yml", backup_repositories=[{"type": "local"}])
        found.start(found.clone.folder / "examples" / "noticeboard")
        found.both(lambda team, kind: team.deploy(kind, "v1"))
    return found


@pytest.fixture(scope="session")
def production(team: Team) -> Backups:
    """Production: its backups are on another machine."""
    return Backups(team, "production")


@pytest.fixture(scope="session")
def staging(team: Team) -> Backups:
    """Staging, of another Debian: its backups are on its own disk."""
    return Backups(team, "staging")


@pytest.fixture(params=["production", "staging"])
def backups(request: pytest.FixtureRequest) -> Backups:
    """Each of the two."""
    found: Backups = request.getfixturevalue(request.param)
    return found


@pytest.fixture(name="writer")
def _writer(production: Backups) -> Iterator[Writer]:
    """A client that writes."""
    client = Writer(production)
    client.start()
    yield client
    client.stop()
