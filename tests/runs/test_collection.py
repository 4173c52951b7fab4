"""The repository is a collection that can be built and installed; a project elsewhere runs its playbooks.

`tests/elsewhere` does the same with a machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.project import CORE, content_of, project_elsewhere, run_tool

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has nothing of ours but what ansible-galaxy installed from the built archive."""
    return project_elsewhere(PROJECT, PROJECT / "inventories", tmp_path_factory.mktemp("collection"))


@pytest.fixture(scope="module")
def engine(elsewhere: Path) -> Path:
    """The installed collection."""
    return elsewhere.parent / "engine" / CORE


def test_no_secret_is_packed(engine: Path) -> None:
    assert not (engine / "inventories" / "vault" / "production.yml").exists()
    assert (engine / "playbooks" / "deploy.yml").is_file()


def test_a_project_elsewhere_runs_its_playbooks(elsewhere: Path, engine: Path) -> None:
    before = content_of(engine)
    done = run_tool(elsewhere, "ansible-playbook", "-i", "inventories/dev.yml", "samestack.core.deploy")
    # Preflight has read this project's inventory, with the modules of the collection; its machine is not made yet.
    assert "dev1: the machine has not been made yet" in done.stdout, done.stdout + done.stderr
    assert (elsewhere / ".samestack").is_dir()
    assert content_of(engine) == before


def test_what_is_wrong_is_named_by_the_projects_own_file(elsewhere: Path) -> None:
    arguments = ("-i", "inventories/dev.yml", "samestack.core.deploy", "-e", "app_nam=x")
    done = run_tool(elsewhere, "ansible-playbook", *arguments)
    assert done.returncode != 0
    assert "app_name" in done.stdout
