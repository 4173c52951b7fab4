"""A folder that is held open, and what is done in it by names (openat(2)): nobody leads root elsewhere meanwhile.

What is renamed or replaced is not followed, no name is a path, and no link is taken for what it points at. What else is
met is a `PathError`: what it is, whose, how to mend it. How one gets to a folder is a matter of `folders`.

No library does this for Python: `shutil` and `tempfile` follow the folders above.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
from typing import TYPE_CHECKING, NamedTuple

from .errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

ANYBODY = -1
OPEN_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO is not waited for, and a terminal does not become ours.
OPEN_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# Deeper than any tree of ours; PATH_MAX has room for 2,048.
MOST_FOLDERS = 256
LARGEST_FILE = 16 << 20
# A name that somebody takes away or occupies again and again is given up.
ATTEMPTS = 20


class PathError(HostError):
    """A path leads through what somebody else can change; the text says what, whose it is, and how to mend it."""


def user_name(number: int) -> str:
    """Return a user's name, or the number where there is none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def group_name(number: int) -> str:
    """Return a group's name, or the number where there is none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def is_own(uid: int) -> bool:
    """Return whether a user is root, or the one that this runs as."""
    return uid in (0, os.geteuid())


def writers(status: os.stat_result) -> str:
    """Return who else than its owner may write to a file or folder, in words; "" for nobody."""
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
        return f"group {group_name(status.st_gid)}"
    return ""


class Rights(NamedTuple):
    """Whose a file is and who may do what with it; -1 leaves user and group as they are."""

    mode: int
    uid: int = -1
    gid: int = -1


def give(descriptor: int, rights: Rights) -> None:
    """Set owner, group and mode; ownership first, because fchown may clear bits."""
    os.fchown(descriptor, rights.uid, rights.gid)
    os.fchmod(descriptor, rights.mode)


class Folder:
    """A folder that is held open. Its methods take names of what is right in it, never paths."""

    def __init__(self, descriptor: int, path: str, owner: int = 0, reached: bool = True) -> None:
        """Take the descriptor (O_PATH), what the folder is called, and the one user beside root who is at home here.

        `reached`: nobody else can put another folder in its place.
        """
        self.descriptor = descriptor
        self.path = path
        self.owner = owner
        self.reached = reached

    def __enter__(self) -> Folder:
        """Hold it until the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self.close()

    def close(self) -> None:
        """Let go of it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1

    def again(self) -> Folder:
        """Return the same folder, held for longer than this one."""
        return Folder(os.dup(self.descriptor), self.path, self.owner, self.reached)

    def named(self, name: str) -> str:
        """Return the path of something in it, for people and for messages."""
        return os.path.join(self.path, name)

    @property
    def stat(self) -> os.stat_result:
        """Return its own status."""
        return os.fstat(self.descriptor)

    @property
    def is_closed(self) -> bool:
        """Return whether root alone can change what a path through it leads to."""
        status = self.stat
        return self.reached and is_own(status.st_uid) and not writers(status)

    def status(self, name: str) -> os.stat_result | None:
        """Return the status of what has a name here, of a link its own; None where there is nothing."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def reading(self) -> Iterator[int]:
        """Give a descriptor by which it can be listed and changed, which one of O_PATH cannot."""
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def names(self) -> list[str]:
        """Return the names in it, sorted."""
        with self.reading() as descriptor:
            return sorted(os.listdir(descriptor))

    def folder(self, name: str) -> Folder:
        """Return a folder in it; raises PathError where that is somebody else's, and OSError where it is none."""
        found = Folder(os.open(name, OPEN_FOLDER, dir_fd=self.descriptor), self.named(name), self.owner, False)
        here, status = self.stat, found.stat
        if is_own(status.st_uid):
            # In a folder with the sticky bit nobody renames what is another's.
            stays = bool(here.st_mode & stat.S_ISVTX) or not writers(here)
            found.reached = self.reached and is_own(here.st_uid) and stays
            if not found.reached and is_own(here.st_uid) and self.owner != ANYBODY:
                found.close()
                raise shared(self.path, here)
        elif self.owner == ANYBODY:
            found.owner = status.st_uid
        elif status.st_uid != self.owner:
            found.close()
            raise foreign(found.path, status)
        return found

    def readlink(self, name: str) -> str | None:
        """Return where a link points, None where the name is no link."""
        try:
            return os.readlink(name, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise

    def _descriptor(self, name: str) -> int:
        """Return a descriptor of a file or folder; raises PathError for a link or a socket, and OSError."""
        try:
            return os.open(name, os.O_RDONLY | OPEN_FILE, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise strange(self.named(name), self.status(name)) from None
            raise

    def open(self, name: str) -> int:
        """Return a descriptor that reads a regular file; raises PathError for anything else, and OSError."""
        descriptor = self._descriptor(name)
        status = os.fstat(descriptor)
        # A second name for another user's file would have that read in this one's place.
        borrowed = not self.is_closed and status.st_uid != self.owner and status.st_nlink > 1
        if not stat.S_ISREG(status.st_mode) or borrowed:
            os.close(descriptor)
            raise strange(self.named(name), status)
        return descriptor

    def read(self, name: str, limit: int = LARGEST_FILE) -> bytes:
        """Return what is in a regular file; raises PathError for anything else or more than the limit, and OSError."""
        with open(self.open(name), "rb", buffering=0) as file:
            content = bounded(file.fileno(), limit)
        if len(content) > limit:
            raise PathError(f"{self.named(name)} has more than {limit >> 10} KiB", "Look what it is, and remove it.")
        return content

    def create(self, name: str, mode: int = 0o600) -> int:
        """Return a descriptor that writes a new file in the place of what had the name; its mode comes last.

        Raises PathError where somebody occupies the name again and again, and OSError.
        """
        for _ in range(ATTEMPTS):
            self.remove(name)
            try:
                return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FILE, mode, dir_fd=self.descriptor)
            except FileExistsError:
                continue
        raise occupied(self.named(name))

    def write(self, name: str, content: bytes, rights: Rights, *, passing: str = "", sync: bool = False) -> None:
        """Write a file that is there whole or not at all, by renaming a new one (called `passing`) over it."""
        passing = passing or name + ".new"
        try:
            with open(self.create(passing), "wb") as file:
                file.write(content)
                file.flush()
                give(file.fileno(), rights)
                if sync:
                    os.fsync(file.fileno())
            self.rename(passing, name)
        except BaseException:
            self.remove(passing)
            raise

    def point(self, name: str, target: str, passing: str = "") -> None:
        """Make a symbolic link by renaming a new one over what has the name."""
        passing = passing or name + ".new"
        for _ in range(ATTEMPTS):
            self.remove(passing)
            try:
                os.symlink(target, passing, dir_fd=self.descriptor)
            except FileExistsError:
                continue
            self.rename(passing, name)
            return
        raise occupied(self.named(passing))

    def rename(self, name: str, other: str) -> None:
        """Rename something in it, over what has the other name."""
        os.replace(name, other, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def link(self, name: str, other: str) -> None:
        """Give a file, or a link itself, a second name, whatever had that."""
        here = self.descriptor
        for _ in range(ATTEMPTS):
            self.remove(other)
            try:
                os.link(name, other, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
            except FileExistsError:
                continue
            return
        raise occupied(self.named(other))

    def own(self, name: str, rights: Rights) -> bool:
        """Set owner, group and mode of a regular file or folder; returns False for a file that is not to be given away.

        That is one of a third user's, or one with a second name, which may stand in a folder of root's.
        """
        descriptor = self._descriptor(name)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISDIR(status.st_mode):
                if not stat.S_ISREG(status.st_mode):
                    raise strange(self.named(name), status)
                if status.st_nlink > 1 or not (is_own(status.st_uid) or status.st_uid == rights.uid):
                    return False
            give(descriptor, rights)
        finally:
            os.close(descriptor)
        return True

    def make(self, name: str, mode: int) -> None:
        """Make a folder; raises OSError."""
        os.mkdir(name, 0o700, dir_fd=self.descriptor)
        with self.folder(name) as made, made.reading() as descriptor:
            os.fchmod(descriptor, mode)

    def remove(self, name: str) -> None:
        """Remove whatever has the name: a file, a link itself, or a folder with all that is in it."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            # Linux says one of them of a folder.
            status = self.status(name)
            if status is None:
                return
            if not stat.S_ISDIR(status.st_mode):
                raise
            self._remove_tree(name)

    def empty(self) -> None:
        """Remove all that is in it."""
        for name in self.names():
            self.remove(name)

    def _remove_tree(self, name: str, depth: int = 0) -> None:
        """Remove a folder with all that is in it, whosever it is."""
        try:
            inner = Folder(os.open(name, OPEN_FOLDER, dir_fd=self.descriptor), self.named(name), self.owner)
        except NotADirectoryError:
            self.remove(name)
            return
        except FileNotFoundError:
            return
        with inner:
            for one in inner.names():
                status = inner.status(one)
                if status and stat.S_ISDIR(status.st_mode):
                    if depth > MOST_FOLDERS:
                        raise PathError(f"{inner.named(one)} lies too deep", f"Remove {inner.path} by hand.")
                    inner._remove_tree(one, depth + 1)
                elif status:
                    inner.remove(one)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=self.descriptor)


def bounded(descriptor: int, limit: int) -> bytes:
    """Return what can be read, at most one byte more than the limit."""
    parts = []
    left = limit + 1
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def foreign(path: str, status: os.stat_result) -> PathError:
    """Return the error for a folder that belongs to somebody else."""
    whose = user_name(status.st_uid)
    return PathError(
        f"{path} belongs to {whose}: as root nothing is done in a folder of somebody else's.",
        f"Look what {whose} has put there, then: chown root: {path}",
    )


def strange(path: str, status: os.stat_result | None) -> PathError:
    """Return the error for what is no regular file where one is expected."""
    if status is None:
        return PathError(f"{path} changed while it was looked at.", "Look who writes there, and run this again.")
    whose = user_name(status.st_uid)
    kinds = {
        stat.S_IFLNK: "a link", stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket",
        stat.S_IFREG: "another user's file",
    }  # fmt: skip
    what = kinds.get(stat.S_IFMT(status.st_mode), "a device")
    return PathError(f"{path} is {what} of {whose}'s: it is not followed and not read.", f"Remove it: rm {path}")


def occupied(path: str) -> PathError:
    """Return the error for a name that is taken again and again."""
    return PathError(f"{path} comes back as soon as it is removed.", "Find the process that makes it, and end it.")


def shared(path: str, status: os.stat_result) -> PathError:
    """Return the error for a folder of root's that others may write to."""
    bits = "o-w" if status.st_mode & stat.S_IWOTH else "g-w"
    return PathError(
        f"{writers(status)} may write to {path}: what root does there others could lead elsewhere.",
        f"Look what is in it, then: chmod {bits} {path}",
    )
