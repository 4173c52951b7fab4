"""What is to be mended: one key of one environment, what it has and what it should have. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import statements
from .values import ABSENT, Missing, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .compare import Comparison, Difference
    from .values import Environment


@dataclass(frozen=True)
class Case:
    """One key of one environment that is to become what `wanted` is."""

    #: For sections, which import nothing of ours
    sql = statements

    environment: str
    rehearsal: bool
    hosts: tuple[str, ...]
    #: A host that has what is wanted
    model: str
    #: Whether the roles put it there
    ours: bool
    #: The application's database
    database: str
    key: str
    value: Any
    wanted: Any
    #: Whether somebody changed it since a run of ours
    drifted: bool

    @property
    def is_extra(self) -> bool:
        """Whether it is there and should not be."""
        return self.wanted is ABSENT

    @property
    def is_lacking(self) -> bool:
        """Whether it is not there and should be."""
        return self.value is ABSENT or isinstance(self.value, Missing)

    @property
    def value_text(self) -> str:
        """What it is, as people read it."""
        return shown(self.value)

    @property
    def wanted_text(self) -> str:
        """What it should be, as people read it."""
        return shown(self.wanted)

    @property
    def provision(self) -> str:
        """The verb that brings back what the inventory says."""
        return self.verb("provision")

    def verb(self, name: str, more: str = "") -> str:
        """Return a verb of ours for the environment."""
        where = "" if self.environment == "dev" else f" {self.environment}"
        return f"./samestack {name}{where}{' --rehearsal' if self.rehearsal else ''}{more}"

    def by_hand(self, command: str) -> str:
        """Return a command to be typed on the hosts."""
        return f"on {', '.join(self.hosts)}: {command}"

    def dbshell(self, *statements: str) -> str:
        """Return the command that says something to the application's database as its owner."""
        return f"echo {shlex.quote('; '.join(statements))} | {self.verb('dbshell', ' --as owner')}"

    def psql(self, statement: str, database: str = "") -> str:
        """Return a command that says something to the hosts' PostgreSQL servers as their superuser."""
        where = f" -d {shlex.quote(database)}" if database else ""
        return self.by_hand(f"sudo -u postgres psql{where} -c {shlex.quote(statement)}")


def cases(difference: Difference, comparison: Comparison) -> Iterator[Case]:
    """Yield what is to be mended: each environment that is marked, against the one that is not."""
    reference = difference.values.get(difference.reference, {})
    wanted = next(iter(reference.values()), ABSENT)
    for environment in comparison.environments:
        kind = difference.marks.get(environment.name)
        # Where two are marked, either may be the one to mend: the later one is what is to be kept.
        if kind not in ("drift", "unexplained"):
            continue
        if environment.name == difference.reference and len(difference.marks) > 1:
            continue
        values = difference.values.get(environment.name, {})
        odd = {host: value for host, value in values.items() if value != wanted} or dict(values)
        before = before_of(environment, difference) if kind == "drift" else None
        yield Case(
            environment=environment.name, rehearsal=environment.rehearsal, hosts=tuple(odd),
            model=next(iter(reference), ""), ours=is_ours(environment, difference), key=difference.key,
            database=database_of(environment), value=next(iter(odd.values()), ABSENT),
            wanted=wanted if before is None else before, drifted=kind == "drift",
        )  # fmt: skip


def is_ours(environment: Environment, difference: Difference) -> bool:
    """Return whether the inventory says what should be there, by the roles' own templates."""
    return any(host.intended(difference.section, difference.key) for host in environment.hosts)


def before_of(environment: Environment, difference: Difference) -> Any:
    """Return what an environment had when a run of ours left it; None where nobody knows."""
    known = [host.value_before(difference.section, difference.key) for host in environment.hosts]
    return next((value for value in known if value is not None), None)


def database_of(environment: Environment) -> str:
    """Return the name of an environment's database, as its server says it."""
    keys = [key for host in environment.hosts for key in host.envelope.sections.get("postgresql", {})]
    names = [key.removeprefix("database:") for key in keys if key.startswith("database:")]
    return next((one for one in names if one != "postgres"), "postgres")
