"""Reads a commit's files out of a git repository by its list of objects: each is there, and has the bytes of its id."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from ...module_utils.release.files import contents
from .programs import HARMLESS, disk_is_full, full_disk, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .archive import Tree

SUBMODULE = "160000"
# Longer than any system takes a link's target
LONGEST_TARGET = 4096
# By the length of an object's id
DIGESTS = {40: "sha1", 64: "sha256"}


class DamagedError(Exception):
    """A repository does not have what it says that it has; the text says of what."""


@dataclass(frozen=True)
class Entry:
    """A file, link or submodule of a commit: git's mode, the object's id (a submodule's commit), the path."""

    mode: str
    id: str
    path: str


def objects_of(repository: Path, commit: str, environment: Mapping[str, str]) -> list[Entry]:
    """Return what a commit consists of; raises DamagedError."""
    git: list[str | Path] = ["git", *HARMLESS, "--git-dir", repository, "ls-tree", "-r", "-z", "--full-tree", commit]
    listed = run(git, environment)
    if listed.returncode or listed.stdout[-1:] not in ("", "\0"):
        raise DamagedError(f"the list of {commit[:12]} cannot be read")
    found = []
    for line in filter(None, listed.stdout.split("\0")):
        about, _, path = line.partition("\t")
        mode, _kind, identity = about.split(" ")
        found.append(Entry(mode, identity, path))
    return found


def write_objects(
    repository: Path, entries: Sequence[Entry], tree: Tree, prefix: str, environment: Mapping[str, str]
) -> None:
    """Write a commit's files into a folder, below a prefix; raises DamagedError and SamestackError."""
    files = [one for one in entries if one.mode != SUBMODULE]
    folder = repository.parent
    with tempfile.TemporaryFile(dir=folder) as asked, tempfile.TemporaryFile(dir=folder) as said:
        asked.write("".join(f"{one.id}\n" for one in files).encode())
        asked.seek(0)
        command = ["git", *HARMLESS, "--git-dir", str(repository), "cat-file", "--batch"]
        with subprocess.Popen(
            command, stdin=asked, stdout=subprocess.PIPE, stderr=said, env=dict(environment)
        ) as process:
            answers = process.stdout
            if answers is None:
                raise DamagedError("git says nothing")
            try:
                for one in files:
                    write_object(one, answers, tree, prefix + one.path)
            except BaseException:
                process.kill()
                raise
            ended = process.wait()
        said.seek(0)
        why = said.read().decode(errors="replace")
    if ended:
        if disk_is_full(why):
            raise full_disk(folder)
        raise DamagedError(f"git cat-file ended with {ended}: {why[-300:]}")


def write_object(entry: Entry, answers: IO[bytes], tree: Tree, name: str) -> None:
    """Write one file or link from what `git cat-file --batch` says next; raises DamagedError."""
    header = answers.readline().decode(errors="replace").rstrip("\n")
    before, _, number = header.rpartition(" ")
    if before != f"{entry.id} blob" or not number.isdecimal():
        raise DamagedError(f"{entry.path} is missing")
    size = int(number)
    digest = hashlib.new(DIGESTS[len(entry.id)], usedforsecurity=False)
    digest.update(f"blob {size}\0".encode())

    def chunks() -> Iterator[bytes]:
        left = size
        while left:
            chunk = answers.read(min(left, contents.CHUNK))
            if not chunk:
                raise DamagedError(f"{entry.path} ends early")
            digest.update(chunk)
            left -= len(chunk)
            yield chunk

    if entry.mode == contents.LINK:
        if size > LONGEST_TARGET:
            raise DamagedError(f"{entry.path} is no link")
        tree.link(name, os.fsdecode(b"".join(chunks())))
    else:
        tree.file(name, chunks(), program=bool(int(entry.mode, 8) & 0o100))
    if digest.hexdigest() != entry.id or answers.read(1) != b"\n":
        raise DamagedError(f"{entry.path} has other bytes than its id says")
