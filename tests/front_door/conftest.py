"""A clone for these tests."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.clone import PROJECT, Clone
from tests.support.project import clone_project

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    """A clone in a folder of its own; nothing of it is left in the end, whatever went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="samestack-clone-"))
    found = Clone(folder / "samestack")
    try:
        clone_project(PROJECT, found.folder)
        yield found
    finally:
        if (found.folder / ".samestack").exists():
            found.run("./samestack", "destroy")
        # The base box in it is root's.
        remove = ["rm", "-rf", "--one-file-system", str(folder)]
        subprocess.run([*([] if os.geteuid() == 0 else ["sudo"]), *remove], check=True)


@pytest.fixture(scope="module")
def commit(clone: Clone) -> None:
    """A project pins a commit: what is not committed here is committed in the clone."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "add", "-A"], cwd=clone.folder, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "x", "--allow-empty"], cwd=clone.folder, check=True)


@pytest.fixture(scope="module")
def up(clone: Clone) -> str:
    """What the first `./samestack up` printed."""
    return clone.samestack("up")
