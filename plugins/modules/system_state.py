#!/usr/bin/python
"""Bring a role's files, directories, links and systemd units to their declared state, as one transaction."""

from __future__ import annotations

DOCUMENTATION = r"""
module: system_state
short_description: A role's files and units, in one step
description:
  - Compares every entry with what is on the host and replaces, atomically, what differs; then sees to the units. One
    remote call serves a whole role, because nearly all of a task's cost is the start of Python on the host.
  - The files form a transaction. When a validation command of a changed entry fails, everything that this call wrote is
    put back, so that a service never meets a configuration that it would refuse.
  - Units that have to take up a change are restarted or reloaded at the end, once, and only where they run. What is
    still to be done is written down before the first change, so that the next run finishes what a cut-off run began.
  - Templates and local files are read on the control node by the action plugin of the same name.
options:
  owner:
    description: Whose state this is; the action plugin fills in the role's name.
    type: str
    required: true
  files:
    description: The entries, in order. Missing parent directories of files and links are an error.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path on the host., type: path, required: true}
      state:
        description: What shall be at the path.
        type: str
        choices: [file, directory, link, absent]
        default: file
      template: {description: Template in the role's templates folder (state file)., type: str}
      vars: {description: Variables of this entry's template., type: dict}
      source: {description: File on the control node, copied as it is (state file)., type: path}
      content: {description: Text of the file (state file)., type: str}
      target: {description: What the link points to (state link)., type: str}
      owner: {description: User name., type: str, default: root}
      group: {description: Group name., type: str, default: root}
      mode: {description: Permission bits in octal; 0644 for files and 0755 for directories when left out., type: str}
      secret: {description: The content never appears in a diff., type: bool, default: false}
      initial: {description: Only a missing file is written; an existing one is kept., type: bool, default: false}
      apply: {description: Commands that run after a change; later entries may rely on it., type: list, elements: str}
      validate: {description: Commands that must succeed once all files are in place., type: list, elements: str}
      restart: {description: Running units (or patterns) to restart when this entry changed., type: list, elements: str}
      reload: {description: Running units (or patterns) to reload when this entry changed., type: list, elements: str}
      when: {description: Leave the entry out when false., type: bool, default: true}
  contents:
    description: Content of the files by path, base64; the action plugin fills it in. Kept out of every log.
    type: dict
    default: {}
  units:
    description: The units, seen to after the files.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Full unit name., type: str, required: true}
      enabled: {description: Started at boot; left alone when not given., type: bool}
      started: {description: Running now; left alone when not given., type: bool}
      when: {description: Leave the unit out when false., type: bool, default: true}
author: Samestack
"""

EXAMPLES = r"""
- name: The web server is configured and runs
  system_state:
    files:
      - {path: /etc/nginx/nginx.conf, template: nginx.conf.j2, validate: nginx -t, reload: [nginx.service]}
      - {path: /etc/nginx/sites-enabled/default, state: absent, reload: [nginx.service]}
    units:
      - {name: nginx.service, enabled: true, started: true}
"""

RETURN = r"""
changed_paths: {description: Paths whose state changed., type: list, elements: str, returned: always}
actions: {description: What was done to units and by commands., type: list, elements: str, returned: always}
"""

import base64
import grp
import json
import os
import pwd
import shlex
import shutil
import stat
import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.systemd_units import UnitError, Units, run

Entry = dict[str, Any]
Diff = dict[str, str]

# Where calls write down what they still have to do
PENDING = "/var/lib/samestack/pending"
KINDS = ("apply", "validate", "restart", "reload")
# A diff of more than this many bytes helps nobody.
DIFF_LIMIT = 64 * 1024


class EntryError(Exception):
    """One entry cannot be brought to its state; the text is for the user."""


def beside(path: str, what: str) -> str:
    """Return the name of a passing neighbour of a path: always the same, so that what a cut-off run left is found."""
    return os.path.join(os.path.dirname(path), f".samestack-{what}-{os.path.basename(path)}")


def sweep(path: str) -> None:
    """Remove the passing neighbours that a cut-off run left."""
    for what in ("old", "new"):
        if os.path.lexists(beside(path, what)):
            os.unlink(beside(path, what))


class Transaction:
    """What was changed so far, and how to take it back."""

    def __init__(self) -> None:
        self._undo: list[tuple[str, str | None]] = []
        self._rubbish: list[str] = []

    def replaced(self, path: str) -> None:
        """Keep what is at path (a file, a link or nothing) so that `roll_back` restores it."""
        if not os.path.lexists(path):
            self._undo.append((path, None))
            return
        kept = beside(path, "old")
        if os.path.islink(path):
            os.symlink(os.readlink(path), kept)
        else:
            os.link(path, kept)
        self._undo.append((path, kept))
        self._rubbish.append(kept)

    def roll_back(self) -> None:
        """Put everything back, the last change first."""
        for path, kept in reversed(self._undo):
            if kept is None:
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                elif os.path.lexists(path):
                    os.unlink(path)
            else:
                os.rename(kept, path)

    def finish(self) -> None:
        """Forget the kept copies."""
        for kept in self._rubbish:
            if os.path.lexists(kept):
                os.unlink(kept)


def identity(entry: Entry) -> tuple[int, int]:
    """Numeric (uid, gid) of an entry; raises EntryError for an unknown name."""
    try:
        return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError as error:
        raise EntryError("{}: no such user or group: {}".format(entry["path"], error)) from error


def read(path: str) -> bytes | None:
    """Content of a regular file as bytes, or None when there is none."""
    if os.path.islink(path) or not os.path.isfile(path):
        return None
    with open(path, "rb") as handle:
        return handle.read()


def attributes_differ(path: str, uid: int, gid: int, mode: int) -> bool:
    """True when owner, group or permission bits are not the wanted ones."""
    status = os.lstat(path)
    return (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != (uid, gid, mode)


def set_attributes(path: str, uid: int, gid: int, mode: int) -> None:
    """Set owner, group and permission bits; ownership first, because chown may clear bits."""
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def show(content: bytes | None, entry: Entry) -> str:
    """Text for a diff."""
    if content is None:
        return ""
    if entry["secret"]:
        return "(secret)\n"
    if len(content) > DIFF_LIMIT or b"\0" in content:
        return f"({len(content)} bytes)\n"
    return content.decode("utf-8", "replace")


def put_file(entry: Entry, transaction: Transaction, check: bool) -> Diff | None:
    """Bring a regular file to its state; returns a diff, or None when nothing differs."""
    path = entry["path"]
    wanted = base64.b64decode(entry["data"])
    mode = int(entry["mode"] or "0644", 8)
    if os.path.isdir(path) and not os.path.islink(path):
        raise EntryError(f"{path} is a directory, and shall be a file")
    before = read(path)
    same_content = before is not None and (entry["initial"] or before == wanted)
    try:
        uid, gid = identity(entry)
    except EntryError:
        # Users that an earlier step would have made do not exist in check mode.
        if not check:
            raise
        uid = gid = -1
    if same_content and not attributes_differ(path, uid, gid, mode):
        return None
    diff = {"before_header": path, "after_header": path, "before": show(before, entry), "after": show(wanted, entry)}
    if same_content:
        diff.update(before="owner or mode\n", after="{}:{} {:04o}\n".format(entry["owner"], entry["group"], mode))
    elif entry["secret"]:
        diff.update(before="(secret)\n" if before is not None else "", after="(secret, changed)\n")
    if check:
        return diff
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise EntryError(f"{path}: the directory {folder} does not exist")
    if same_content:
        set_attributes(path, uid, gid, mode)
        return diff
    transaction.replaced(path)
    staged = beside(path, "new")
    try:
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(wanted)
        set_attributes(staged, uid, gid, mode)
        os.rename(staged, path)
    except BaseException:
        os.unlink(staged)
        raise
    return diff


def put_directory(entry: Entry, transaction: Transaction, check: bool) -> Diff | None:
    """Bring a directory to its state; returns a diff, or None when nothing differs."""
    path = entry["path"]
    mode = int(entry["mode"] or "0755", 8)
    exists = os.path.isdir(path)
    if not exists and os.path.lexists(path):
        raise EntryError(f"{path} exists and is not a directory")
    diff = {
        "before_header": path,
        "after_header": path,
        "before": "directory\n" if exists else "",
        "after": "directory {}:{} {:04o}\n".format(entry["owner"], entry["group"], mode),
    }
    if check and not exists:
        return diff
    try:
        uid, gid = identity(entry)
    except EntryError:
        if check:
            return diff
        raise
    if exists and not attributes_differ(os.path.realpath(path), uid, gid, mode):
        return None
    if check:
        return diff
    if not exists:
        first = path
        while not os.path.lexists(os.path.dirname(first)):
            first = os.path.dirname(first)
        transaction.replaced(first)
        os.makedirs(path)
    set_attributes(os.path.realpath(path), uid, gid, mode)
    return diff


def put_link(entry: Entry, transaction: Transaction, check: bool) -> Diff | None:
    """Bring a symbolic link to its state; returns a diff, or None when nothing differs."""
    path, target = entry["path"], entry["target"]
    before = os.readlink(path) if os.path.islink(path) else None
    if before == target:
        return None
    if before is None and os.path.isdir(path):
        raise EntryError(f"{path} is a directory, and shall be a link")
    if not check:
        transaction.replaced(path)
        staged = beside(path, "new")
        os.symlink(target, staged)
        os.rename(staged, path)
    return {
        "before_header": path,
        "after_header": path,
        "before": f"{before}\n" if before else "",
        "after": f"{target}\n",
    }


def put_absent(entry: Entry, transaction: Transaction, check: bool) -> Diff | None:
    """Remove a file or a link; returns a diff, or None when there is none."""
    path = entry["path"]
    if not os.path.lexists(path):
        return None
    if os.path.isdir(path) and not os.path.islink(path):
        raise EntryError(f"{path} is a directory; directories are never removed")
    diff = {"before_header": path, "after_header": path, "before": show(read(path), entry), "after": ""}
    if not check:
        transaction.replaced(path)
        os.unlink(path)
    return diff


PUT = {"file": put_file, "directory": put_directory, "link": put_link, "absent": put_absent}


def validate(commands: list[str]) -> None:
    """Run each command once; raises EntryError when one refuses."""
    for command in dict.fromkeys(commands):
        process = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if process.returncode != 0:
            output = process.stdout.decode("utf-8", "replace").strip()
            raise EntryError(f"`{command}` refused the new files, the old ones are back: {output}")


class Pending:
    """What has to happen after the files: kept in a file, so that the next run finishes what a cut-off run began."""

    def __init__(self, owner: str) -> None:
        self._path = os.path.join(PENDING, f"{owner}.json")
        self.before: dict[str, list[str]] = {kind: [] for kind in KINDS}
        if os.path.exists(self._path):
            with open(self._path, encoding="utf-8") as stream:
                self.before.update(json.load(stream))
        self.todo = {kind: list(self.before[kind]) for kind in KINDS}

    def add(self, entry: Entry) -> None:
        """Note what a changing entry asks for."""
        for kind in KINDS:
            self.todo[kind] += [item for item in entry[kind] if item not in self.todo[kind]]

    def save(self, todo: dict[str, list[str]]) -> None:
        """Write down what is to be done; nothing to do leaves no file."""
        if not any(todo.values()):
            if os.path.exists(self._path):
                os.unlink(self._path)
            return
        os.makedirs(PENDING, mode=0o755, exist_ok=True)
        staged = f"{self._path}.{os.getpid()}"
        with open(staged, "w", encoding="utf-8") as stream:
            json.dump(todo, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(staged, self._path)


class State:
    """One call: files, then units."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.check: bool = module.check_mode
        self.files: list[Entry] = module.params["files"]
        self.pending = Pending(module.params["owner"])
        self.diffs: list[Diff] = []
        self.changed: list[str] = []
        self.actions: list[str] = []

    def plan(self) -> list[Entry]:
        """Look at everything, change nothing; return the entries that differ and note what they ask for."""
        differing = []
        for entry in self.files:
            if not self.check:
                sweep(entry["path"])
            diff = PUT[entry["state"]](entry, Transaction(), True)
            if diff is not None:
                differing.append(entry)
                self.diffs.append(diff)
                self.changed.append(entry["path"])
                self.pending.add(entry)
        return differing

    def put(self, entries: list[Entry]) -> None:
        """Put the entries in place; raises EntryError or OSError after everything is back as it was."""
        transaction = Transaction()
        self.pending.save(self.pending.todo)
        try:
            for entry, following in zip(entries, [*entries[1:], None], strict=False):
                PUT[entry["state"]](entry, transaction, False)
                # Neighbours that ask for the same command share one run of it, after the last of them.
                shared = following["apply"] if following else []
                self.run_commands([command for command in entry["apply"] if command not in shared])
            validate(self.pending.todo["validate"])
        except (EntryError, OSError):
            transaction.roll_back()
            self.pending.save(self.pending.before)
            raise
        transaction.finish()
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

    def see_to_units(self) -> None:
        """Bring the units to their state and let those that run take up what changed."""
        units = Units([unit for unit in self.module.params["units"] if unit["when"]], self.check)
        touched = any(path.startswith("/etc/systemd/system/") for path in self.changed)
        fresh = units.settle(reload_manager=touched or bool(self.pending.todo["restart"]))
        self.actions += units.done
        restart, reload = self.pending.todo["restart"], self.pending.todo["reload"]
        for verb, names in (("try-restart", restart), ("try-reload-or-restart", reload)):
            for name in names:
                # What has just been started has the new files already.
                if name in fresh or (verb != "try-restart" and name in restart):
                    continue
                self.actions.append(f"{verb} {name}")
                if not self.check:
                    run(["systemctl", verb, name], name)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "owner": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "dict", "default": []},
            "contents": {"type": "dict", "default": {}, "no_log": True},
            "units": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "enabled": {"type": "bool"},
                    "started": {"type": "bool"},
                    "when": {"type": "bool", "default": True},
                },
            },
        },
        supports_check_mode=True,
    )
    for entry in module.params["files"]:
        entry["data"] = module.params["contents"].get(entry["path"])
    state = State(module)
    try:
        differing = state.plan()
        if not state.check and (differing or any(state.pending.before.values())):
            state.put(differing)
        state.see_to_units()
        if not state.check:
            state.pending.save({})
    except (EntryError, UnitError, OSError) as error:
        module.fail_json(msg=str(error))
    if state.actions:
        state.diffs.append({"before": "", "after": "".join(f"{action}\n" for action in state.actions)})
    module.exit_json(
        changed=bool(state.changed or state.actions),
        changed_paths=state.changed,
        actions=state.actions,
        diff=state.diffs,
    )


if __name__ == "__main__":
    main()
