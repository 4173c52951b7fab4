"""A repository of Samestack with the tags of its versions, as whoever updates fetches from."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from box.pinning import fetch
from plugins.plugin_utils.version import Version, parsed, version_in
from tests.support.project import clone_project

if TYPE_CHECKING:
    from pathlib import Path

#: The first version is the commit before a project could pin one.
FIRST = "58551ac476382edc411a354ad245350b0e1f2da6"
WHO = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def git(folder: Path, *arguments: str) -> str:
    """Run git and return what it wrote."""
    done = subprocess.run(["git", *WHO, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def known_versions(project: Path) -> dict[Version, str]:
    """Return the commits of a project's versions; that of the last, which may not be committed, is HEAD.

    A version ends with the commit before the one that calls itself the next.
    """
    now = parsed(version_in(project))
    found = {Version(0, 1, 0): FIRST, now: "HEAD"}
    for commit in git(project, "log", "--format=%H", "-G^version:", "--", "galaxy.yml").split():
        before = f"{commit}^"
        if git(project, "ls-tree", before, "galaxy.yml"):
            found.setdefault(version_at(project, before), git(project, "rev-parse", before))
    return found


def tagged(project: Path, folder: Path) -> list[Version]:
    """Make a clone of a project with what is not committed there, each version with its tag; returns them, sorted."""
    found = known_versions(project)
    clone_project(project, folder)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "What is there now")
    for version, commit in found.items():
        git(folder, "tag", "-f", version.tag, commit)
    return sorted(found)


def version_at(folder: Path, commit: str) -> Version:
    """Return what a commit calls itself."""
    found = re.search(r"^version: (\S+)$", git(folder, "show", f"{commit}:galaxy.yml"), re.MULTILINE)
    assert found
    return parsed(found[1])


def release(folder: Path, version: Version, files: dict[str, str]) -> None:
    """Commit another version, with a tag."""
    galaxy = (folder / "galaxy.yml").read_text(encoding="utf-8")
    files |= {"galaxy.yml": re.sub(r"^version: .*$", f"version: {version}", galaxy, flags=re.MULTILINE)}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", f"Samestack {version}")
    git(folder, "tag", version.tag)


def fetched(project: Path, repository: Path, version: Version) -> Path:
    """Let a project have the engine of a version already; returns that."""
    fetch(project, str(repository), version, git(repository, "rev-parse", f"{version.tag}^{{commit}}"))
    return project / ".samestack" / "engine" / str(version)
