"""Files, directories and links on a managed host: brought to their state atomically, and put back when that fails."""

from __future__ import annotations

import base64
import contextlib
import grp
import os
import pwd
import stat
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.folders import parent_of, place_of
from ..common.held_folder import ANYBODY, Folder, Rights, group_name, user_name

if TYPE_CHECKING:
    from collections.abc import Iterator

Entry = dict[str, Any]
Diff = dict[str, str]

#: How passing neighbours of files begin
PASSING = ".samestack-"
#: Around lines of ours in somebody else's file
BLOCK = (b"# Samestack keeps the lines from here", b"# to here; changes made between are overwritten.")
# A diff of more than this many bytes helps nobody.
DIFF_LIMIT = 64 * 1024


class EntryError(HostError):
    """One entry cannot be brought to its state; the text is for the user."""


def beside(name: str, what: str) -> str:
    """Return the name of a passing neighbour: always the same, so that what a cut-off run left is found."""
    return f"{PASSING}{what}-{name}"


def sweep(path: str) -> None:
    """Remove the passing neighbours that a cut-off run left."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        folder, name = parent_of(path, ANYBODY)
        with folder:
            for what in ("old", "new"):
                folder.remove(beside(name, what))


class Transaction:
    """What was changed so far, and how to take it back."""

    def __init__(self) -> None:
        self._undo: list[tuple[Folder, str, bool]] = []

    def replaced(self, folder: Folder, name: str) -> None:
        """Keep what has a name in a folder (a file, a link or nothing) so that `roll_back` restores it."""
        there = folder.status(name) is not None
        if there:
            folder.link(name, beside(name, "old"))
        self._undo.append((folder.again(), name, there))

    def roll_back(self) -> None:
        """Put everything back, the last change first."""
        for folder, name, there in reversed(self._undo):
            with folder:
                if there:
                    folder.rename(beside(name, "old"), name)
                else:
                    folder.remove(name)

    def finish(self) -> None:
        """Forget what was kept."""
        for folder, name, there in self._undo:
            with folder:
                if there:
                    folder.remove(beside(name, "old"))


def identity(entry: Entry) -> tuple[int, int]:
    """Numeric (uid, gid) of an entry; raises EntryError for an unknown name."""
    try:
        return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError as error:
        raise EntryError("{}: no such user or group: {}".format(entry["path"], error)) from error


def at_home(entry: Entry, check: bool) -> int:
    """Return whose folders an entry may lie in, beside root's: its owner's. What is only looked at may lie anywhere."""
    return ANYBODY if check else identity(entry)[0]


def is_directory(status: os.stat_result | None) -> bool:
    """Return whether a status is a directory's."""
    return status is not None and stat.S_ISDIR(status.st_mode)


def read(folder: Folder, name: str) -> bytes | None:
    """Return the content of a regular file, or None when there is none."""
    status = folder.status(name)
    return folder.read(name) if status and stat.S_ISREG(status.st_mode) else None


def attributes_differ(status: os.stat_result, uid: int, gid: int, mode: int) -> bool:
    """Return whether owner, group or permission bits are not the wanted ones."""
    return (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != (uid, gid, mode)


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
    try:
        uid, gid = identity(entry)
    except EntryError:
        # Users that an earlier step would have made do not exist in check mode.
        if not check:
            raise
        uid = gid = -1
    try:
        folder, name = parent_of(path, at_home(entry, check))
    except FileNotFoundError:
        if check:
            return difference(entry, None, wanted, "")
        raise EntryError(f"{path}: the directory {os.path.dirname(path)} does not exist") from None
    with folder:
        status = folder.status(name)
        if is_directory(status):
            raise EntryError(f"{path} is a directory, and shall be a file")
        if entry["initial"] and status and stat.S_ISLNK(status.st_mode) and os.path.isfile(path):
            # Whoever put the link there says more than what is to begin with.
            return None
        before = read(folder, name)
        kept = before if before is not None and (entry["initial"] or before == wanted) else None
        if kept is not None and status and not attributes_differ(status, uid, gid, mode):
            return None
        attributes = "{}:{} {:04o}\n".format(entry["owner"], entry["group"], mode) if kept is not None else ""
        # What is another's, or has a second name elsewhere, gives way to a file of the same content.
        if not check and (kept is None or not folder.own(name, Rights(mode, uid, gid))):
            transaction.replaced(folder, name)
            content = wanted if kept is None else kept
            folder.write(name, content, Rights(mode, uid, gid), passing=beside(name, "new"))
    return difference(entry, before, wanted, attributes)


def difference(entry: Entry, before: bytes | None, wanted: bytes, attributes: str) -> Diff:
    """Return the diff of a file; with `attributes`, only those differ."""
    path = entry["path"]
    diff = {"before_header": path, "after_header": path, "before": show(before, entry), "after": show(wanted, entry)}
    if attributes:
        diff.update(before="owner or mode\n", after=attributes)
    elif entry["secret"]:
        diff.update(before="(secret)\n" if before is not None else "", after="(secret, changed)\n")
    return diff


def with_first_line(text: bytes, line: bytes) -> bytes:
    """Return a text whose first line that is no comment is a given one; the same line further down goes."""
    words = b" ".join(line.split())
    lines = text.splitlines(keepends=True)
    same = [b" ".join(one.split()).lower() == words.lower() for one in lines]
    said = [number for number, one in enumerate(lines) if one.strip() and not one.lstrip().startswith(b"#")]
    if said and same[said[0]]:
        return text
    return words + b"\n" + b"".join(one for one, known in zip(lines, same, strict=True) if not known)


def with_block(text: bytes, block: bytes) -> bytes:
    """Return a text with a block of lines of ours at its end, in place of an earlier one.

    A line that has the same two first words as one of the block (a key's kind and data) is nowhere else.
    """
    kept, ours, inside = [], {tuple(line.split()[:2]) for line in block.splitlines()}, False
    for line in text.splitlines(keepends=True):
        inside = (inside or line.rstrip() == BLOCK[0]) and line.rstrip() != BLOCK[1]
        if not inside and line.rstrip() != BLOCK[1] and tuple(line.split()[:2]) not in ours:
            kept.append(line)
    before = b"".join(kept)
    if not ours:
        return before
    end = b"" if before.endswith(b"\n") or not before else b"\n"
    return before + end + b"\n".join([BLOCK[0], *block.splitlines(), BLOCK[1], b""])


def put_into(entry: Entry, transaction: Transaction, check: bool) -> Diff | None:
    """Put a line or a block into a file that is somebody else's; returns a diff, or None when it is there already."""
    path, line = entry["path"], base64.b64decode(entry["data"])
    try:
        folder, name = parent_of(path, at_home(entry, check))
    except FileNotFoundError:
        return None
    with folder:
        status = folder.status(name)
        before = read(folder, name)
        if status is None or before is None:
            return None
        wanted = {"first_line": with_first_line, "block": with_block}[entry["state"]](before, line)
        if wanted == before:
            return None
        if not check:
            transaction.replaced(folder, name)
            rights = Rights(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
            folder.write(name, wanted, rights, passing=beside(name, "new"))
    return difference(entry, before, wanted, "")


def put_directory(entry: Entry, transaction: Transaction, check: bool) -> Diff | None:
    """Bring a directory to its state; returns a diff, or None when nothing differs."""
    path = entry["path"]
    mode = int(entry["mode"] or "0755", 8)
    folder, name, missing = deepest(path, ANYBODY if check else identity(entry)[0])
    with folder:
        status = folder.status(name)
        if status and not is_directory(status):
            raise EntryError(f"{folder.named(name)} exists and is not a directory")
        diff = {
            "before_header": path,
            "after_header": path,
            "before": "directory\n" if status else "",
            "after": "directory {}:{} {:04o}\n".format(entry["owner"], entry["group"], mode),
        }
        if check and not status:
            return diff
        try:
            uid, gid = identity(entry)
        except EntryError:
            if check:
                return diff
            raise
        if status and not attributes_differ(status, uid, gid, mode):
            return None
        if not check:
            if not status:
                transaction.replaced(folder, name)
            with made(folder, name, missing) as (above, last):
                above.own(last, Rights(mode, uid, gid))
    return diff


def deepest(path: str, owner: int) -> tuple[Folder, str, list[str]]:
    """Return the folder of a path's first name that is missing, or of its last; that name, and those below it."""
    missing: list[str] = []
    while True:
        try:
            return (*place_of(path, owner), missing)
        except FileNotFoundError:
            path, name = os.path.split(path.rstrip("/"))
            missing.insert(0, name)


@contextlib.contextmanager
def made(folder: Folder, name: str, missing: list[str]) -> Iterator[tuple[Folder, str]]:
    """Make a directory where it is missing, and those below it; gives the folder of the last one, and its name."""
    with contextlib.ExitStack() as stack:
        if folder.status(name) is None:
            folder.make(name, 0o755)
        for one in missing:
            folder = stack.enter_context(folder.folder(name))
            folder.make(one, 0o755)
            name = one
        yield folder, name


def put_link(entry: Entry, transaction: Transaction, check: bool) -> Diff | None:
    """Bring a symbolic link to its state; returns a diff, or None when nothing differs."""
    path, target = entry["path"], entry["target"]
    before = None
    with contextlib.ExitStack() as stack:
        try:
            folder, name = parent_of(path, at_home(entry, check))
        except FileNotFoundError:
            if not check:
                raise
        else:
            stack.enter_context(folder)
            before = folder.readlink(name)
            if before == target:
                return None
            if is_directory(folder.status(name)):
                raise EntryError(f"{path} is a directory, and shall be a link")
            if not check:
                transaction.replaced(folder, name)
                folder.point(name, target, beside(name, "new"))
    return {
        "before_header": path,
        "after_header": path,
        "before": f"{before}\n" if before else "",
        "after": f"{target}\n",
    }


def put_absent(entry: Entry, transaction: Transaction, check: bool) -> Diff | None:
    """Remove a file or a link; returns a diff, or None when there is none."""
    path = entry["path"]
    try:
        # A name alone goes: it may be taken from anybody's folder.
        folder, name = parent_of(path, ANYBODY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with folder:
        status = folder.status(name)
        if status is None:
            return None
        if is_directory(status):
            raise EntryError(f"{path} is a directory; directories are never removed")
        diff = {"before_header": path, "after_header": path, "before": show(read(folder, name), entry), "after": ""}
        if not check:
            transaction.replaced(folder, name)
            folder.remove(name)
    return diff


def put_attributes(entry: Entry, _transaction: Transaction, check: bool) -> Diff | None:
    """Bring owner and mode of what is there to their state, and make nothing; returns a diff, or None as the others."""
    path, mode = entry["path"], int(entry["mode"], 8)
    try:
        uid, gid = identity(entry)
        folder, name = parent_of(path, at_home(entry, check))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except EntryError:
        if check:
            return None
        raise
    with folder:
        status = folder.status(name)
        if status is None or stat.S_ISLNK(status.st_mode) or not attributes_differ(status, uid, gid, mode):
            return None
        if not check and not folder.own(name, Rights(mode, uid, gid)):
            raise EntryError(f"{path} belongs to another user, or has a second name: its owner and mode stay")
    before = f"{user_name(status.st_uid)}:{group_name(status.st_gid)} {stat.S_IMODE(status.st_mode):04o}\n"
    after = "{}:{} {:04o}\n".format(entry["owner"], entry["group"], mode)
    return {"before_header": path, "after_header": path, "before": before, "after": after}


PUT = {
    "attributes": put_attributes,
    "file": put_file,
    "first_line": put_into,
    "block": put_into,
    "directory": put_directory,
    "link": put_link,
    "absent": put_absent,
}
