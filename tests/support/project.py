"""Copies of this project, with what is not committed yet."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def project_files(project: Path) -> list[str]:
    """Return the files that git knows or would add, relative to the project."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=project, check=True, stdout=subprocess.PIPE, text=True)
    return [name for name in listed.stdout.split("\0") if name and (project / name).is_file()]


def copy_project(project: Path, copy: Path) -> None:
    """Make a copy anew; links stay links."""
    shutil.rmtree(copy, ignore_errors=True)
    for name in project_files(project):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(project / name, target, follow_symlinks=False)


def link_collection(copy: Path) -> None:
    """Let Ansible find the collection that a copy is, as box/setup does in a clone."""
    link = copy / ".samestack" / "collections" / "ansible_collections" / "samestack" / "core"
    link.parent.mkdir(parents=True)
    link.symlink_to(Path("..", "..", "..", ".."))


def clone_project(project: Path, clone: Path) -> None:
    """Make a clone, and put over it what differs from the last commit."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(project), str(clone)], check=True)
    names = set(project_files(project))
    for name in set(project_files(clone)) - names:
        (clone / name).unlink()
    for name in names:
        target = clone / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(project / name, target, follow_symlinks=False)
