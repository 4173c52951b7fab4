"""A source as one folder and one archive of which every byte is known: by what was written, not by what is there.

A disk that fills, a pipe that ends early or a program that is killed leaves less than it should, and not always an
error. So whoever reads a repository says what belongs to the commit, and the folder, the archive and the host compare.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ...module_utils.release.files import contents
from ..errors import DecisionError, SamestackError
from ..text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

# More than any application has
LARGEST, MOST_FILES = 8 << 30, 500_000
CHUNK = contents.CHUNK


class Tree:
    """A folder that a source is written to; it knows what it holds."""

    def __init__(self, top: Path) -> None:
        """Take an empty folder."""
        self.top = top
        self.entries: dict[str, tuple[str, str]] = {}
        self.room = LARGEST

    @property
    def listed(self) -> contents.Contents:
        """Return the list of what was written."""
        return contents.Contents(self.entries)

    def file(self, name: str, chunks: Iterable[bytes], *, program: bool) -> None:
        """Write a file; raises DecisionError for a name that leads elsewhere, and OSError."""
        path = self._place(name)
        digest = hashlib.sha256()
        with path.open("xb") as file:
            for chunk in chunks:
                self.room -= len(chunk)
                if self.room < 0:
                    raise refused("it has more than an application can have", "Take what is no code out of it")
                digest.update(chunk)
                file.write(chunk)
            os.fchmod(file.fileno(), 0o755 if program else 0o644)
        self.entries[name] = (contents.PROGRAM if program else contents.FILE, digest.hexdigest())

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link; raises DecisionError for a name that leads elsewhere, and OSError."""
        self._place(name).symlink_to(target)
        self.entries[name] = (contents.LINK, contents.text_digest(target))

    def replace(self, name: str, source: Path) -> None:
        """Put a copy of another file in the place of one that was written; raises OSError."""
        program = self.entries.pop(name)[0] == contents.PROGRAM
        (self.top / name).unlink()
        with source.open("rb") as file:
            self.file(name, iter(lambda: file.read(CHUNK), b""), program=program)

    def _place(self, name: str) -> Path:
        shown = one_line(name, 80)
        if not contents.safe(name) or not is_inside(self.top, name) or ".git" in name.lower().split("/"):
            raise refused(f"{shown!r} cannot be the name of a file of a release", "Rename it")
        if len(self.entries) >= MOST_FILES:
            raise refused("it has more files than an application can have", "Take what is no code out of it")
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise refused(f"this computer cannot tell {shown} from another file there", "Rename one of the two")
        return path


def pack(tree: Path, listed: contents.Contents, archive: Path, time: int) -> None:
    """Write what is listed of a folder as a tar.gz: sorted names, one time, root as the owner, modes 0755 and 0644.

    The file appears under its name only when it is complete, on the disk, and holds what the list says. Raises
    SamestackError where it does not, and OSError.
    """
    unfinished = archive.with_name(f"{archive.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as raw:
            with gzip.GzipFile("", "wb", 3, raw, mtime=0) as packed:
                _write(tree, listed, packed, time)
            raw.flush()
            os.fsync(raw.fileno())
        if not intact(unfinished, listed.sha256):
            raise SamestackError(
                f"The source of this release could not be written to {archive.parent}: what is there is not what the "
                "repository has. Nothing was deployed.",
                "Look at this computer's disk (its system log), and run the same command again.",
            )
        unfinished.replace(archive)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(tree: Path, listed: contents.Contents, packed: gzip.GzipFile, time: int) -> None:
    folders = {parent for path in listed.entries for parent in contents.parents(path)}
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted({*listed.entries, *folders}):
            entry = tarfile.TarInfo(name)
            entry.mtime, entry.uname, entry.gname = time, "root", "root"
            mode = listed.entries.get(name, (contents.FOLDER, ""))[0]
            entry.mode = 0o644 if mode == contents.FILE else 0o755
            if mode in (contents.FILE, contents.PROGRAM):
                with (tree / name).open("rb") as content:
                    entry.size = os.fstat(content.fileno()).st_size
                    tar.addfile(entry, content)
                continue
            entry.type = tarfile.DIRTYPE if mode == contents.FOLDER else tarfile.SYMTYPE
            if mode == contents.LINK:
                entry.linkname = str((tree / name).readlink())
            tar.addfile(entry)


def intact(archive: Path, sha256: str) -> bool:
    """Return whether an archive of a source is there, and every byte of it what the list with that digest says."""
    entries: dict[str, tuple[str, str]] = {}
    try:
        with gzip.open(archive) as plain:
            with tarfile.open(fileobj=plain, mode="r|") as tar:
                for info in tar:
                    content = tar.extractfile(info) if info.isreg() else None
                    if content:
                        digest = hashlib.sha256()
                        while chunk := content.read(CHUNK):
                            digest.update(chunk)
                        entries[info.name] = (contents.mode_of(info), digest.hexdigest())
                    elif info.issym():
                        entries[info.name] = (contents.LINK, contents.text_digest(info.linkname))
            # At its end gzip compares its own sum.
            while plain.read(CHUNK):
                pass
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError):
        return False
    return contents.Contents(entries).sha256 == sha256


def refused(problem: str, fix: str) -> DecisionError:
    """Return the error about a source."""
    return DecisionError("app_source", "(the repository)", problem, fix)


def is_inside(folder: Path, name: str) -> bool:
    """Return whether a name leads to a place inside of a folder, past no link."""
    parts = name.split("/")
    if not name or {"", ".", ".."} & set(parts):
        return False
    return not any(folder.joinpath(*parts[:count]).is_symlink() for count in range(1, len(parts) + 1))


def check_links(tree: Path) -> None:
    """Raise DecisionError where a link of a source leads out of it: it would read this computer, or a host."""
    top = tree.resolve()
    for path in tree.rglob("*"):
        if path.is_symlink():
            target = path.readlink()
            # By its text, and past the links that are on its way
            ends = (os.path.normpath(path.parent.resolve() / target), os.path.realpath(path))
            if target.is_absolute() or not all(Path(end).is_relative_to(top) for end in ends):
                name = one_line(str(path.relative_to(tree)), 80)
                what = f"{name} is a link that leads out of it, to {one_line(str(target), 80)}"
                raise refused(what, "Put the file itself there")


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Remove all but the newest files that match."""
    for path in sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)[count:]:
        path.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove a folder that may not be there."""
    shutil.rmtree(folder, ignore_errors=True)
