"""Gets a project's source as a folder on the control node: from git, Mercurial, or a path. Never prompts."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DecisionError
from .repository import HARMLESS, Git, Mercurial, Request, Source, run, ssh_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

# What lies about in a folder that no version control looks after, and does not belong on a server
JUNK_FOLDERS = {
    ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".idea", ".vscode", ".cache",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".samestack", ".vagrant",
}  # fmt: skip
JUNK_FILES = re.compile(r".*\.(pyc|pyo|sqlite3?|sqlite3-journal|log|swp)|\.env(\..*)?|\.DS_Store")


def fetch(request: Request, target: Path, cache: Path) -> Source:
    """Put the source into `target`, an empty folder; `cache` keeps mirrors. Raises DecisionError."""
    if request.kind == "path":
        return _copy_path(request, target)
    variable = "app_source.url"
    if re.match(r"https?://[^/@]+@", request.location):
        raise DecisionError(variable, "(hidden)", "the address contains a user or a password, which logs would show",
                           "Use ssh with app_source.deploy_key")  # fmt: skip
    if not request.location or request.location.startswith("-"):
        raise DecisionError(variable, request.location, "that is no address", "Write like git@example.org:you/site.git")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        environment = ssh_environment(request, Path(scratch))
        if request.kind == "hg":
            return Mercurial(request, cache, environment).export(target)
        return Git(request, cache, environment).export(target)


def _copy_path(request: Request, target: Path) -> Source:
    """Copy a folder's files; the digest over names, modes and contents identifies them."""
    folder = request.path
    if not folder.is_dir():
        raise DecisionError("app_source.path", request.location, f"there is no folder {folder.resolve()}",
                           "Name the folder of the project, relative to this repository or absolute")  # fmt: skip
    if request.ref:
        advice = "Leave the ref out, or give app_source a repository"
        raise request.ref_problem("a source of type path has no refs", advice)
    files = path_files(folder)
    digest = hashlib.sha256()
    for name in files:
        source, copy = folder / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy, follow_symlinks=False)
        content = os.readlink(source).encode() if source.is_symlink() else source.read_bytes()
        mode = "l" if source.is_symlink() else "x" if source.stat().st_mode & 0o100 else "-"
        digest.update(f"{mode} {len(content)} {name}\0".encode())
        digest.update(content)
    return Source({"tree": digest.hexdigest()}, f"path {request.location}, {len(files)} files")


def path_files(folder: Path) -> list[str]:
    """Return the files of a folder that belong to the project: git's own opinion where it has one."""
    names = _git_files(folder)
    if names is None:
        names = _plain_files(folder)
    return sorted(name for name in names if (folder / name).is_file() or (folder / name).is_symlink())


def _git_files(folder: Path) -> list[str] | None:
    """Return what git tracks or would track; None outside of a work tree, and where git ignores the whole folder."""
    # The folder may belong to another user than the one who deploys; only names are read.
    git: Sequence[str | Path] = ["git", *HARMLESS, "-c", "safe.directory=*", "-C", folder]
    if shutil.which("git") is None or run([*git, "rev-parse", "--is-inside-work-tree"]).stdout.strip() != "true":
        return None
    if run([*git, "check-ignore", "--quiet", "."]).returncode == 0:
        return None
    listed = run([*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).stdout.split("\0")
    names = []
    for name in dict.fromkeys(filter(None, listed)):
        inner = folder / name
        if inner.is_dir() and not inner.is_symlink():
            # A submodule, or a repository inside of this one
            names += [f"{name.rstrip('/')}/{one}" for one in path_files(inner)]
        else:
            names.append(name)
    return names


def _plain_files(folder: Path) -> list[str]:
    names = []
    for current, folders, files in os.walk(folder):
        here = Path(current)
        folders[:] = sorted(name for name in folders if not _junk_folder(here / name))
        links = [name for name in folders if (here / name).is_symlink()]
        keep = [name for name in files if not JUNK_FILES.fullmatch(name)]
        names += [(here / name).relative_to(folder).as_posix() for name in [*keep, *links]]
    return names


def _junk_folder(path: Path) -> bool:
    # A package of that name is code; a folder of that name is what people uploaded.
    uploads = path.name == "media" and not (path / "__init__.py").exists()
    return path.name in JUNK_FOLDERS or uploads or (path / "pyvenv.cfg").exists()
