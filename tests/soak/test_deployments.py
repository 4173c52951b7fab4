"""Deployments one after the other, while people use the site."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Environment, Machine

APPLICATION = "examples/noticeboard"


class Visitor(threading.Thread):
    """Asks for the home page without a pause; keeps what went wrong."""

    def __init__(self, site: Machine) -> None:
        super().__init__(daemon=True)
        self._browser = site.browser()
        self._done = threading.Event()
        self.answers = 0
        self.failures: list[str] = []

    def run(self) -> None:
        while not self._done.is_set():
            try:
                status = self._browser.get("/").status
                if status != 200:
                    self.failures.append(str(status))
            except OSError as error:
                self.failures.append(repr(error))
            self.answers += 1

    def leave(self) -> None:
        self._done.set()
        self.join(30)


@pytest.fixture(scope="module")
def visitor(site: Machine) -> Iterator[Visitor]:
    found = Visitor(site)
    found.start()
    yield found
    found.leave()


@pytest.mark.usefixtures("visitor", "turn")
def test_a_new_release_goes_live(environment: Environment, site: Machine) -> None:
    before = site.run(f"readlink /srv/{site.app}/current")
    word = versions.touch(environment.site.root / APPLICATION)
    play = Path(sys.executable).with_name("ansible-playbook")
    command = [str(play), "-i", str(environment.source), "playbooks/deploy.yml"]
    done = subprocess.run(
        command, cwd=environment.site.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert site.run(f"readlink /srv/{site.app}/current") != before
    assert word in site.browser().get("/").text


def test_nobody_noticed(visitor: Visitor) -> None:
    visitor.leave()
    assert visitor.answers > 100
    assert visitor.failures == []


def test_old_releases_are_gone(site: Machine) -> None:
    kept = site.run(f"ls /srv/{site.app}/releases").split()
    assert len(kept) <= site.variable("release_keep")
