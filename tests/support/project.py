"""Copies of this project, with what is not committed yet."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(sys.executable).parent
CORE = Path("ansible_collections", "samestack", "core")


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


def run_tool(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs in a folder, with the configuration that is there and nothing of the caller's."""
    program, *arguments = map(str, command)
    environment = {name: text for name, text in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [str(TOOLS / program), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def project_elsewhere(engine: Path, inventories: Path, top: Path) -> Path:
    """Make a project that has nothing of ours but what ansible-galaxy installed from the built archive; returns it.

    Args:
        engine: the clone that the collection is built from.
        inventories: those of the project.
        top: a folder of the caller's; the collection lies in `engine` beside the project.
    """
    copy_project(engine, top / "source")
    # What a user's clone may hold, and no archive
    (top / "source" / "inventories" / "vault" / "production.yml").write_text("secret\n", encoding="utf-8")
    project = top / "project"
    shutil.copytree(inventories, project / "inventories", ignore=shutil.ignore_patterns("vault", "known_hosts"))
    shutil.copytree(engine / "examples" / "noticeboard", project / "examples" / "noticeboard")
    config = (engine / "ansible.cfg").read_text(encoding="utf-8").replace("roles_path = roles\n", "")
    config = re.sub("^collections_path = .*", "collections_path = ../engine", config, flags=re.MULTILINE)
    (project / "ansible.cfg").write_text(config, encoding="utf-8")
    built = run_tool(top, "ansible-galaxy", "collection", "build", "source")
    assert built.returncode == 0, built.stdout + built.stderr
    (archive,) = top.glob("samestack-core-*.tar.gz")
    done = run_tool(top, "ansible-galaxy", "collection", "install", archive, "-p", "engine", "--offline")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def content_of(folder: Path) -> dict[str, str]:
    """Return the digest of each file in a folder, without Python's byte-code."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
