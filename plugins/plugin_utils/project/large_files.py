"""Large files that Git LFS keeps outside of a repository: which ones a source has only pointers to."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...module_utils.release.files import contents
from ..errors import DecisionError
from .programs import HARMLESS, run

if TYPE_CHECKING:
    from pathlib import Path

    from .archive import Tree

# git-lfs's specification: a pointer is shorter, and begins with its version
LARGEST_POINTER = 1024
POINTER = re.compile(
    rb"version https?://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\n(?:ext-[^\n]*\n)*"
    rb"oid sha256:([0-9a-f]{64})\nsize (\d+)\n?"
)


@dataclass(frozen=True)
class Pointer:
    """What a pointer says: the sha256 of the file's bytes, and how many those are."""

    id: str
    size: int


def large_files(tree: Tree, prefix: str = "") -> dict[str, Pointer]:
    """Return the pointers among what was written below a prefix, by their paths.

    A text that only looks like one, an example for example, is none: what belongs to Git LFS has its attribute.
    """
    found = {}
    for name, (mode, _digest) in tree.entries.items():
        path = tree.top / name
        if not name.startswith(prefix) or mode == contents.LINK or path.stat().st_size > LARGEST_POINTER:
            continue
        read = POINTER.fullmatch(path.read_bytes())
        if read:
            found[name] = Pointer(read[1].decode(), int(read[2]))
    if not found:
        return {}
    marked = with_attribute(tree.top / prefix, [name[len(prefix) :] for name in found])
    return {name: pointer for name, pointer in found.items() if name[len(prefix) :] in marked}


def with_attribute(folder: Path, names: list[str]) -> set[str]:
    """Return the names to which .gitattributes, in the folder itself, give the filter `lfs`."""
    with tempfile.TemporaryDirectory() as empty:
        # Of a repository of its own: the folder is an export, and has none.
        run(["git", "init", "--quiet", "--bare", empty])
        git: list[str | Path] = ["git", *HARMLESS, "--git-dir", empty, "--work-tree", folder, "-C", folder]
        asked = "".join(f"{name}\0" for name in names).encode(errors="surrogateescape")
        words = run([*git, "check-attr", "-z", "--stdin", "filter"], given=asked).stdout.split("\0")
    return {name for name, value in zip(words[::3], words[2::3], strict=False) if value == "lfs"}


def without_large_files(name: str, why: str, fix: str) -> DecisionError:
    """Return the error about files of which a source has no more than pointers."""
    what = f"{name} is only a pointer to the file, which Git LFS keeps elsewhere"
    return DecisionError("app_source", "(the repository)", f"{what}, {why}" if why else what, fix)
