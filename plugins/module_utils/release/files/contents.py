"""What a release consists of: one line a path, with the digest of its bytes; and the archive that carries both.

The same code reads them on a host and on the control node, so nothing else of ours is imported here.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The modes that git knows, and an empty folder
FILE, PROGRAM, LINK, FOLDER = "100644", "100755", "120000", "040000"
MODES = (FILE, PROGRAM, LINK, FOLDER)
VENV = "venv"
NO_DIGEST = "-"
#: Lies beside what is listed: the list itself, and what is known of the release but is not part of it.
LIST, BUILD, TESTS = "contents", "build.json", "tests.json"
BESIDE = (LIST, BUILD, TESTS, "database.json", VENV)
#: What people wrote; and, beside the releases, the folders of it to which the application writes
SOURCE, KEPT, MEDIA = "source/", "shared/paths/", "shared/media"
CHUNK = 1 << 20
#: What a release and an environment are called: the beginning of a digest
ID = re.compile("[0-9a-f]{12}")
SHA256 = re.compile("[0-9a-f]{64}")
DIGEST = re.compile("[0-9a-f]{2,64}|-")
# More than any release has: whoever sends more means no good. Paths are as long as Linux takes them; bytes are those of
# all files together.
MOST_PATHS, LONGEST_PATH, MOST_BYTES = 500_000, 4096, 16 << 30
LARGEST_LIST, LARGEST_HEADER = 128 << 20, 64 << 10
# Headers that are read whole before anybody sees them, of which one may say that it is as large as it likes
HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
# Where an environment finds its Python, the machine's own or one that is kept there: the one thing outside that a
# release is led to
PYTHON = (
    re.compile(r"bin/python[0-9.]*"),
    re.compile(r"(/usr/(local/)?bin/|/opt/samestack/python/[0-9a-f]{12}/cpython-[\w.-]+/bin/)?python[0-9.]*"),
)


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
        lines = text.removesuffix("\n").split("\n") if text else []
        if len(lines) > MOST_PATHS:
            raise DamageError(f"contents: {len(lines)} paths are more than a release can have")
        for line in lines:
            mode, digest, path = [*line.split(" ", 2), "", ""][:3]
            if mode == VENV and venv is None and ID.fullmatch(digest) and SHA256.fullmatch(path):
                venv = (digest, path)
            elif (
                mode in (FILE, PROGRAM, LINK, FOLDER)
                and DIGEST.fullmatch(digest)
                and safe(path)
                and path not in entries
            ):
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
    """Return whether a path stays inside, and can be a file's name."""
    if not 0 < len(path) <= LONGEST_PATH or re.search("[\0\r\n]", path):
        return False
    return not path.startswith("/") and not {"", ".", ".."} & set(path.split("/"))


def kept_outside(path: str) -> str:
    """Return where the link leads that a release has in the place of a folder that stays over releases."""
    # Up to the release, to all of them, and to the application's folder
    return "../" * (path.count("/") + 2) + KEPT + path.partition("/")[2]


def media_outside(path: str) -> str:
    """Return where the link leads that a release has in the place of the folder that its settings have for media."""
    return "../" * (path.count("/") + 2) + MEDIA


def stays_inside(path: str, target: str) -> bool:
    """Return whether a link leads to something of the same release or environment, or to the system's Python.

    Or to the application's own folder of the same name, or its media, which are kept outside the releases.
    """
    if path.startswith(SOURCE) and target in (kept_outside(path), media_outside(path)):
        return True
    if all(pattern.fullmatch(text) for pattern, text in zip(PYTHON, (path, target), strict=True)):
        return True
    # Upwards only at its beginning, where no other link is on the way
    steps = target.split("/")
    up = next((number for number, step in enumerate(steps) if step != ".."), len(steps))
    return bool(target) and steps[0] != "" and ".." not in steps[up:] and up <= path.count("/")


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


class Header(tarfile.TarInfo):
    """A header that does not fill the memory of whoever reads it."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        if self.type in HEADERS and self.size > LARGEST_HEADER:
            raise tarfile.HeaderError(f"a header of {self.size} bytes")
        found: tarfile.TarInfo | None = super()._proc_member(tar)  # type: ignore[misc]
        return found


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
            self.contents = Contents.parse(os.fsdecode(whole(*listed)))
        if expected and self.contents.sha256 != expected:
            found = self.contents.sha256[:12]
            raise DamageError(f"{path} is damaged: the digest of its contents is {found}…, not {expected[:12]}…")

    def files(self) -> Iterator[Member]:
        """Yield what is listed; raises DamageError as soon as a path that was read is not what the list says."""
        missing = dict(self.contents.entries)
        room = MOST_BYTES
        with self._damage():
            for info, stream in self._members:
                room -= info.size
                if room < 0:
                    raise DamageError(f"{self.path} is damaged: it holds more than {MOST_BYTES >> 30}g")
                if info.name == BUILD:
                    self.build = json.loads(whole(info, stream))
                    if not isinstance(self.build, dict) or self.build.get("sha256") != self.contents.sha256:
                        raise DamageError(f"{self.path} is damaged: {BUILD} is of another release")
                    continue
                mode, digest = missing.pop(info.name, ("", ""))
                if mode != mode_of(info):
                    raise DamageError(f"{self.path} is damaged: {info.name[:80]!r} is not in its list of contents")
                if mode == LINK and not stays_inside(info.name, info.linkname):
                    text = f"{info.name} is a link that leads out of it, to {info.linkname[:80]!r}"
                    raise DamageError(f"{self.path}: {text}")
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
            with tarfile.open(fileobj=plain, mode="r|", tarinfo=Header) as tar:
                for info in tar:
                    yield info, (tar.extractfile(info) if info.isreg() else None) or io.BytesIO()
            # At its end gzip compares its own sum, which covers what no list does.
            room = MOST_BYTES
            while room > 0 and (rest := plain.read(CHUNK)):
                room -= len(rest)

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError, RecursionError) as error:
            raise DamageError(f"{self.path} is damaged: {error}") from error


def whole(info: tarfile.TarInfo, stream: IO[bytes]) -> bytes:
    """Return the bytes of a member that is read whole; raises DamageError for one that is too large for that."""
    if info.size > LARGEST_LIST:
        raise DamageError(f"{info.name} is larger than it can be")
    return stream.read()


def mode_of(info: tarfile.TarInfo) -> str:
    """Return the mode of an archive's member as the list has it."""
    if info.issym():
        return LINK
    if info.isdir():
        return FOLDER
    return (PROGRAM if info.mode & 0o100 else FILE) if info.isreg() else "?"
