"""Packs a source into one archive whose bytes depend on the files alone, and keeps a bounded number of them."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

from ..errors import DecisionError
from ..text import one_line

# More than any application has
LARGEST, MOST_FILES = 8 << 30, 500_000


def pack(tree: Path, archive: Path, time: int) -> None:
    """Write the folder as a tar.gz: sorted names, one time, root as the owner, modes 0755 and 0644.

    The file appears under its name only when it is complete.
    """
    unfinished = archive.with_name(f"{archive.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as raw, gzip.GzipFile("", "wb", 3, raw, mtime=0) as packed:
            _write(tree, packed, time)
        unfinished.replace(archive)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(tree: Path, packed: gzip.GzipFile, time: int) -> None:
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(tree.rglob("*")):
            entry = tar.gettarinfo(path, path.relative_to(tree).as_posix())
            if not (entry.isreg() or entry.isdir() or entry.issym()):
                continue
            executable = entry.isdir() or bool(entry.mode & 0o100)
            entry.mode = 0o755 if executable else 0o644
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = time, 0, 0, "root", "root"
            entry.pax_headers = {}
            if entry.isreg():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)


def unpack(archive: Path, target: Path) -> None:
    """Unpack what git has packed of a repository's files into a folder: files, folders and links, nothing outside.

    Raises DecisionError for what leads out of the folder, and for more than an application has.
    """
    room, number = LARGEST, 0
    with tarfile.open(archive) as tar:
        for member in tar:
            room, number = room - member.size, number + 1
            if room < 0 or number > MOST_FILES:
                raise refused("it has more files than an application can have", "Take what is no code out of it")
            try:
                tar.extract(member, target, set_attrs=True, filter="data")
            except tarfile.FilterError as error:
                raise refused(one_line(str(error), 200), "Take it out of the repository") from None


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
            if target.is_absolute() or not Path(os.path.normpath(path.parent.resolve() / target)).is_relative_to(top):
                name = one_line(str(path.relative_to(tree)), 80)
                what = f"{name} is a link that leads out of it, to {one_line(str(target), 80)}"
                raise refused(what, "Put the file itself there")


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Remove all but the newest files that match."""
    for path in sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)[count:]:
        path.unlink(missing_ok=True)
