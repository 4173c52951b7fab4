"""What a release consists of: one line a path, with the digest of its bytes; and the archive that carries both.

The same code reads them on a host and on the control node, so nothing else of ours is imported here.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The modes that git knows, and an empty folder
FILE, PROGRAM, LINK, FOLDER = "100644", "100755", "120000", "040000"
VENV = "venv"
NO_DIGEST = "-"
#: Lies beside what is listed: the list itself, and what is known of the release but is not part of it.
LIST, BUILD = "contents", "build.json"
BESIDE = (LIST, BUILD, "database.json", VENV)
CHUNK = 1 << 20


class DamageError(Exception):
    """Bytes are not what they should be; the text names them."""


class Contents:
    """Paths with their modes and digests; of a release also the environment (id and digest of its own contents)."""

    def __init__(self, entries: dict[str, tuple[str, str]], venv: tuple[str, str] | None = None) -> None:
        """Take {path: (mode, sha256)}, and (id, sha256) of the environment."""
        self.entries = entries
        self.venv = venv

    @property
    def text(self) -> str:
        """Return the file `contents`."""
        lines = [f"{mode} {digest} {path}\n" for path, (mode, digest) in sorted(self.entries.items())]
        return "".join([*lines, *([f"{VENV} {self.venv[0]} {self.venv[1]}\n"] if self.venv else [])])

    @property
    def sha256(self) -> str:
        """Return the digest that stands for every byte."""
        return hashlib.sha256(os.fsencode(self.text)).hexdigest()

    @classmethod
    def parse(cls, text: str) -> Contents:
        """Return what a file `contents` says; raises DamageError for one that no build writes."""
        entries: dict[str, tuple[str, str]] = {}
        venv = None
        for line in text.splitlines():
            mode, digest, path = [*line.split(" ", 2), "", ""][:3]
            if mode == VENV:
                venv = (digest, path)
            elif mode in (FILE, PROGRAM, LINK, FOLDER) and safe(path):
                entries[path] = (mode, digest)
            else:
                raise DamageError(f"contents: {line[:80]!r} is no line of a release")
        links = {path for path, (mode, _digest) in entries.items() if mode == LINK}
        below = [path for path in entries if links and any(parent in links for parent in parents(path))]
        if below:
            raise DamageError(f"contents: {below[0]} would lie behind a link")
        return cls(entries, venv)

    @classmethod
    def read(cls, path: str) -> Contents | None:
        """Return what a file `contents` says, None when there is none or it is not whole."""
        try:
            with open(path, "rb") as file:
                return cls.parse(os.fsdecode(file.read()))
        except (OSError, DamageError):
            return None


def safe(path: str) -> bool:
    """Return whether a path stays inside."""
    return bool(path) and not path.startswith("/") and not {"", ".", ".."} & set(path.split("/"))


def parents(path: str) -> Iterator[str]:
    """Yield the folders above a path."""
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        yield path


def file_digest(path: str) -> str:
    """Return the sha256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def text_digest(text: str) -> str:
    """Return the sha256 of a text, a link's target for example."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def read_tree(top: str, beside: Iterable[str] = ()) -> dict[str, tuple[str, str]]:
    """Return {path: (mode, sha256)} of a folder without the names `beside` at its top; raises DamageError."""
    found: dict[str, tuple[str, str]] = {}

    def walk(folder: str, prefix: str) -> None:
        with os.scandir(folder) as listed:
            entries = [entry for entry in listed if prefix or entry.name not in beside]
        for entry in entries:
            path = prefix + entry.name
            if "\n" in path or "\r" in path:
                raise DamageError(f"{path!r}: a file of a release cannot have a line break in its name")
            if entry.is_symlink():
                found[path] = (LINK, text_digest(os.readlink(entry.path)))
            elif entry.is_dir():
                walk(entry.path, path + "/")
            else:
                mode = PROGRAM if entry.stat().st_mode & 0o100 else FILE
                found[path] = (mode, file_digest(entry.path))
        if not entries and prefix:
            found[prefix[:-1]] = (FOLDER, NO_DIGEST)

    walk(top, "")
    return found


def differences(top: str, contents: Contents, beside: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return the paths of a folder that are changed, added or missing; the keys are there only with paths."""
    found, listed = read_tree(top, beside), contents.entries
    above = {parent for path in listed for parent in parents(path)}
    result = {
        "changed": [path for path in found if path in listed and found[path] != listed[path]],
        "added": [path for path in found if path not in listed and path not in above],
        "missing": [path for path in listed if path not in found],
    }
    return {name: sorted(paths) for name, paths in result.items() if paths}


class Member:
    """One path of an archive while it is read; `target` is where a link points."""

    def __init__(self, info: tarfile.TarInfo, mode: str, stream: IO[bytes]) -> None:
        """Take what the archive says of it, its mode, and its bytes."""
        self.path, self.mode, self.target, self.time = info.name, mode, info.linkname, int(info.mtime)
        self._stream = stream
        self.digest = text_digest(self.target) if mode == LINK else NO_DIGEST
        self.read = mode not in (FILE, PROGRAM)

    def chunks(self) -> Iterator[bytes]:
        """Yield a file's bytes; their digest is known afterwards."""
        if self.mode not in (FILE, PROGRAM):
            return
        digest = hashlib.sha256()
        while chunk := self._stream.read(CHUNK):
            digest.update(chunk)
            yield chunk
        self.digest, self.read = digest.hexdigest(), True


class Archive:
    """An archive that is read from front to end: the list first, then what is known of the build, then the files."""

    def __init__(self, path: str, expected: str = "") -> None:
        """Open it and read the list; raises DamageError when its digest is not the expected one ("" takes any)."""
        self.path = path
        self.build: dict[str, Any] = {}
        self._members = self._entries()
        with self._damage():
            listed = next(self._members, None)
            if not listed or listed[0].name != LIST:
                raise DamageError(f"{path} is no archive of a release")
            self.contents = Contents.parse(os.fsdecode(listed[1].read()))
        if expected and self.contents.sha256 != expected:
            found = self.contents.sha256[:12]
            raise DamageError(f"{path} is damaged: the digest of its contents is {found}…, not {expected[:12]}…")

    def files(self) -> Iterator[Member]:
        """Yield what is listed; raises DamageError as soon as a path that was read is not what the list says."""
        missing = dict(self.contents.entries)
        with self._damage():
            for info, stream in self._members:
                if info.name == BUILD:
                    self.build = json.loads(stream.read())
                    if self.build.get("sha256") != self.contents.sha256:
                        raise DamageError(f"{self.path} is damaged: {BUILD} is of another release")
                    continue
                mode, digest = missing.pop(info.name, ("", ""))
                if mode != mode_of(info):
                    raise DamageError(f"{self.path} is damaged: {info.name} is not in its list of contents")
                member = Member(info, mode, stream)
                yield member
                if member.read and member.digest != digest:
                    raise DamageError(f"{self.path} is damaged: {info.name} is not what its list of contents says")
        if missing:
            raise DamageError(f"{self.path} is damaged: {min(missing)} is missing")

    def check(self) -> None:
        """Read all of it; raises DamageError."""
        for member in self.files():
            for _chunk in member.chunks():
                pass

    def _entries(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
        with gzip.open(self.path) as plain:
            with tarfile.open(fileobj=plain, mode="r|") as tar:
                for info in tar:
                    yield info, (tar.extractfile(info) if info.isreg() else None) or io.BytesIO()
            # At its end gzip compares its own sum, which covers what no list does.
            while plain.read(CHUNK):
                pass

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError) as error:
            raise DamageError(f"{self.path} is damaged: {error}") from error


def mode_of(info: tarfile.TarInfo) -> str:
    """Return the mode of an archive's member as the list has it."""
    if info.issym():
        return LINK
    if info.isdir():
        return FOLDER
    return (PROGRAM if info.mode & 0o100 else FILE) if info.isreg() else "?"
