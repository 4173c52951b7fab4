"""Packs a source into one archive whose bytes depend on the files alone, and keeps a bounded number of them."""

from __future__ import annotations

import gzip
import os
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Remove all but the newest files that match."""
    for path in sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)[count:]:
        path.unlink(missing_ok=True)
