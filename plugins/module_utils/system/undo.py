"""What provisioning replaces is kept, by run, so that the last run can be taken back.

`/var/lib/samestack/undo/<run>/`: `run.json` says whose run it was; each call of `system_state` that changed files
leaves `<number>-<owner>.json` with the state before, and the contents beside it. Nobody but root may look: secrets are
among them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import stat
from typing import TYPE_CHECKING, Any

from ..common.files import read_json, write_atomic
from ..common.folders import PRIVATE, make_folder, open_folder, parent_of, read_file, remove
from ..common.held_folder import ANYBODY, Folder, PathError, Rights, group_name, user_name
from ..common.paths import STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNDO = f"{STATE}/undo"
RUNS_KEPT = 5
LISTS = ("apply", "validate", "restart", "reload")
# Made by the first change that system_state ever makes on a machine
FIRST_CHANGE = f"{STATE}/pending"
OPPOSITE = {"enable": "disable", "disable": "enable", "start": "stop", "stop": "start"}


def digest(content: bytes) -> str:
    """Return the sha256 of a content in hex."""
    return hashlib.sha256(content).hexdigest()


def run_folder(run: str) -> str:
    """Return where a run's files are kept."""
    return os.path.join(UNDO, re.sub(r"[^0-9A-Za-z.-]", "_", run))


def state_of(path: str, folder: Folder, copy: str, *, content: bool = True) -> dict[str, Any]:
    """Return what is at a path: nothing, a link, a directory, or a file, whose content goes to `copy` in a folder.

    Without `content` only owner and mode count: what is in the file is somebody else's.
    """
    try:
        there, name = parent_of(path, ANYBODY)
    except (FileNotFoundError, NotADirectoryError):
        return {"state": "absent"}
    with there:
        status = there.status(name)
        if status and stat.S_ISLNK(status.st_mode):
            return {"state": "link", "target": there.readlink(name)}
        # Nothing that anybody would have back counts as nothing.
        if status is None or not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
            return {"state": "absent"}
        owned = {"uid": status.st_uid, "gid": status.st_gid, "mode": f"{stat.S_IMODE(status.st_mode):04o}"}
        if not content or stat.S_ISDIR(status.st_mode):
            return {"state": "directory" if content else "attributes", **owned}
        folder.write(copy, there.read(name), Rights(0o600), sync=True)
    return {"state": "file", "kept": copy, **owned}


class Record:
    """What one call of `system_state` replaces."""

    def __init__(self, run: Mapping[str, Any], owner: str) -> None:
        """Take the run in hand ({}: nothing is kept) and whose call it is."""
        self.run = run
        self.owner = owner
        self.file = ""
        self.content: dict[str, Any] = {}

    def keep(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Keep what the entries are about to replace; on the disk when this returns."""
        entries = list(entries)
        if not self.run.get("id") or not entries:
            return
        path = self.prepare_folder()
        files = []
        with open_folder(path) as folder:
            number = sum(name.endswith(".json") for name in folder.names())
            name = f"{number:03}-{self.owner}"
            for index, entry in enumerate(entries):
                before = state_of(entry["path"], folder, f"{name}.{index}", content=entry["state"] != "attributes")
                lists = {key: entry[key] for key in LISTS}
                after = digest(base64.b64decode(entry["data"])) if entry["state"] == "file" and entry["data"] else ""
                about = {"path": entry["path"], "secret": entry["secret"], "made": entry["state"], "after": after}
                files.append({**about, **before, **lists})
        self.file = os.path.join(path, name + ".json")
        self.content = {"owner": self.owner, "files": files, "units": []}
        self.write()

    def prepare_folder(self) -> str:
        """Make the run's folder where it is missing, and remove those of the oldest runs."""
        folder = run_folder(self.run["id"])
        if not os.path.isfile(os.path.join(folder, "run.json")):
            first = not os.path.isdir(FIRST_CHANGE)
            make_folder(UNDO, PRIVATE).close()
            make_folder(folder, PRIVATE).close()
            about = {name: self.run.get(name, "") for name in ("id", "who", "verb", "began")}
            write_atomic(os.path.join(folder, "run.json"), json.dumps({**about, "first": first}), 0o600)
            for run in runs()[RUNS_KEPT:]:
                remove(run_folder(run["id"]))
        return folder

    def write(self) -> None:
        """Write the record down."""
        write_atomic(self.file, json.dumps(self.content, indent=1), 0o600)

    def forget(self) -> None:
        """Everything was put back already."""
        if self.file:
            remove(self.file)

    def units(self, actions: Iterable[str]) -> None:
        """Keep what was done to units (`enable x.service`)."""
        done = [action for action in actions if action.split()[0] in OPPOSITE]
        if self.file and done:
            self.content["units"] = done
            self.write()


def runs() -> list[dict[str, Any]]:
    """Return the runs whose files are kept, the newest first."""
    try:
        names = os.listdir(UNDO)
    except OSError:
        return []
    found = [read_json(os.path.join(UNDO, name, "run.json")) for name in names]
    return sorted((run for run in found if run), key=lambda run: float(run.get("began") or 0), reverse=True)


def undone(run: str) -> bool:
    """Return whether a run was taken back."""
    return os.path.exists(os.path.join(run_folder(run), "undone"))


def mark_undone(run: str) -> None:
    """Note that a run was taken back."""
    write_atomic(os.path.join(run_folder(run), "undone"), "", 0o600)


def records(run: str) -> list[dict[str, Any]]:
    """Return what a run's calls replaced, in their order."""
    folder = run_folder(run)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".json") and name != "run.json")
    return [record for record in (read_json(os.path.join(folder, name)) for name in names) if record]


def kept_files(run: str) -> list[dict[str, Any]]:
    """Return the files as they were before the run, each once, in the order in which they are to be put back."""
    found: dict[str, dict[str, Any]] = {}
    for record in records(run):
        for file in record["files"]:
            found.setdefault(file["path"], file)
    return list(reversed(found.values()))


def unit_actions(run: str) -> list[tuple[str, str]]:
    """Return the (verb, unit) that take back what was done to units, in order."""
    done = [action.split(None, 1) for record in records(run) for action in record["units"]]
    return [(OPPOSITE[verb], unit) for verb, unit in reversed(done)]


def name_of(number: int, users: bool) -> str:
    """Return a user's or group's name; root where it is gone."""
    name = user_name(number) if users else group_name(number)
    return "root" if name.isdigit() else name


def entry_of(file: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return the `system_state` entry that puts a file back that a folder keeps."""
    entry = {
        "path": file["path"], "state": file["state"], "owner": "root", "group": "root", "mode": None, "target": None,
        "secret": file["secret"], "initial": False, "data": None, **{key: file[key] for key in LISTS},
    }  # fmt: skip
    if file["state"] == "absent":
        # What reads the file has nothing to read.
        entry["apply"] = [command for command in file["apply"] if file["path"] not in shlex.split(command)]
        unit = os.path.basename(file["path"])
        entry.update({key: [name for name in file[key] if name != unit] for key in ("restart", "reload")})
    if file["state"] == "link":
        entry["target"] = file["target"]
    if "mode" in file:
        entry.update(owner=name_of(file["uid"], True), group=name_of(file["gid"], False), mode=file["mode"])
    if file["state"] == "file":
        kept = read_file(os.path.join(folder, os.path.basename(file["kept"])))
        entry["data"] = base64.b64encode(kept).decode()
    return entry


def changed_since(file: Mapping[str, Any]) -> bool:
    """Return whether somebody changed what the run had put there."""
    if not file["after"]:
        return False
    try:
        folder, name = parent_of(file["path"], ANYBODY)
        with folder:
            return bool(digest(folder.read(name)) != file["after"])
    except (OSError, PathError):
        return True
