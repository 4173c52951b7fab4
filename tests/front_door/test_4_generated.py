"""What Django's and Wagtail's generators make, and the shapes of projects that others make: `init`, `up`, a page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.front_door.test_3_adopted import PACKAGES
from tests.support.clone import PROJECT, Clone
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.browser import Browser

#: One page after the other takes a minute and more.
pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("commit")]

PROJECTS = Path(__file__).with_name("projects")
UV = str(PROJECT / ".samestack/uv/bin/uv")


def startproject(folder: Path) -> None:
    """Make what `django-admin startproject` makes."""
    subprocess.run([PROJECT / ".venv/bin/django-admin", "startproject", "bakery", "."], cwd=folder, check=True)
    (folder / "requirements.txt").write_text(PACKAGES, encoding="utf-8")


def wagtail(folder: Path) -> None:
    """Make what `wagtail start` makes."""
    folder.rmdir()
    command = [PROJECT / "tests/wagtail_project", folder]
    subprocess.run(command, env={**os.environ, "UV": UV}, capture_output=True, check=True)


def copied(name: str) -> Callable[[Path], None]:
    """Return what makes a project of ours; the lock of a workspace is as new as its packages."""

    def make(folder: Path) -> None:
        shutil.copytree(PROJECTS / name, folder, dirs_exist_ok=True)
        if (folder / "pyproject.toml").exists():
            subprocess.run([UV, "lock", "--quiet", "--system-certs", "--project", folder], check=True)

    return make


def says(path: str, text: str) -> Callable[[Browser], None]:
    """Return what looks for a text on a page, which may take a moment."""

    def look(browser: Browser) -> None:
        wait_for(text, lambda: text in browser.get(path).text, 30)

    return look


def counted(browser: Browser) -> None:
    """Look for what a worker has counted; how often is a matter of who is quicker."""
    wait_for("a task", lambda: re.search(r"counted [1-9]\d* times", browser.get("/").text), 60)


def talk(browser: Browser) -> None:
    """Say something in a room, and hear it."""
    with browser.websocket("/rooms/lobby/") as room:
        room.send('{"text": "hello"}')
        assert room.recv(timeout=10) == '{"text": "hello"}'


#: How each is made, what is decided beyond what `init` found, and what its visitors see
SHAPES: dict[str, tuple[Callable[[Path], None], dict[str, Any], Callable[[Browser], None]]] = {
    "startproject": (startproject, {}, says("/admin/login/", "Django administration")),
    "wagtail": (wagtail, {}, says("/", "Welcome to your new Wagtail site")),
    "layered": (copied("layered"), {}, says("/", "0 notes")),
    "channels": (copied("channels"), {}, talk),
    "workspace": (copied("workspace"), {}, says("/", "an apple costs 3")),
    "celery": (copied("celery"), {}, counted),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_init_up_and_a_page(clone: Clone, tmp_path: Path, shape: str) -> None:
    make, decided, look = SHAPES[shape]
    folder = tmp_path / shape
    folder.mkdir()
    make(folder)
    began = time.monotonic()
    clone.samestack("init", str(folder), "--yes")
    read = time.monotonic() - began
    project = Clone(folder / "samestack")
    try:
        project.decide(**decided)
        printed = project.samestack("up")
        print(f"{shape}: init {read:.1f} s, up {time.monotonic() - began - read:.0f} s, {len(decided)} lines edited")
        look(project.browser(printed))
        assert project.run("./samestack", "status", "dev") in (0, 1), project.output
        assert "worker" not in [line for line in project.output.splitlines() if "down" in line]
    finally:
        project.run("./samestack", "destroy")
