"""What mends a difference: a verb of ours, or the exact command to be typed on the host. Pure.

The other way out is always there: make the difference a decision in the inventory, then provision all environments.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from .cases import Case, cases
from .values import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from .compare import Comparison, Difference

SYSCTL = re.compile(r"[a-z0-9_-]+(\.[\w/-]+)+")
VERSION = re.compile(r"^(?P<version>\S+)")


def mends(difference: Difference, comparison: Comparison) -> list[str]:
    """Return the commands that mend a difference, one for each environment that it is marked on."""
    return list(dict.fromkeys(mend(difference.section, case) for case in cases(difference, comparison)))


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
    if case.ours:
        return provision(case)
    what = "take it out of" if case.is_extra else "put it back into"
    return case.by_hand(f"{what} /etc/apt ({case.key}), then: sudo apt-get update")


def postgresql(case: Case) -> str:
    """Settings of the server, extensions, roles."""
    kind, _, name = case.key.partition(":")
    if kind == "setting":
        return case.by_hand(f'sudo -u postgres psql -c "ALTER SYSTEM RESET {name}" -c "SELECT pg_reload_conf()"')
    if kind == "extension" and case.is_extra:
        return case.by_hand(f'sudo -u postgres psql -d {case.database} -c "DROP EXTENSION {name}"')
    if kind == "file":
        return case.by_hand(
            "put the files back (./samestack provision does so with ours), then: sudo systemctl reload postgresql"
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
    """What was changed of a release by hand comes back from its archive."""
    return case.verb("repair") if case.key == "changed" else code(case)


def venv(case: Case) -> str:
    """The same, where the packages are not those that were built; another release brings others."""
    return case.verb("repair") if case.drifted else code(case)


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


def certificates(case: Case) -> str:
    """Ours come back by a provision; an authority that somebody trusts goes with its file."""
    if case.is_extra and case.key.startswith("trusted:"):
        return case.by_hand(
            "remove its file from /usr/local/share/ca-certificates, then: sudo update-ca-certificates --fresh"
        )
    return provision(case)


def python(case: Case) -> str:
    """What was installed beside the distribution's packages and the releases."""
    if case.is_extra and case.key.startswith("local:"):
        return case.by_hand(f"remove {case.key.removeprefix('local:')} from /usr/local/lib/python3*/dist-packages")
    return provision(case)


def accounts(case: Case) -> str:
    """Users, groups and who may use sudo."""
    kind, _, name = case.key.partition(":")
    if case.is_extra and kind == "sudo":
        return case.by_hand(f"sudo rm {shlex.quote(name)}")
    if case.is_extra and kind == "key":
        user = name.partition(":")[0]
        return case.by_hand(f"take the line out of ~{user}/.ssh/authorized_keys (ssh-keygen -lf shows which)")
    if kind == "sshd":
        return case.by_hand("grep -ri for it in /etc/ssh/sshd_config.d, put that back, then: sudo systemctl reload ssh")
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
    """Settings of the kernel; limits are those of the services."""
    if SYSCTL.fullmatch(case.key) and not (case.is_extra or isinstance(case.wanted, tuple)):
        return case.by_hand(f"sudo sysctl -w {shlex.quote(f'{case.key}={case.wanted}')}")
    return provision(case)


def firewall(case: Case) -> str:
    """The rules in force."""
    return case.by_hand("sudo systemctl reload nftables.service")


def redis(case: Case) -> str:
    """Redis' settings in force."""
    return case.by_hand("sudo systemctl restart redis-server.service")


MENDS: dict[str, Callable[[Case], str]] = {
    "packages": packages, "sources": sources, "postgresql": postgresql, "schema": schema, "release": release,
    "venv": venv, "migrations": code, "files": files, "timers": timers, "sockets": sockets, "accounts": accounts,
    "certificates": certificates, "python": python,
    "units": units, "kernel": kernel, "firewall": firewall, "redis": redis, "nginx": nginx,
}  # fmt: skip
