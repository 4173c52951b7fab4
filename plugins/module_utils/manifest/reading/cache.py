"""What earlier recordings found out, kept as long as nothing of what it follows from has changed.

Digests of files are kept by what the file system says of them (as git's index does): inode, size, times of content and
of attributes. A file that changed within the last moments before it was read may change again without another time:
it is read anew. Other findings are kept by the digest of everything that they follow from.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

from ...common.files import read_json, write_atomic
from ...common.folders import PRIVATE, make_folder, open_file
from ...common.held_folder import ANYBODY

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1 << 20
# A file of another user's than root that is larger is not read: it would take as long as he likes.
LARGEST_FILE = 1 << 30
#: Coarser than the clock of any file system that hosts use.
RACY_NS = 2_000_000_000
LAYOUT = 1


def stat_key(status: os.stat_result) -> list[int]:
    """Return what changes with a file's content, even where somebody sets its time back."""
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


class Cache:
    """Digests of files, and findings; only what was asked for this time is kept for the next."""

    def __init__(self, path: str = "") -> None:
        """Read the file; without one, nothing is known and nothing is kept."""
        self.path = path
        known = (read_json(path) if path else None) or {}
        known = known if known.get("layout") == LAYOUT else {}
        self._files: dict[str, list[Any]] = known.get("files", {})
        self._findings: dict[str, list[Any]] = known.get("findings", {})
        self._used_files: dict[str, list[Any]] = {}
        self._used_findings: dict[str, list[Any]] = {}
        self._now = time.time_ns()

    def digest(self, path: str, algorithm: str = "sha256", status: os.stat_result | None = None) -> str:
        """Return a file's digest in hex; raises OSError, and PathError for what is no file of who has its folder."""
        status = status or os.stat(path)
        name = path if algorithm == "sha256" else f"{algorithm}:{path}"
        key = stat_key(status)
        known = self._files.get(name)
        if known and known[:-1] == key:
            self._used_files[name] = known
            return str(known[-1])
        digest = hashlib.new(algorithm, usedforsecurity=False)
        with open(open_file(path, ANYBODY), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            key = stat_key(status)
            if status.st_uid and status.st_size > LARGEST_FILE:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        if max(status.st_mtime_ns, status.st_ctime_ns) < self._now - RACY_NS:
            self._used_files[name] = [*key, digest.hexdigest()]
        return digest.hexdigest()

    def finding(self, name: str, follows_from: str, find: Callable[[], Any]) -> Any:
        """Return what `find` returns (JSON); it is asked only where what it follows from is another."""
        known = self._used_findings.get(name) or self._findings.get(name)
        if not known or known[0] != follows_from:
            known = [follows_from, find()]
        self._used_findings[name] = known
        return known[1]

    def remembered(self, name: str) -> Any:
        """Return a finding of an earlier recording, whatever it followed from; None where there is none."""
        known = self._findings.get(name)
        return known[1] if known else None

    def save(self) -> None:
        """Keep what was used this time."""
        content = {"layout": LAYOUT, "files": self._used_files, "findings": self._used_findings}
        if self.path and (self._used_files != self._files or self._used_findings != self._findings):
            make_folder(os.path.dirname(self.path), PRIVATE).close()
            write_atomic(self.path, json.dumps(content), 0o600)
