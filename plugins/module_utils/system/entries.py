"""Files, directories and links on a managed host: brought to their state atomically, and put back when that fails."""

from __future__ import annotations

import base64
import grp
import os
import pwd
import shutil
import stat
from typing import Any

from ..common.errors import HostError

Entry = dict[str, Any]
Diff = dict[str, str]

#: How passing neighbours of files begin
PASSING = ".samestack-"
# A diff of more than this many bytes helps nobody.
DIFF_LIMIT = 64 * 1024


class EntryError(HostError):
    """One entry cannot be brought to its state; the text is for the user."""


PASSING = ".samestack-"


def beside(path: str, what: str) -> str:
    """Return the name of a passing neighbour of a path: always the same, so that what a cut-off run left is found."""
    return os.path.join(os.path.dirname(path), f"{PASSING}{what}-{os.path.basename(path)}")


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


def put_attributes(entry: Entry, _transaction: Transaction, check: bool) -> Diff | None:
    """Bring owner and mode of what is there to their state, and make nothing; returns a diff, or None as the others."""
    path = entry["path"]
    try:
        uid, gid = identity(entry)
        # Whoever owns the folder may put a link in its place at any moment: what is looked at is what is changed.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    except EntryError:
        if check:
            return None
        raise
    mode = int(entry["mode"], 8)
    try:
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (uid, gid, mode):
            return None
        if not check:
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    before = f"{status.st_uid}:{status.st_gid} {stat.S_IMODE(status.st_mode):04o}\n"
    return {"before_header": path, "after_header": path, "before": before, "after": f"{uid}:{gid} {mode:04o}\n"}


PUT = {
    "attributes": put_attributes,
    "file": put_file,
    "directory": put_directory,
    "link": put_link,
    "absent": put_absent,
}
