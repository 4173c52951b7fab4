#!/usr/bin/python
"""Bring a list of files, directories and links on a host to their declared state, as one transaction."""

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: A role's files, directories and links, in one step
description:
  - Compares every entry with what is on the host and replaces, atomically, what differs. One remote call serves a whole
    role, because nearly all of a task's cost is the start of Python on the host.
  - The entries form a transaction. When a validation command of a changed entry fails, everything that this call
    wrote is put back, so that a service never meets a configuration that it would refuse.
  - Templates and local files are read on the control node by the action plugin of the same name.
options:
  files:
    description: The entries, in order. Missing parent directories of files and links are an error.
    type: list
    elements: dict
    required: true
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
      notify: {description: Handler (or list of them) to run when this entry changed., type: raw}
      validate: {description: Command that must succeed once the transaction is in place., type: str}
      when: {description: Leave the entry out when false., type: bool, default: true}
author: Samestack
"""

EXAMPLES = r"""
- name: The web server's files are in place
  config_files:
    files:
      - {path: /etc/nginx/nginx.conf, template: nginx.conf.j2, validate: nginx -t, notify: Reload nginx}
      - {path: /etc/nginx/sites-enabled/default, state: absent, notify: Reload nginx}
"""

RETURN = r"""
changed_paths: {description: Paths whose state changed., type: list, elements: str, returned: always}
"""

import base64
import grp
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

Entry = dict[str, Any]
Diff = dict[str, str]

# A diff of more than this many bytes helps nobody.
DIFF_LIMIT = 64 * 1024


class EntryError(Exception):
    """One entry cannot be brought to its state; the text is for the user."""


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
        folder = os.path.dirname(path)
        handle, kept = tempfile.mkstemp(prefix=".samestack-old-", dir=folder)
        os.close(handle)
        os.unlink(kept)
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
    handle, staged = tempfile.mkstemp(prefix=".samestack-new-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
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
        staged = f"{path}.samestack-{os.getpid()}"
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


def validate(commands: list[str]) -> str | None:
    """Run each command once; returns the first failure's text, or None."""
    for command in dict.fromkeys(commands):
        process = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if process.returncode != 0:
            output = process.stdout.decode("utf-8", "replace").strip()
            return f"`{command}` refused the new files, the old ones are back: {output}"
    return None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True}},
        supports_check_mode=True,
    )
    transaction = Transaction()
    diffs: list[Diff] = []
    changed: list[str] = []
    notify: list[str] = []
    commands: list[str] = []
    problem = None
    try:
        for entry in module.params["files"]:
            diff = PUT[entry["state"]](entry, transaction, module.check_mode)
            if diff is None:
                continue
            diffs.append(diff)
            changed.append(entry["path"])
            notify.extend(name for name in entry["notify"] if name not in notify)
            if entry["validate"]:
                commands.append(entry["validate"])
        if not module.check_mode:
            problem = validate(commands)
    except (EntryError, OSError) as error:
        problem = str(error)
    if problem:
        transaction.roll_back()
        module.fail_json(msg=problem)
    transaction.finish()
    module.exit_json(changed=bool(changed), changed_paths=changed, notify_handlers=notify, diff=diffs)


if __name__ == "__main__":
    main()
