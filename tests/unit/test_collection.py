"""The repository is a collection that can be built and installed; a project elsewhere runs its playbooks."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import copy_project

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
CORE = "ansible_collections/samestack/core"


def run(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    program, *arguments = map(str, command)
    return subprocess.run(
        [str(TOOLS / program), *arguments], cwd=folder, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has nothing of ours but what ansible-galaxy installed from the built archive."""
    top = tmp_path_factory.mktemp("collection")
    copy_project(PROJECT, top / "source")
    (top / "source" / "inventories" / "vault" / "production.yml").write_text("secret\n")
    built = run(top, "ansible-galaxy", "collection", "build", "source")
    assert built.returncode == 0, built.stdout + built.stderr
    project = top / "project"
    for part in ("inventories", "examples/noticeboard"):
        shutil.copytree(PROJECT / part, project / part, ignore=shutil.ignore_patterns("vault", "known_hosts"))
    config = (PROJECT / "ansible.cfg").read_text(encoding="utf-8")
    config = re.sub("^collections_path = .*", "collections_path = engine", config, flags=re.MULTILINE)
    (project / "ansible.cfg").write_text(config.replace("roles_path = roles\n", ""), encoding="utf-8")
    (archive,) = top.glob("samestack-core-*.tar.gz")
    done = run(project, "ansible-galaxy", "collection", "install", archive, "-p", "engine", "--offline")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def test_no_secret_is_packed(elsewhere: Path) -> None:
    assert not (elsewhere / "engine" / CORE / "inventories" / "vault" / "production.yml").exists()
    assert (elsewhere / "engine" / CORE / "playbooks" / "deploy.yml").is_file()


def test_a_project_elsewhere_runs_its_playbooks(elsewhere: Path) -> None:
    engine = elsewhere / "engine" / CORE
    before = sorted(engine.rglob("*"))
    done = run(elsewhere, "ansible-playbook", "-i", "inventories/dev.yml", "samestack.core.deploy")
    # Preflight has read this project's inventory, with the modules of the collection; its machine is not made yet.
    assert "dev1: the machine has not been made yet" in done.stdout, done.stdout + done.stderr
    assert (elsewhere / ".samestack").is_dir()
    assert [path for path in sorted(engine.rglob("*")) if "__pycache__" not in path.parts] == [
        path for path in before if "__pycache__" not in path.parts
    ]


def test_what_is_wrong_is_named_by_the_projects_own_file(elsewhere: Path) -> None:
    done = run(elsewhere, "ansible-playbook", "-i", "inventories/dev.yml", "samestack.core.deploy", "-e", "app_nam=x")
    assert done.returncode != 0
    assert "app_name" in done.stdout
