"""Two machines that serve the example, one of each Debian, and whoever has broken into a room of them.

A test is an attempt. What it needs of the machine it does as the actor who is named: never as root.
"""

from __future__ import annotations

import base64
import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.machines import environment
from tests.support.team import KINDS, Team

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.machines import Environment, Machine

__all__ = ["environment"]

MACHINES = KINDS


class Actor:
    """Somebody on a machine who is not root."""

    def __init__(self, machine: Machine, account: str) -> None:
        self.machine = machine
        self.account = account

    def tries(self, script: str) -> tuple[int, str]:
        """Return the exit status and all output of a shell script that this account runs."""
        done = self.machine.host.run(f"cd / && runuser -u {self.account} -- sh -c {shlex.quote(script)} </dev/null")
        return done.rc, f"{done.stdout}{done.stderr}"

    def does(self, script: str) -> str:
        """Return the output of a script that this account can run, as preparation of an attempt."""
        status, output = self.tries(script)
        assert status == 0, f"{self.account} on {self.machine.name}: {script}\n{output}"
        return output


class Process:
    """Code inside of the application: with its rights, its environment and its packages, confined as it is."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def python(self, program: str) -> Any:
        """Return what a Python program prints last, as JSON."""
        text = base64.b64encode(program.encode()).decode()
        line = f"import base64; exec(base64.b64decode('{text}').decode(), {{'__name__': 'attempt'}})"
        return json.loads(self.machine.manage(f'shell -c "{line}"').splitlines()[-1])


def sql(machine: Machine, statements: str, role: str = "") -> str:
    """Run SQL in the application's database as a role, its owner unless another is named."""
    user, database = role or machine.variable("database_owner"), machine.variable("database_name")
    command = f"psql -XqAt -v ON_ERROR_STOP=1 -U {user} -d {database}"
    return machine.run(f"cd / && sudo -u postgres {command} <<'SQL'\n{statements}\nSQL\n").strip()


@pytest.fixture(scope="session")
def team(environment: Environment) -> Team:
    """Both environments, with the example's first version."""
    found = Team(environment)
    found.start(found.clone.folder / "examples" / "noticeboard")
    found.both(lambda team, kind: team.deploy(kind, "v1"))
    return found


class Everywhere:
    """Attempts that take runs of Ansible: on both machines at once, and each machine has its own outcome."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._outcomes: dict[tuple[Any, ...], dict[str, Exception | None]] = {}

    def __call__(self, victim: Machine, attempt: Callable[..., None], *arguments: str) -> None:
        """Make an attempt, when the first machine has its turn; raises what it raised on this one."""
        key = (attempt, *arguments)
        if key not in self._outcomes:
            self._outcomes[key] = self._team.both(lambda team, kind: self._one(team, kind, *key))
        if error := self._outcomes[key][victim.kind]:
            raise error

    def _one(self, team: Team, kind: str, attempt: Callable[..., None], *arguments: str) -> Exception | None:
        try:
            attempt(team, team.machine(kind), *arguments)
        except (Exception, pytest.fail.Exception) as error:
            return error
        return None


@pytest.fixture(scope="session")
def everywhere(team: Team) -> Everywhere:
    """What makes an attempt on both machines at once."""
    return Everywhere(team)


@pytest.fixture(scope="session", params=MACHINES)
def victim(request: pytest.FixtureRequest, team: Team) -> Machine:
    """The machine that is attacked."""
    return team.machine(request.param)


@pytest.fixture
def app(victim: Machine) -> Actor:
    """Code that runs as the application: somebody found a hole in it."""
    return Actor(victim, victim.app)


@pytest.fixture
def stranger(victim: Machine) -> Actor:
    """Any other account of the machine."""
    return Actor(victim, "nobody")


@pytest.fixture
def process(victim: Machine) -> Process:
    """The same, inside of its own sandbox."""
    return Process(victim)
