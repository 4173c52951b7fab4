"""Packs a sealed folder into an archive and unpacks it again, verified; equal files become hard links."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

from . import contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from _typeshed import ReadableBuffer as Buffer

    from .contents import Contents

# Fast: the network between a laptop and a host is rarely slower than the next levels.
LEVEL = 1
BLOCK = 1 << 20
BLOCKS_WAITING = 8
MODES = {contents.FILE: 0o644, contents.PROGRAM: 0o755, contents.LINK: 0o777, contents.FOLDER: 0o755}
KINDS = {contents.LINK: tarfile.SYMTYPE, contents.FOLDER: tarfile.DIRTYPE}


class Donor:
    """A sealed folder whose equal files need not be stored twice."""

    def __init__(self, folder: str, listed: Contents | None) -> None:
        """Take the folder and its contents; without contents it gives nothing."""
        self.folder = folder
        self.entries = listed.entries if listed else {}

    def link(self, path: str, entry: tuple[str, str], target: str) -> bool:
        """Put a hard link to the donor's file at `target` when both are equal to the byte; returns whether."""
        if entry[0] not in (contents.FILE, contents.PROGRAM) or self.entries.get(path) != entry:
            return False
        mine = os.path.join(self.folder, path)
        try:
            there = os.path.lexists(target)
            # The installer links from its cache, too.
            if there and os.path.samefile(mine, target):
                return True
            if contents.file_digest(mine) != entry[1]:
                return False
            if there:
                unfinished = target + ".link"
                os.link(mine, unfinished)
                os.replace(unfinished, target)
            else:
                os.link(mine, target)
        except OSError:
            return False
        return True


#: Who has nothing to give
NOBODY = Donor("/nonexistent", None)


class Packed(io.BufferedIOBase):
    """Writes gzip on all processors: each block is a member of its own, so the bytes do not depend on how many."""

    def __init__(self, raw: IO[bytes]) -> None:
        """Take the file to write to."""
        self.raw_file = raw
        self.pool = ThreadPoolExecutor(os.cpu_count())
        self.waiting: deque[Future[bytes]] = deque()

    def write(self, block: Buffer) -> int:
        """Take a block; few of them wait at a time."""
        content = bytes(block)
        self.waiting.append(self.pool.submit(gzip.compress, content, LEVEL, mtime=0))
        while len(self.waiting) > BLOCKS_WAITING:
            self.raw_file.write(self.waiting.popleft().result())
        return len(content)

    def close(self) -> None:
        """Write what is still at work."""
        try:
            while self.waiting:
                self.raw_file.write(self.waiting.popleft().result())
        finally:
            self.pool.shutdown(wait=False, cancel_futures=True)
            super().close()


def pack(folder: str, listed: Contents, target: str, time: int, build: bytes = b"") -> None:
    """Write an archive: the list, what is known of the build, the files; its bytes depend on these alone."""
    with (
        open(target, "wb") as raw,
        Packed(raw) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT, bufsize=BLOCK) as tar,
    ):
        add(tar, contents.LIST, contents.FILE, time, os.fsencode(listed.text))
        if build:
            add(tar, contents.BUILD, contents.FILE, time, build)
        for path, (mode, _digest) in sorted(listed.entries.items()):
            add_path(tar, folder, path, mode, time)
        os.fchmod(raw.fileno(), MODES[contents.FILE])


def add(tar: tarfile.TarFile, name: str, mode: str, time: int, content: bytes) -> None:
    """Add a file of which the bytes are at hand."""
    info = entry(name, mode, time)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def add_path(tar: tarfile.TarFile, folder: str, path: str, mode: str, time: int) -> None:
    """Add a path of the folder."""
    info, place = entry(path, mode, time), os.path.join(folder, path)
    if mode == contents.LINK:
        info.linkname = os.readlink(place)
    if mode in KINDS:
        tar.addfile(info)
        return
    with open(place, "rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        tar.addfile(info, file)


def entry(name: str, mode: str, time: int) -> tarfile.TarInfo:
    """Return a member with nothing of this machine in it."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = KINDS.get(mode, tarfile.REGTYPE), MODES[mode], time
    info.uname = info.gname = "root"
    return info


def unpack(archive: contents.Archive, folder: str, donor: Donor, skip: str = "") -> bytes:
    """Write the archive's files into an empty folder, verified; returns the bytes of the one path to `skip`.

    What the donor has is linked. Raises DamageError and OSError.
    """
    skipped = b""
    known: set[str] = set()
    for member in archive.files():
        target = os.path.join(folder, member.path)
        if member.path == skip:
            skipped = b"".join(member.chunks())
            continue
        parent = os.path.dirname(target)
        if parent not in known:
            make_folders(parent)
            known.add(parent)
        if member.mode == contents.LINK:
            os.symlink(member.target, target)
        elif member.mode == contents.FOLDER:
            make_folders(target)
        elif not donor.link(member.path, archive.contents.entries[member.path], target):
            write(target, member.chunks(), MODES[member.mode], member.time)
    return skipped


def make_folders(path: str) -> None:
    """Make a folder and those above it, readable for all."""
    if not os.path.isdir(path):
        make_folders(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, MODES[contents.FOLDER])


def write(path: str, chunks: Iterator[bytes], mode: int, time: int) -> None:
    """Write a file."""
    with open(path, "xb", buffering=0) as file:
        for chunk in chunks:
            file.write(chunk)
        os.fchmod(file.fileno(), mode)
    os.utime(path, (time, time))


def clear(folder: str) -> None:
    """Take a release's or an environment's folder away; from the first moment on it is not complete."""
    marks = (os.path.join(folder, "release.json"), folder + ".contents")
    for mark in marks:
        if os.path.lexists(mark):
            os.unlink(mark)
    if os.path.isdir(folder):
        shutil.rmtree(folder)
