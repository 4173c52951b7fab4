"""Files that Git LFS keeps beside a repository are fetched with it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from plugins.plugin_utils.errors import DecisionError
from tests.support.shapes.skeleton import startproject, tree
from tests.unit.test_release_source import get, git

if TYPE_CHECKING:
    from pathlib import Path


def test_large_files_are_fetched_and_compared(tmp_path: Path) -> None:
    folder = tree(tmp_path / "origin", startproject())
    git(folder, "init", "-q", "-b", "main")
    git(folder, "lfs", "install", "--local")
    picture, program = os.urandom(300_000), b"#!/bin/sh\n" + os.urandom(2000)
    (folder / ".gitattributes").write_text("*.jpg filter=lfs diff=lfs merge=lfs -text\nrun.bin filter=lfs -text\n")
    for name, content in (("photo.jpg", picture), ("run.bin", program)):
        (folder / name).write_bytes(content)
    (folder / "run.bin").chmod(0o755)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    assert git(folder, "cat-file", "-p", "HEAD:photo.jpg").startswith("version https://git-lfs")
    source, target = get(tmp_path, kind="git", location=str(folder))
    assert ((target / "photo.jpg").read_bytes(), (target / "run.bin").read_bytes()) == (picture, program)
    assert source.listed.entries["run.bin"][0] == "100755"
    # What the cache has of it is compared, too.
    for stored in (tmp_path / "cache").glob("*.git/lfs/objects/*/*/*"):
        stored.chmod(0o644)
        stored.write_bytes(b"something else")
    shutil.rmtree(folder / ".git/lfs/objects")
    with pytest.raises(
        DecisionError, match=r"(?s)photo\.jpg is only a pointer .* git-lfs did not bring it.*git lfs push"
    ):
        get(tmp_path, kind="git", location=str(folder))
