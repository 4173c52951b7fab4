"""Changes to a machine's packages: to what the stack lock says, or to the newest. And what runs with them after that.

Runs on the host. A look changes nothing but apt's lists; everything that can be known before is known by it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from ..common import pending
from ..standalone.look import STACK
from . import stale_services
from .apt import ENVIRONMENT, Apt, StackError, Transaction
from .compare import compare, followed, is_lockable, packages_of, source_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .apt import RunCommand

REBOOT_FILE = "/run/reboot-required"
INSTALL = ("install", "--no-install-recommends", "--no-remove", "-o", "APT::Get::Always-Include-Phased-Updates=true")
# A phased update comes to some machines first; machines of one environment shall stay alike.
UPGRADE = ("upgrade", "--with-new-pkgs", "-o", "APT::Get::Never-Include-Phased-Updates=true")


class LockedInstall:
    """Packages at the versions of the stack lock, and nothing lower than what is there."""

    def __init__(self, run_command: RunCommand, params: Mapping[str, Any], folder: str = "") -> None:
        """Take the module's parameters."""
        self.run_command = run_command
        self.locked: Mapping[str, str] = params["locked"]
        self.params = params
        self.apt = Apt(run_command, folder) if folder else Apt(run_command)
        self.present: dict[str, str] = {}
        self.past = ""
        # The versions that apt shall choose, "" where any will do
        self.chosen: dict[str, str] = dict(self.locked)
        # What `check_stack` shall refuse
        self.refused: dict[str, Any] = {}

    def look(self, *, update: bool = True) -> Transaction:
        """Return what is to be done. What cannot be had is in `refused` then. Raises StackError."""
        self.present = packages_of(self.run_command(["dpkg-query", "-W", "-f", STACK])[1])[0]
        if update:
            self.apt.update()
        self.follow()
        self.apt.prefer({name: version for name, version in self.chosen.items() if version})
        names = self.names()
        transaction, missing, why = self.tried(names)
        if missing and self.params["snapshot"]:
            unreachable = self.apt.reach_past(self.params["snapshot"], self.params["snapshots"])
            named = f"The snapshot of {self.params['snapshot']}"
            self.past = f"{named} cannot be used: {unreachable}." if unreachable else f"{named} was asked, too."
            if not unreachable:
                transaction, missing, why = self.tried(names)
        self.refused = self.refusal(missing, why) if missing else {}
        return transaction

    def follow(self) -> None:
        """Let packages go with what comes from the same source, where the machine has that newer than the lock."""
        if not any(compare(version, self.locked.get(name, version)) > 0 for name, version in self.present.items()):
            return
        shown = self.run_command(["apt-cache", "show", "--no-all-versions", *self.locked], environ_update=ENVIRONMENT)[
            1
        ]
        self.chosen |= followed(self.present, self.locked, source_names(shown))

    def names(self) -> list[str]:
        """Return the packages to name to apt: the wanted ones that are missing, and those below the lock."""
        older = [
            name for name, version in self.present.items()
            if name in self.locked and compare(version, self.locked[name]) < 0
        ]  # fmt: skip
        return sorted({*older, *self.params["missing"]})

    def tried(self, names: Sequence[str]) -> tuple[Transaction, dict[str, str], str]:
        """Return what apt would do, {package: what it finds in place of the locked version}, and apt's complaint."""
        if not names:
            return Transaction(), {}, ""
        try:
            transaction = self.apt.simulate(*INSTALL, *names)
        except StackError as error:
            return Transaction(), self.without_versions(names) or {"": str(error)}, str(error)
        return transaction, self.wrong(transaction, names), ""

    def wrong(self, transaction: Transaction, names: Sequence[str]) -> dict[str, str]:
        """Return the packages that would not get the locked version, with what they would get."""
        found = {}
        for name, (before, after) in transaction.steps.items():
            locked = self.locked.get(name, after)
            # What is above the lock already, or follows what is, may go on from there.
            above = self.chosen.get(name) != locked or (before and compare(before, locked) > 0)
            if after != locked and not (above and compare(after, locked) > 0):
                found[name] = after
        stuck = [name for name in names if name in self.present and name not in transaction.steps]
        return found | {name: self.present[name] for name in stuck if name in self.locked}

    def without_versions(self, names: Sequence[str]) -> dict[str, str]:
        """Return those packages whose locked version no archive has, with the newest that one has."""
        output = self.run_command(["apt-cache", *self.apt.options, "madison", *names])[1]
        offered: dict[str, list[str]] = {}
        for name, version in re.findall(r"^ *(\S+) \| *(\S+) \|", output, re.MULTILINE):
            offered.setdefault(name, []).append(version)
        return {
            name: next(iter(offered.get(name, [])), "") for name in names
            if name in self.locked and self.locked[name] not in offered.get(name, [])
        }  # fmt: skip

    def refusal(self, missing: Mapping[str, str], why: str) -> dict[str, Any]:
        """Return what is missing, as `check_stack` takes it."""
        versions = {name: [self.locked[name], found] for name, found in missing.items() if name}
        return {"section": self.params["section"], "missing": versions, "apt": why, "past": self.past}

    def install(self) -> Transaction:
        """Do what a look just said; returns it. Raises StackError."""
        transaction = self.look(update=False)
        if self.refused:
            raise StackError(f"a locked version is gone since it was looked for: {self.refused}")
        if transaction.steps:
            self.apt.do(*INSTALL, *self.names())
        return transaction

    def unlocked(self, transaction: Transaction) -> list[str]:
        """Return the packages that come as the archive has them, because the lock does not know them."""
        return sorted(name for name in transaction.steps if name not in self.locked and is_lockable(name, ""))

    def ahead(self, transaction: Transaction) -> list[str]:
        """Return the new packages that are newer than the lock, because something of the same source is."""
        added = transaction.added.items()
        return sorted(f"{name} {version}" for name, version in added if version != self.locked.get(name, version))


def upgrade(apt: Apt, *, check: bool) -> Transaction:
    """Bring all packages to the newest that the archives have; returns what was, or with `check` would be, done."""
    if not check:
        apt.update()
    transaction = apt.simulate(*UPGRADE)
    if transaction.removed:
        raise StackError(f"apt would take away {', '.join(transaction.removed)}", "See to these by hand first.")
    if transaction.steps and not check:
        apt.do(*UPGRADE)
    return transaction


def follow_up(run_command: RunCommand, apps: Sequence[str]) -> dict[str, Any]:
    """Restart what runs replaced files; returns `restarted`, `owed` (apps to be renewed), `left` and `reboot`.

    Raises StackError where a service does not start again.
    """
    units, owed, left = stale_services.divided(stale_services.stale_units(run_command), apps)
    for app in owed:
        pending.Owed(app).add()
    failed = stale_services.restarted(run_command, units)
    if failed:
        raise StackError(
            f"{', '.join(failed)} did not start again after the new packages came",
            f"See why: `systemctl status {failed[0]}` on the host; then run the same command again.",
        )
    return {"restarted": units, "owed": owed, "left": left, "reboot": os.path.exists(REBOOT_FILE)}


def words(transaction: Transaction, after: Mapping[str, Any], done: str = "Raised") -> list[str]:
    """Return what was done, in words."""
    raised = [f"{name} {before} → {now}" for name, (before, now) in sorted(transaction.raised.items())]
    lines = [f"{done}: {', '.join(raised)}"] if raised else []
    if transaction.kept_back:
        lines.append(f"Kept back by apt: {', '.join(transaction.kept_back)}")
    if after.get("restarted"):
        lines.append(f"Restarted, because it ran what was replaced: {', '.join(after['restarted'])}")
    touched = [*after.get("restarted", ()), *transaction.raised]
    if after and any(re.match(r"postgresql(@|-\d+$)", name) for name in touched):
        lines.append("PostgreSQL was restarted: its connections were interrupted for a moment")
    if after.get("left"):
        lines.append(f"Run what was replaced until the next boot: {', '.join(after['left'])}")
    if after.get("reboot"):
        lines.append("The machine wants a reboot (a new kernel, perhaps); nothing here reboots by itself")
    return lines
