"""Copies what somebody else made into new files of root's, by descriptors: what is hashed is what was copied.

No name is looked up twice: a folder or file is opened once, without following links, and then asked what it is. So it
makes no difference what its owner does to the names meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...common.errors import DISK_FULL, HostError, disk_error
from . import contents

if TYPE_CHECKING:
    from .archive import Donor

#: More folders and files than any release has: one of 100,000 has all packages of a large front end
MOST_ENTRIES = 500_000
#: Folders within folders, and characters of a path: half of what the kernel opens (PATH_MAX)
DEEPEST, LONGEST = 100, 2048
OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
FOLDER_MODE, FILE_MODE, PROGRAM_MODE = 0o755, 0o644, 0o755


@dataclass
class TreeCopy:
    """One folder on its way to root.

    `target` is the folder that is made, and `owner` the user id that everything has to belong to. Of `donor`, a sealed
    folder, equal files are linked; `prefix` is the folder's path in it and in what is returned, with a slash. All files
    get `time` (seconds; None leaves the present), and `spare` bytes have to stay free on the disk.
    """

    target: str
    owner: int
    donor: Donor
    prefix: str = ""
    time: int | None = None
    spare: int = 0
    #: {path: (mode, sha256)}, as `contents` lists them
    entries: dict[str, tuple[str, str]] = field(default_factory=dict)
    seen: int = 0

    def take(self, source: str) -> dict[str, tuple[str, str]]:
        """Copy; returns the entries. Raises HostError for what a release cannot hold, and OSError."""
        if os.path.isdir(self.target):
            # A step saw the build's own folder in its place.
            os.rmdir(self.target)
        os.mkdir(self.target, 0o700)
        there = os.open(source, OPEN | os.O_DIRECTORY)
        here = os.open(self.target, OPEN | os.O_DIRECTORY)
        try:
            self.check_owner(os.fstat(there), ".")
            self.folder(there, here, "", 0)
            self.finish(here)
        finally:
            os.close(there)
            os.close(here)
        return self.entries

    def folder(self, there: int, here: int, inside: str, depth: int) -> None:
        """Copy what is in a folder into another, both open."""
        names = os.listdir(there)
        self.seen += len(names)
        if self.seen > MOST_ENTRIES:
            raise HostError(f"The build made more than {MOST_ENTRIES} files.", "Let it remove what nothing needs.")
        if depth > DEEPEST:
            raise HostError(f"{self.prefix}{inside[:80]}… has folders in more than {DEEPEST} others.")
        for name in names:
            path = inside + name
            if "\n" in path or "\r" in path or len(path) > LONGEST:
                shown = f"{self.prefix}{path}"[:200]
                raise HostError(f"{shown!r}: a file of a release cannot have a line break, or a name as long, as this.")
            status = os.stat(name, dir_fd=there, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                self.check_owner(status, path)
                self.link(there, here, name, path)
            elif stat.S_ISDIR(status.st_mode):
                self.below(there, here, name, path, depth)
            elif stat.S_ISREG(status.st_mode):
                self.file(there, here, name, path)
            else:
                raise HostError(f"{self.prefix}{path} is no file, folder or link: no release holds such a thing.")
        if not names and self.prefix + inside:
            self.entries[(self.prefix + inside)[:-1]] = (contents.FOLDER, contents.NO_DIGEST)

    def below(self, there: int, here: int, name: str, path: str, depth: int) -> None:
        """Copy a folder of a folder."""
        inner = os.open(name, OPEN | os.O_DIRECTORY, dir_fd=there)
        try:
            self.check_owner(os.fstat(inner), path)
            os.mkdir(name, 0o700, dir_fd=here)
            made = os.open(name, OPEN | os.O_DIRECTORY, dir_fd=here)
            try:
                self.folder(inner, made, path + "/", depth + 1)
                self.finish(made)
            finally:
                os.close(made)
        finally:
            os.close(inner)

    def finish(self, here: int) -> None:
        """Give a folder that was copied its mode and time."""
        os.fchmod(here, FOLDER_MODE)
        if self.time is not None:
            os.utime(here, (self.time, self.time))

    def link(self, there: int, here: int, name: str, path: str) -> None:
        """Copy a link as it is; nothing here follows it."""
        target = os.readlink(name, dir_fd=there)
        os.symlink(target, name, dir_fd=here)
        self.entries[self.prefix + path] = (contents.LINK, contents.text_digest(target))

    def file(self, there: int, here: int, name: str, path: str) -> None:
        """Copy a file, or link the donor's equal one."""
        with open(os.open(name, OPEN, dir_fd=there), "rb", buffering=0) as source:
            status = os.fstat(source.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise HostError(f"{self.prefix}{path} was changed while it was copied.")
            self.check_owner(status, path)
            program = status.st_mode & 0o100
            listed, whole = contents.PROGRAM if program else contents.FILE, self.prefix + path
            first = source.read(contents.CHUNK)
            digest = hashlib.sha256(first)
            # Most files are read at once, and an equal one then need not be written.
            if len(first) < contents.CHUNK and self.link_equal(whole, path, (listed, digest.hexdigest())):
                return
            if len(first) == contents.CHUNK and shutil.disk_usage(self.target).free < status.st_size + self.spare:
                raise disk_error(OSError(errno.ENOSPC, DISK_FULL), self.target)
            new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=here)
            with open(new, "wb") as made:
                made.write(first)
                while len(first) == contents.CHUNK and (chunk := source.read(contents.CHUNK)):
                    digest.update(chunk)
                    made.write(chunk)
                made.flush()
                os.fchmod(made.fileno(), PROGRAM_MODE if program else FILE_MODE)
                if self.time is not None:
                    os.utime(made.fileno(), (self.time, self.time))
        entry = (listed, digest.hexdigest())
        if len(first) < contents.CHUNK or not self.link_equal(whole, path, entry):
            self.entries[whole] = entry

    def link_equal(self, whole: str, path: str, entry: tuple[str, str]) -> bool:
        """Link the donor's file where it is equal; returns whether."""
        if not self.donor.link(whole, entry, os.path.join(self.target, path)):
            return False
        self.entries[whole] = entry
        return True

    def check_owner(self, status: os.stat_result, path: str) -> None:
        """Raise HostError for what is not the build's own: a hard link to somebody else's file, for example."""
        if status.st_uid != self.owner:
            raise HostError(
                f"{self.prefix}{path} belongs to user {status.st_uid}, not to the build: it is nothing of the release."
            )
