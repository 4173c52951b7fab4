"""Folders of the source that the application writes to: can they be kept outside the releases?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DecisionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = "app_writable_paths"


def check_writable(root: Path, paths: Sequence[str], directory: str) -> None:
    """Raise DecisionError for a path that is no folder, leads elsewhere, or has the application itself in it.

    Args:
        root: folder with the source.
        paths: as `app_writable_paths` has them.
        directory: folder of manage.py, relative to the source.
    """
    for path in paths:
        others = [one for one in paths if one != path and path.startswith(f"{one}/")]
        if others or paths.count(path) > 1:
            raise DecisionError(NAME, path, f"{(others or [path])[0]} has it already", "Take it out")
        parts = path.split("/")
        above = [root.joinpath(*parts[: number + 1]) for number in range(len(parts))]
        for folder in above:
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                kind = "a link" if folder.is_symlink() else "a file"
                raise DecisionError(
                    NAME, path, f"{folder.relative_to(root)} is {kind} in the source",
                    "Name a folder; what is in it is kept over releases",
                )  # fmt: skip
        if f"{directory}/".startswith(f"{path}/"):
            raise DecisionError(
                NAME, path, "it has manage.py, and all releases would have the same code",
                "Name the folder in it that the application writes to",
            )  # fmt: skip


def code_in(root: Path, paths: Sequence[str]) -> list[str]:
    """Return those of the paths that have Python code in them: of these, no release brings a newer one."""
    return [path for path in paths if any((root / path).rglob("*.py"))]
