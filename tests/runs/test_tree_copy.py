"""What a build made becomes root's: copied by descriptors, whatever its owner does meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.common.errors import HostError
from plugins.module_utils.release.files import finalize, tree_copy
from plugins.module_utils.release.files.archive import NOBODY
from plugins.module_utils.release.files.contents import read_tree
from plugins.module_utils.release.files.tree_copy import TreeCopy
from plugins.module_utils.release.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable

ME = os.geteuid()
FLIPS = """
import os, sys
folder, secret = sys.argv[1:]
os.chdir(folder)
open("plain", "w").write("plain")
os.unlink("link"); os.symlink(secret, "link")
os.mkdir("folder"); open("folder/inner", "w").write("inner")
os.symlink(os.path.dirname(secret), "other")
print("ready", flush=True)
while True:
    for name in ("plain", "link", "folder", "other"):
        try:
            os.rename(name, "turn"); os.rename("turn", name)
            os.link(name, "next", follow_symlinks=False); os.replace("next", "flips")
        except OSError:
            pass
"""


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What a build made."""
    folder = tmp_path / "built"
    (folder / "package").mkdir(parents=True)
    (folder / "package/code.py").write_text("x = 1\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o4777)
    (folder / "empty").mkdir(mode=0o777)
    (folder / "link").symlink_to("package/code.py")
    folder.chmod(0o777)
    return folder


def test_modes_are_set_of_everything_and_the_digests_are_those_of_the_copy(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "sealed"
    entries = TreeCopy(str(target), ME, NOBODY, "static/", time=1_000_000_000).take(str(built))
    assert entries == {f"static/{path}": entry for path, entry in read_tree(str(target)).items()}
    modes = {path.name: oct(path.lstat().st_mode & 0o7777) for path in (target, *target.rglob("*"))}
    assert {name: mode for name, mode in modes.items() if name != "link"} == {
        "sealed": "0o755", "package": "0o755", "code.py": "0o644", "run": "0o755", "empty": "0o755",
    }  # fmt: skip
    assert (target / "package/code.py").stat().st_mtime == 1_000_000_000
    assert not os.path.samefile(target / "package/code.py", built / "package/code.py")


def test_a_descriptor_that_is_still_open_leads_to_the_old_file(built: Path, tmp_path: Path) -> None:
    with (built / "package/code.py").open("a") as held:
        TreeCopy(str(tmp_path / "sealed"), ME, NOBODY).take(str(built))
        held.write("import evil\n")
    assert (tmp_path / "sealed/package/code.py").read_text() == "x = 1\n"


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def server(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(folder)
        listening.bind("socket")


def deep(folder: Path) -> None:
    for _ in range(tree_copy.DEEPEST + 2):
        folder /= "d"
        folder.mkdir()


def many(folder: Path) -> None:
    for number in range(210):
        (folder / str(number)).touch()


def sparse(folder: Path) -> None:
    with (folder / "sparse").open("w") as file:
        file.truncate(1 << 42)


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (pipe, "no file, folder or link"),
        (server, "no file, folder or link"),
        (deep, "folders in more than"),
        (many, "more than 200 files"),
        (sparse, "is full"),
        (lambda folder: (folder / "a\nb").touch(), "line break"),
    ],
)
def test_what_no_release_holds_is_refused(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path], None], said: str
) -> None:
    monkeypatch.setattr(tree_copy, "MOST_ENTRIES", 200)
    monkeypatch.chdir(tmp_path)
    plant(built)
    with pytest.raises(HostError, match=said):
        TreeCopy(str(tmp_path / "sealed"), ME, NOBODY).take(str(built))


def test_what_is_not_the_builds_own_is_refused(built: Path, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="not to the build"):
        TreeCopy(str(tmp_path / "sealed"), ME + 1, NOBODY).take(str(built))


def test_a_name_that_changes_meanwhile_leads_nowhere_else(built: Path, tmp_path: Path) -> None:
    roots = tmp_path / "roots"
    roots.mkdir()
    secret = roots / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    with subprocess.Popen(
        [sys.executable, "-c", FLIPS, str(built), str(secret)], stdout=subprocess.PIPE, text=True
    ) as flipping:
        assert flipping.stdout and flipping.stdout.readline() == "ready\n"
        try:
            until, turns = time.monotonic() + 2, 0
            while time.monotonic() < until:
                turns += 1
                target = tmp_path / f"sealed{turns}"
                with contextlib.suppress(OSError, HostError):
                    TreeCopy(str(target), ME, NOBODY).take(str(built))
                found = [path for path in target.rglob("*") if not path.is_symlink() and path.is_file()]
                assert not [path for path in found if path.read_bytes() == b"secret"]
                shutil.rmtree(target)
        finally:
            flipping.send_signal(signal.SIGKILL)
    assert turns > 20
    assert oct(secret.stat().st_mode & 0o777) == "0o600"
    assert hashlib.sha256(secret.read_bytes()).hexdigest() == hashlib.sha256(b"secret").hexdigest()


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        ("a.css", False), ("folder", False), ("../source/a.py", False), ("../../../venvs/v/b.js", False),
        ("/etc/passwd", True), ("../../../../../../../../../../etc/passwd", True), ("../source/out", True),
        ("../source/folder", True), ("../source", True), ("folder/../../source/out", True), ("missing/x", False),
        ("../../../shared/media/x", True),
    ],
)  # fmt: skip
def test_links_among_static_files_stay_in_the_release(tmp_path: Path, target: str, refused: bool) -> None:
    place = Place(str(tmp_path), "0a1b2c3d4e5f")
    venv = tmp_path / "venvs/v"
    for name in ("static/a.css", "static/folder/b", "source/a.py", "source/folder/c", str(venv / "b.js")):
        path = tmp_path / place.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    Path(place.path("source/out")).symlink_to("/etc/passwd")
    Path(place.path("static/link")).symlink_to(target)
    with pytest.raises(HostError, match="leads out of the release") if refused else contextlib.nullcontext():
        finalize.refuse_ways_out(place, str(venv), ["static/link"])
    with pytest.raises(HostError, match="source/out is a link that leads out of it, to /etc/passwd"):
        finalize.refuse_ways_out(place, str(venv), ["source/out"])
