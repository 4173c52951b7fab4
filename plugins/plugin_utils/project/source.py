"""Gets a project's source as a folder on the control node: from git, Mercurial, or a path. Never prompts."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DecisionError, SamestackError
from ..text import one_line
from .archive import Tree, is_inside
from .git_objects import SUBMODULE
from .large_files import large_files, without_large_files
from .programs import FULL, HARMLESS, full_disk, run
from .repository import Git, Mercurial, Request, Source, copy_file, ssh_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What lies about in a folder that no version control looks after, and does not belong on a server
JUNK_FOLDERS = {
    ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".idea", ".vscode", ".cache",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".samestack", ".vagrant",
}  # fmt: skip
JUNK_FILES = re.compile(r".*\.(pyc|pyo|sqlite3?|sqlite3-journal|log|swp)|\.env(\..*)?|\.DS_Store")


def fetch(request: Request, target: Path, cache: Path) -> Source:
    """Put the source into `target`, an empty folder; `cache` keeps mirrors. Raises SamestackError."""
    tree = Tree(target)
    with _readable(cache):
        if request.kind == "path":
            source = _copy_path(request, tree)
        else:
            with _repository(request, cache) as repository:
                source = repository.export(tree)
    return replace(source, listed=tree.listed)


def find(request: Request, cache: Path) -> None:
    """See that the source is there, at the ref that is asked for; raises SamestackError."""
    with _readable(cache):
        if request.kind == "path":
            _check_path(request)
        else:
            with _repository(request, cache) as repository:
                repository.find()


@contextmanager
def _readable(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise full_disk(cache) from error
        raise SamestackError(f"The source could not be read or written on this computer: {error}.") from error


@contextmanager
def _repository(request: Request, cache: Path) -> Iterator[Git | Mercurial]:
    variable = "app_source.url"
    if re.match(r"https?://[^/@]+@", request.location):
        raise DecisionError(variable, "(hidden)", "the address contains a user or a password, which logs would show",
                           "Use ssh with app_source.deploy_key")  # fmt: skip
    if not request.location or request.location.startswith("-"):
        raise DecisionError(variable, request.location, "that is no address", "Write like git@example.org:you/site.git")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        environment = ssh_environment(request, Path(scratch))
        yield (Mercurial if request.kind == "hg" else Git)(request, cache, environment)


def _check_path(request: Request) -> Path:
    """Return the folder that is asked for; raises DecisionError."""
    folder = request.path
    if not folder.is_dir():
        raise DecisionError("app_source.path", request.location, f"there is no folder {folder.resolve()}",
                           "Name the folder of the project, relative to this repository or absolute")  # fmt: skip
    if request.ref:
        _check_ref(request, folder)
    return folder


def _check_ref(request: Request, folder: Path) -> None:
    """See that a folder is at the ref that is asked for: it is taken as it is. Raises DecisionError."""
    head = _ask_git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
    if not head:
        advice = "Leave the ref out, or give app_source a repository"
        raise request.ref_problem("a source of type path has no refs, and this folder is no work tree of git", advice)
    asked = f"{request.ref}^{{commit}}"
    wanted = _ask_git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", asked).strip()
    if wanted != head:
        what = f"a source of type path is taken as it is, and {folder.resolve()} is at {head[:12]}"
        raise request.ref_problem(what, "Check that ref out there, or leave the ref out")
    changed = _ask_git(folder, "status", "--porcelain", "--", ".").splitlines()
    if changed:
        what = f"{folder.resolve()} has what no commit has ({one_line(changed[0][3:], 80)})"
        raise request.ref_problem(what, "Commit that, or leave the ref out")


def _copy_path(request: Request, tree: Tree) -> Source:
    """Copy a folder's files; the digest over names, modes and contents identifies them."""
    folder = _check_path(request)
    files = path_files(folder)
    for name in files:
        copy_file(folder / name, name, tree)
    pointers = sorted(large_files(tree))
    problem = without_large_files(
        pointers[0], "in this folder", f"Run `git lfs pull` in {folder.resolve()} (git-lfs is a package of its own)"
    ) if pointers else _empty_submodule(folder)  # fmt: skip
    label = f"path {request.location}, {len(files)} files"
    return Source({"tree": tree.listed.sha256}, label, problem=problem)


def _empty_submodule(folder: Path) -> DecisionError | None:
    """Return the error about a submodule that is not there, None without one."""
    listed = _ask_git(folder, "ls-files", "-z", "--stage")
    for line in listed.split("\0"):
        about, _, name = line.partition("\t")
        if not about.startswith(SUBMODULE):
            continue
        if not (folder / name / ".git").exists():
            shown = one_line(name, 80)
            return DecisionError(
                "app_source.path", str(folder), f"{shown} is a submodule whose files are not there",
                f"Run `git submodule update --init --recursive` in {folder.resolve()}, or `git rm --cached {shown}`",
            )  # fmt: skip
        deeper = _empty_submodule(folder / name)
        if deeper:
            return deeper
    return None


def path_files(folder: Path) -> list[str]:
    """Return the files of a folder that belong to the project: git's own opinion where it has one.

    What a link to a folder leads to is not the folder's.
    """
    names = _git_files(folder)
    if names is None:
        names = _plain_files(folder)
    there = [name for name in names if is_inside(folder, name) or (folder / name).is_symlink()]
    return sorted(name for name in there if (folder / name).is_file() or (folder / name).is_symlink())


def _ask_git(folder: Path, *arguments: str) -> str:
    """Return what git says of a work tree, "" outside of one, and where git ignores the whole folder."""
    # The folder may belong to another user than the one who deploys; only names are read.
    git: Sequence[str | Path] = ["git", *HARMLESS, "-c", "safe.directory=*", "-C", folder]
    if shutil.which("git") is None or run([*git, "rev-parse", "--is-inside-work-tree"]).stdout.strip() != "true":
        return ""
    if run([*git, "check-ignore", "--quiet", "."]).returncode == 0:
        return ""
    return run([*git, *arguments]).stdout


def _git_files(folder: Path) -> list[str] | None:
    """Return what git tracks or would track; None outside of a work tree, and where git ignores the whole folder."""
    listed = _ask_git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    names = []
    for name in dict.fromkeys(filter(None, listed)):
        inner = folder / name
        if inner.is_dir() and not inner.is_symlink():
            # A submodule whose files are there, or a repository inside of this one
            if (inner / ".git").exists():
                names += [f"{name.rstrip('/')}/{one}" for one in path_files(inner)]
        else:
            names.append(name)
    return names or None


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
