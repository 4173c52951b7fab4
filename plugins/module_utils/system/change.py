"""One change of a host's files and units: what differs is replaced as a transaction, then units take it up."""

from __future__ import annotations

import fnmatch
import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

from ..common.files import read_json, write_atomic
from ..common.folders import PRIVATE, make_folder, remove, tree
from ..common.paths import STATE
from ..common.systemd import UnitError, Units, run
from . import originals
from .access import Return, unconfirmed
from .entries import PASSING, PUT, Diff, Entry, EntryError, Transaction, sweep

if TYPE_CHECKING:
    from .undo import Record

# Where calls write down what they still have to do
PENDING = f"{STATE}/pending"
UNITS = "/etc/systemd/system/"
VERIFY = "systemd-analyze verify"
KINDS = ("apply", "validate", "restart", "reload")


def validate(commands: list[str], changed: list[str]) -> None:
    """Run each command once; raises EntryError when one refuses.

    systemd only warns of what it does not understand, and passes over it: of changed files that is a refusal.
    """
    for command in dict.fromkeys(commands):
        process = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        output = process.stdout.decode("utf-8", "replace").strip()
        warned = [line for line in output.splitlines() if any(f"{path}:" in line for path in changed)]
        if process.returncode != 0 or (command.startswith(VERIFY) and warned):
            output = "\n".join(warned) or output
            raise EntryError(f"`{command}` refused the new files, the old ones are back: {output}")


def take_up(verb: str, unit: str) -> None:
    """Let a unit that runs take its files up; one that cannot while it runs begins anew. Raises UnitError."""
    try:
        run(["systemctl", verb, unit], unit)
    except UnitError:
        if verb == "try-restart":
            raise
        run(["systemctl", "try-restart", unit], unit)


def rest_of(entries: list[Entry]) -> list[Entry]:
    """Return entries that remove what lies below exclusive directories and has no entry."""
    named = {entry["path"] for entry in entries}
    found = []
    for entry in entries:
        if not entry.get("exclusive"):
            continue
        paths = [path for path, _status in tree(entry["path"], passed_over=("__pycache__",))]
        others = [path for path in paths if path not in named and not os.path.basename(path).startswith(PASSING)]
        # What is right in a folder goes before what is below it.
        others.sort(key=lambda path: (os.path.dirname(path), path))
        found += [{**entry, "path": path, "state": "absent", "exclusive": False} for path in others]
    return found


def named_by(entries: list[Entry]) -> list[Entry]:
    """Return entries that remove what a pattern (`absent`, with a `*` in the last name) names and no other entry."""
    named = {entry["path"] for entry in entries if entry["state"] != "absent"}
    found = []
    for entry in entries:
        folder, pattern = os.path.split(entry["path"])
        if entry["state"] == "absent" and "*" in pattern and os.path.isdir(folder):
            paths = [os.path.join(folder, name) for name in sorted(fnmatch.filter(os.listdir(folder), pattern))]
            found += [{**entry, "path": path} for path in paths if path not in named]
    return found


class Pending:
    """What has to happen after the files: kept in a file, so that the next run finishes what a cut-off run began."""

    def __init__(self, owner: str) -> None:
        self._path = os.path.join(PENDING, f"{owner}.json")
        self.before: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self.before.update(read_json(self._path) or {})
        self.todo = {kind: list(self.before[kind]) for kind in KINDS}

    def add(self, entry: Entry) -> None:
        """Note what a changing entry asks for."""
        for kind in KINDS:
            self.todo[kind] += [item for item in entry[kind] if item not in self.todo[kind]]

    def save(self, todo: dict[str, list[str]]) -> None:
        """Write down what is to be done; nothing to do leaves no file."""
        if not any(todo.values()):
            remove(self._path)
            return
        make_folder(PENDING, PRIVATE).close()
        write_atomic(self._path, json.dumps(todo), 0o600)


class State:
    """One call: files, then units."""

    def __init__(self, module: Any, record: Record | None = None) -> None:
        """Take the module, or what has its `check_mode` and `params`, and where to keep what is replaced."""
        self.module = module
        self.record = record
        self.check: bool = module.check_mode
        self.files: list[Entry] = module.params["files"]
        self.pending = Pending(module.params["owner"])
        self.way_back = Return([])
        self.diffs: list[Diff] = []
        self.changed: list[str] = []
        self.actions: list[str] = []
        #: What was done to units, of that
        self.settled: list[str] = []

    @property
    def unfinished(self) -> bool:
        """Return whether an earlier call was cut off, or its change waits for a new login."""
        return any(self.pending.before.values()) or unconfirmed()

    def plan(self) -> list[Entry]:
        """Look at everything, change nothing; return the entries that differ and note what they ask for."""
        differing = []
        self.files = list(originals.resolved(self.files))
        self.files += [*rest_of(self.files), *named_by(self.files)]
        for entry in self.files:
            if not self.check:
                sweep(entry["path"])
            diff = PUT[entry["state"]](entry, Transaction(), True)
            if diff is not None:
                differing.append(entry)
                self.diffs.append(diff)
                self.changed.append(entry["path"])
                self.pending.add(entry)
            elif not self.check:
                originals.forget([entry])
        return differing

    def put(self, entries: list[Entry]) -> None:
        """Put the entries in place; raises EntryError or OSError after everything is back as it was."""
        transaction = Transaction()
        if self.record:
            self.record.keep(entries)
        originals.keep(entries)
        self.end_units(entries)
        self.pending.save(self.pending.todo)
        self.way_back = Return(entries)
        self.way_back.arm()
        # What is to be applied is looked at before; the rest when everything is in place.
        early: list[str] = []
        seen: list[str] = []
        try:
            for entry, following in zip(entries, [*entries[1:], None], strict=False):
                PUT[entry["state"]](entry, transaction, False)
                # Neighbours that ask for the same command share one run of it, after the last of them.
                shared = following["apply"] if following else []
                early += entry["validate"] if entry["apply"] else []
                if commands := [command for command in entry["apply"] if command not in shared]:
                    validate(early, self.changed)
                    seen, early = [*seen, *early], []
                    self.run_commands(commands)
            validate([command for command in self.pending.todo["validate"] if command not in seen], self.changed)
        except (EntryError, OSError):
            transaction.roll_back()
            if self.record:
                self.record.forget()
            self.pending.save(self.pending.before)
            self.way_back.disarm()
            raise
        transaction.finish()
        originals.forget(entries)
        # Commands that a cut-off run still owed
        self.run_commands([command for command in self.pending.before["apply"] if command not in self.actions])

    def run_commands(self, commands: list[str]) -> None:
        """Run the commands; raises EntryError when one fails."""
        for command in commands:
            process = subprocess.run(
                shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            if process.returncode != 0:
                raise EntryError(f"`{command}` failed: {process.stdout.decode('utf-8', 'replace').strip()}")
            self.actions.append(command)

    def end_units(self, entries: list[Entry]) -> None:
        """End units whose files go, while systemd still knows how, and where it has put links to them."""
        going = {entry["path"] for entry in entries if entry["state"] == "absent"}
        units = [unit for unit in self.module.params["units"] if UNITS + unit["name"] in going and unit["when"]]
        self.settle(Units(units, self.check))
        names = [path.removeprefix(UNITS) for path in sorted(going) if path.startswith(UNITS)]
        # What a timer or a person has started is in no list; a template's file has all of its instances.
        started = [name.replace("@.", "@*.") for name in names if "/" not in name]
        if started and not self.check:
            run(["systemctl", "stop", *started])
            # One that has failed would be shown as such for good; the others are not known any more.
            subprocess.run(["systemctl", "reset-failed", *started], check=False, capture_output=True)

    def settle(self, units: Units, *, reload_manager: bool = False) -> list[str]:
        """Bring units to their state; returns those that were started just now."""
        fresh = units.settle(reload_manager=reload_manager)
        self.actions += units.done
        self.settled += units.done
        if self.record and not self.check:
            self.record.units(self.settled)
        return fresh

    def see_to_units(self) -> None:
        """Bring the units to their state and let those that run take up what changed."""
        units = Units([unit for unit in self.module.params["units"] if unit["when"]], self.check)
        touched = any(path.startswith(UNITS) for path in self.changed)
        fresh = self.settle(units, reload_manager=touched or bool(self.pending.todo["restart"]))
        restart, reload = self.pending.todo["restart"], self.pending.todo["reload"]
        for verb, names in (("try-restart", restart), ("try-reload-or-restart", reload)):
            for name in names:
                # What has just been started has the new files already.
                if name in fresh or (verb != "try-restart" and name in restart):
                    continue
                self.actions.append(f"{verb} {name}")
                if not self.check:
                    take_up(verb, name)
