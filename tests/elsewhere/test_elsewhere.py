"""A project in one folder, the engine in another: the collection as it is installed deploys to a machine."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import versions
from tests.support.project import CORE, content_of, project_elsewhere, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Environment, Machine

PROJECT = Path(__file__).resolve().parents[2]
#: What this version of the site is recognised by
WORD = f"elsewhere-{uuid.uuid4().hex[:8]}"
#: What leads to the machines, and what they were built with; the rest of a project's state is found or made anew.
LENT = ("ssh_config", "known_hosts", "secrets", "certificates", "ca.crt")


@pytest.fixture(scope="module")
def project(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the inventories of the machines in hand, and a version of the site of its own."""
    inventories = environment.source.parent
    project = project_elsewhere(PROJECT, inventories, tmp_path_factory.mktemp("elsewhere"))
    state, lent = project / ".samestack", inventories.parent / ".samestack"
    state.mkdir(mode=0o700)
    for name in LENT:
        if (lent / name).is_dir():
            shutil.copytree(lent / name, state / name)
        elif (lent / name).exists():
            shutil.copy2(lent / name, state / name)
    versions.home(project / "examples" / "noticeboard", WORD)
    return project


@pytest.fixture(autouse=True)
def untouched_engine(project: Path) -> Iterator[None]:
    """Nothing is written where the collection lies."""
    engine = project.parent / "engine" / CORE
    before = content_of(engine)
    yield
    assert content_of(engine) == before


def play(project: Path, environment: Environment, playbook: str) -> str:
    inventory = Path("inventories", environment.source.name)
    done = run_tool(project, "ansible-playbook", "-i", inventory, f"samestack.core.{playbook}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_preflight(project: Path, environment: Environment) -> None:
    play(project, environment, "preflight")


def test_a_deploy(project: Path, environment: Environment, site: Machine) -> None:
    before = site.run(f"readlink /srv/{site.app}/current")
    assert WORD not in site.browser().get("/").text
    play(project, environment, "deploy")
    assert site.run(f"readlink /srv/{site.app}/current") != before
    assert WORD in site.browser().get("/").text
    # What a run leaves on this computer is the project's.
    assert list((project / ".samestack" / "sources").glob("*.tar.gz"))
