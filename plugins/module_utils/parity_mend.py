"""What mends a difference: a verb of ours, or the exact command to be typed on the host. Pure.

The other way out is always there: make the difference a decision in the inventory, then provision all environments.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parity_values import ABSENT, Missing, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from parity_compare import Comparison, Difference

VERSION = re.compile(r"^(?P<version>\S+)")


@dataclass(frozen=True)
class Case:
    """One key of one environment that is to become what `wanted` is."""

    environment: str
    rehearsal: bool
    hosts: tuple[str, ...]
    #: A host that has what is wanted
    model: str
    #: Whether the roles put it there
    ours: bool
    #: The application's database, and the folder of its live release
    database: str
    folder: str
    key: str
    value: Any
    wanted: Any

    @property
    def is_extra(self) -> bool:
        """Whether it is there and should not be."""
        return self.wanted is ABSENT

    @property
    def is_lacking(self) -> bool:
        """Whether it is not there and should be."""
        return self.value is ABSENT or isinstance(self.value, Missing)

    def verb(self, name: str, more: str = "") -> str:
        """Return a verb of ours for the environment."""
        where = "" if self.environment == "dev" else f" ENV={self.environment}"
        return f"make {name}{where}{' REHEARSAL=1' if self.rehearsal else ''}{more}"

    def by_hand(self, command: str) -> str:
        """Return a command to be typed on the hosts."""
        return f"on {', '.join(self.hosts)}: {command}"


def mends(difference: Difference, comparison: Comparison) -> list[str]:
    """Return the commands that mend a difference, one for each environment that it is marked on."""
    return list(dict.fromkeys(mend(difference.section, case) for case in cases(difference, comparison)))


def cases(difference: Difference, comparison: Comparison) -> Iterator[Case]:
    """Yield what is to be mended: each environment that is marked, against the one that is not."""
    rehearsed = {environment.name: environment.rehearsal for environment in comparison.environments}
    reference = difference.values.get(difference.reference, {})
    wanted = next(iter(reference.values()), ABSENT)
    for name, kind in difference.marks.items():
        # Where two are marked, either may be the one to mend: the later one is what is to be kept.
        if kind not in ("drift", "unexplained") or (name == difference.reference and len(difference.marks) > 1):
            continue
        before = before_of(comparison, name, difference) if kind == "drift" else None
        values = difference.values.get(name, {})
        odd = {host: value for host, value in values.items() if value != wanted} or values
        target = before if before is not None else wanted
        model, ours = next(iter(reference), ""), is_ours(comparison, name, difference)
        value = next(iter(odd.values()), ABSENT)
        known = database_of(comparison, name), folder_of(comparison, name)
        yield Case(name, rehearsed[name], tuple(odd), model, ours, *known, difference.key, value, target)


def folder_of(comparison: Comparison, name: str) -> str:
    """Return the folder of the live release, "" where it is not known."""
    environment = next(one for one in comparison.environments if one.name == name)
    settings = [host.envelope.sections.get("settings", {}) for host in environment.hosts]
    roots = [str(found.get("BASE_DIR", "")) for found in settings]
    return next((root.partition("/current/")[0] + "/current" for root in roots if "/current/" in root), "")


def database_of(comparison: Comparison, name: str) -> str:
    """Return the name of an environment's database, as its server says it."""
    environment = next(one for one in comparison.environments if one.name == name)
    keys = [key for host in environment.hosts for key in host.envelope.sections.get("postgresql", {})]
    names = [key.removeprefix("database:") for key in keys if key.startswith("database:")]
    return next((one for one in names if one != "postgres"), "postgres")


def is_ours(comparison: Comparison, name: str, difference: Difference) -> bool:
    """Return whether the inventory says what should be there, by the roles' own templates."""
    environment = next(one for one in comparison.environments if one.name == name)
    return any(host.intended(difference.section, difference.key) for host in environment.hosts)


def before_of(comparison: Comparison, name: str, difference: Difference) -> Any:
    """Return what an environment had when a run of ours left it; None where nobody knows."""
    environment = next(one for one in comparison.environments if one.name == name)
    known = [host.value_before(difference.section, difference.key) for host in environment.hosts]
    return next((value for value in known if value is not None), None)


def mend(section: str, case: Case) -> str:
    """Return the command for one case."""
    return MENDS.get(section, provision)(case)


def provision(case: Case) -> str:
    """What the inventory says comes back."""
    return case.verb("provision")


def packages(case: Case) -> str:
    """A package is installed, removed, or brought to the others' version."""
    name = shlex.quote(case.key)
    if case.is_extra:
        return case.by_hand(f"sudo apt-get remove {name}")
    version = VERSION.match(shown(case.wanted))
    back = "" if case.is_lacking else "--allow-downgrades "
    return case.by_hand(f"sudo apt-get install {back}{name}={version['version'] if version else ''}")


def sources(case: Case) -> str:
    """Where packages come from."""
    return case.by_hand(f"look at {case.key} in /etc/apt, then: sudo apt-get update")


def postgresql(case: Case) -> str:
    """Settings of the server, extensions, roles."""
    kind, _, name = case.key.partition(":")
    if kind == "setting":
        return case.by_hand(f'sudo -u postgres psql -c "ALTER SYSTEM RESET {name}" -c "SELECT pg_reload_conf()"')
    if kind == "extension" and case.is_extra:
        return case.by_hand(f'sudo -u postgres psql -d {case.database} -c "DROP EXTENSION {name}"')
    if kind == "file":
        return case.by_hand(
            "put the files back (make provision does so with ours), then: sudo systemctl reload postgresql"
        )
    if kind == "role" and case.is_extra:
        return case.by_hand(f'sudo -u postgres psql -c "DROP ROLE {name}"')
    if kind == "database" and case.is_extra:
        return case.by_hand(f'sudo -u postgres psql -c "DROP DATABASE {name}"')
    return provision(case)


def schema(case: Case) -> str:
    """Tables are changed by migrations."""
    table, _, column = case.key.partition(".")
    if case.is_extra and column:
        return f"{case.verb('dbshell')}, there: ALTER TABLE {table} DROP COLUMN {column}; or write a migration"
    return f"write a migration, then {case.verb('deploy')}"


def code(case: Case) -> str:
    """Another release is deployed; one that is live already is not written again."""
    return case.verb("deploy")


def release(case: Case) -> str:
    """What was added goes, what was changed comes back from the archive, which the control node has."""
    if case.key != "changed" or not isinstance(case.value, tuple):
        return code(case)
    added = [path.removesuffix(" (added)") for path in case.value if path.endswith(" (added)")]
    others = [path.rpartition(" (")[0] for path in case.value if not path.endswith(" (added)")]
    commands = [f"sudo rm {' '.join(map(shlex.quote, added))}"] if added else []
    if others:
        commands.append(f"put {', '.join(others)} back from the release's archive (.samestack/releases/ here)")
    folder = f"in {case.folder}: " if case.folder else ""
    return f"{case.by_hand(folder + '; '.join(commands))}; or {case.verb('deploy', ' REF=…')}, with another commit"


def files(case: Case) -> str:
    """A file of nobody's goes; one of ours is written again; one of a package's is taken from the package."""
    path = shlex.quote(case.key.removeprefix("setuid:"))
    if case.ours:
        return provision(case)
    if case.key.startswith("setuid:"):
        return case.by_hand(f"sudo chmod u-s,g-s {path}")
    if case.is_extra:
        return case.by_hand(f"sudo rm {path}")
    place = f"as it is on {case.model}" if case.model else "back as it was"
    return case.by_hand(f"put {path} {place}; a package's own: sudo apt-get install --reinstall $(dpkg -S {path})")


def timers(case: Case) -> str:
    """What runs by the clock."""
    name = case.key.split(":")[-1]
    if case.is_extra and name.startswith("/"):
        return case.by_hand(f"sudo rm {shlex.quote(name)}")
    if case.is_extra and name.endswith(".timer"):
        return case.by_hand(f"sudo systemctl disable --now {shlex.quote(name)}")
    return provision(case)


def sockets(case: Case) -> str:
    """A program listens that should not, or does not and should."""
    if case.is_extra:
        return case.by_hand(f"stop {shown(case.value)} (sudo ss -ltnup shows it), and what starts it")
    return provision(case)


def accounts(case: Case) -> str:
    """Users, groups and who may use sudo."""
    kind, _, name = case.key.partition(":")
    if case.is_extra and kind == "user":
        return case.by_hand(f"sudo userdel {shlex.quote(name)}")
    if kind == "group" and not case.is_lacking and isinstance(case.value, tuple) and isinstance(case.wanted, tuple):
        gone = [
            f"sudo gpasswd -d {shlex.quote(user)} {shlex.quote(name)}" for user in case.value if user not in case.wanted
        ]
        if gone:
            return case.by_hand("; ".join(gone))
    return provision(case)


def units(case: Case) -> str:
    """Units of ours come back by a provision; those of others are stopped, their files removed."""
    kind, _, name = case.key.partition(":")
    if kind == "not read yet":
        return case.by_hand("sudo systemctl daemon-reload")
    if case.is_extra and kind == "file" and not case.ours:
        return case.by_hand(f"sudo rm {shlex.quote(name)} && sudo systemctl daemon-reload")
    if case.is_extra and kind in ("active", "state"):
        return case.by_hand(f"sudo systemctl disable --now {shlex.quote(name)}")
    return provision(case)


def nginx(case: Case) -> str:
    """What files of ours say comes back; nobody takes away a file of somebody else's."""
    if case.key == "not read yet":
        return case.by_hand("sudo systemctl reload nginx.service")
    if case.is_extra:
        return case.by_hand(
            "remove the file that brings it (sudo nginx -T shows which); sudo systemctl reload nginx.service"
        )
    return provision(case)


def kernel(case: Case) -> str:
    """Settings of the kernel."""
    return case.by_hand("sudo sysctl --system")


def firewall(case: Case) -> str:
    """The rules in force."""
    return case.by_hand("sudo systemctl reload nftables.service")


def redis(case: Case) -> str:
    """Redis' settings in force."""
    return case.by_hand("sudo systemctl restart redis-server.service")


MENDS: dict[str, Callable[[Case], str]] = {
    "packages": packages, "sources": sources, "postgresql": postgresql, "schema": schema, "release": release,
    "venv": code, "migrations": code, "files": files, "timers": timers, "sockets": sockets, "accounts": accounts,
    "units": units, "kernel": kernel, "firewall": firewall, "redis": redis, "nginx": nginx,
}  # fmt: skip
