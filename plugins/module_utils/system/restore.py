"""One provision is taken back on one host: its files, then what uses them."""

from __future__ import annotations

import os
import stat
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..common.folders import parent_of
from ..common.held_folder import ANYBODY
from ..common.systemd import UnitError, run
from . import undo
from .access import Return
from .change import State

if TYPE_CHECKING:
    from collections.abc import Mapping

PATHS_SHOWN = 12
UNITS = "/etc/systemd/system"


def unit_file(unit: str) -> str:
    """Return where this project puts a unit's file."""
    return os.path.join(UNITS, unit)


def is_unit(path: str) -> bool:
    """Return whether a path is the file of a unit that can be stopped; instances of a template are somebody else's."""
    folder, name = os.path.split(path)
    return folder == UNITS and "@" not in name and name.endswith((".service", ".timer", ".socket", ".swap"))


class Restore:
    """The way back from one run."""

    def __init__(self, about: Mapping[str, Any], app: str, check: bool) -> None:
        """Take what is known of the run, the application, and whether to look only."""
        self.about = about
        self.app = app
        self.check = check
        self.changed = False
        self.paths: list[str] = []
        self.diffs: list[dict[str, str]] = []
        self.way_back = Return([])

    @property
    def what(self) -> str:
        """Return the run in words."""
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(float(self.about.get("began") or 0)))
        who = self.about.get("who") or "somebody"
        return f"The last provision that changed files here ({when}, by {who})"

    def run(self) -> list[str]:
        """Take the run back; returns what happened in words. Raises EntryError, UnitError, OSError."""
        if undo.undone(self.about["id"]):
            return [f"{self.what} is undone already: nothing to do"]
        files = undo.kept_files(self.about["id"])
        if self.about.get("first") or any(self.built(file) for file in files):
            return [f"{self.what} built this machine: there is nothing to go back to"]
        edited = [file["path"] for file in files if undo.changed_since(file)]
        made = [file for file in files if file["state"] == "absent"]
        folders = [file["path"] for file in made if file["made"] == "directory"]
        gone = [file["path"] for file in made]
        actions = undo.unit_actions(self.about["id"])
        self.act([action for action in actions if unit_file(action[1]) in gone])
        self.act([("stop", os.path.basename(path)) for path in gone if is_unit(path)])
        kept = undo.run_folder(self.about["id"])
        entries = [undo.entry_of(file, kept) for file in files if file["path"] not in folders]
        self.put(entries)
        self.act(
            [(verb, unit) for verb, unit in actions if unit_file(unit) not in gone and verb in ("enable", "start")]
        )
        left = self.remove(folders)
        if not self.check:
            undo.mark_undone(self.about["id"])
        self.changed = True
        return self.report(edited, left)

    def built(self, file: Mapping[str, Any]) -> bool:
        """Return whether a kept state says that there was no application on the machine before."""
        return bool(file["state"] == "absent" and file["path"] == unit_file(f"{self.app}.service"))

    def put(self, entries: list[dict[str, Any]]) -> None:
        """Put the files back as `system_state` puts them, all or none, and let services take them up."""
        params = {
            "owner": f"undo-{os.path.basename(undo.run_folder(self.about['id']))}",
            "files": entries,
            "units": [],
        }
        state = State(SimpleNamespace(check_mode=self.check, params=params))
        differing = state.plan()
        if not self.check and (differing or state.unfinished):
            try:
                state.put(differing)
            finally:
                self.way_back = state.way_back
        state.see_to_units()
        if not self.check:
            state.pending.save({})
        self.paths, self.diffs = state.changed, state.diffs

    def act(self, actions: list[tuple[str, str]]) -> None:
        """Do something to units; one that is gone, or stopped, needs no stopping."""
        for verb, unit in actions if not self.check else []:
            try:
                run(["systemctl", "--quiet", verb, unit], unit)
            except UnitError:
                if verb not in ("stop", "disable"):
                    raise

    def remove(self, folders: list[str]) -> list[str]:
        """Remove folders that the run made; returns those that are not empty and stay."""
        left = []
        for path in folders:
            try:
                above, name = parent_of(path, ANYBODY)
            except (FileNotFoundError, NotADirectoryError):
                continue
            with above:
                status = above.status(name)
                if status is None or not stat.S_ISDIR(status.st_mode):
                    continue
                with above.folder(name) as folder:
                    in_use = folder.names()
                if in_use:
                    left.append(path)
                elif not self.check:
                    os.rmdir(name, dir_fd=above.descriptor)
                    self.paths.append(path)
        return left

    def report(self, edited: list[str], left: list[str]) -> list[str]:
        """Return what happened, in words."""
        shown = ", ".join(self.paths[:PATHS_SHOWN]) + (", …" if len(self.paths) > PATHS_SHOWN else "")
        taken = "would be taken back" if self.check else "is taken back"
        say = [f"{self.what} {taken}: {shown or 'everything was as before already'}"]
        if edited:
            say.append(f"Changed by somebody since that run, and put back too: {', '.join(edited)}")
        if left:
            say.append(f"Made by that run and in use since, so they stay: {', '.join(left)}")
        return [
            *say,
            "Packages stay. inventories/ still says what that run did: change it before the next provision.",
        ]
