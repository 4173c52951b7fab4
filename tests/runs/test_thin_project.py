"""From a clone to a project that pins it: written by `init`, fetched, worked in by the command, make and Ansible."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from box.pinning import read_pin
from tests.support.project import clone_project, run_tool
from tests.support.shapes import SHAPES
from tests.support.shapes.skeleton import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
SHAPE = "Celery with a schedule in the settings"
FILES = {
    ".gitignore", "Makefile", "README.md", "Vagrantfile", "ansible.cfg", "samestack", "samestack.lock",
    *(f"inventories/{name}.yml" for name in ("dev", "staging", "production", "rehearsal")),
    *(f"inventories/group_vars/{name}/differences.yml" for name in ("all", "dev", "staging", "production",
        "rehearsal")),
    "inventories/group_vars/all/app.yml",
}  # fmt: skip


def lend_tools(engine: Path) -> None:
    """Let a clone or a fetched engine work with the tools of this one: what installs them is not looked at here."""
    (engine / ".venv").symlink_to(PROJECT / ".venv")
    (engine / ".samestack").mkdir(exist_ok=True)
    for name in ("tools", "dev"):
        (engine / ".samestack" / name).symlink_to(PROJECT / ".samestack" / name)


def typed(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: text for name, text in os.environ.items() if not name.startswith(("SAMESTACK", "ANSIBLE", "MAKE"))}
    return subprocess.run(
        words, cwd=folder, env=own | environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that `init` wrote for a project with a worker and a schedule, in a repository of its own."""
    top = tmp_path_factory.mktemp("thin")
    clone = top / "samestack"
    clone_project(PROJECT, clone)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, "commit", "-qam", "x", "--allow-empty"], cwd=clone, check=True)
    # Somebody's own decisions in the clone are not the project's.
    (clone / "inventories/staging.yml").write_text("---\nof_mine: true\n")
    lend_tools(clone)
    tree(top / "shop", SHAPES[SHAPE][0])
    done = typed(
        clone,
        "./samestack",
        "init",
        "../shop",
        "--yes",
        "--domain",
        "www.shop.example",
        XDG_DATA_HOME=str(top / "data"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Not in any commit" in done.stderr
    assert "celery -A mysite beat" in done.stdout
    project = top / "shop" / "samestack"
    lend_tools(project / ".samestack/engine" / read_pin(project).version)  # type: ignore[union-attr]
    yield project


def test_the_files(site: Path) -> None:
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {name for name in there if not name.startswith(".samestack/")} == FILES
    assert len(FILES) == 17, "docs/init.md says so"
    pin = read_pin(site)
    assert pin
    assert pin.origin == "../../samestack"
    assert "of_mine" not in (site / "inventories/staging.yml").read_text()
    assert "staging.shop.example" in (site / "inventories/staging.yml").read_text()
    assert "example.com" not in (site / "inventories/group_vars/production/differences.yml").read_text()


def test_a_project_makes_another(site: Path) -> None:
    """Of the same Samestack, from the same place."""
    top = site.parents[1]
    tree(top / "second", SHAPES["startproject"][0])
    done = typed(site, "./samestack", "init", "../../second", "--into", "../../second-machines", "--yes")
    assert done.returncode == 0, done.stderr
    one, two = read_pin(site), read_pin(top / "second-machines")
    assert one
    assert two
    assert (two.version, two.commit, two.digest) == (one.version, one.commit, one.digest)
    assert two.origin == "../samestack"


def test_nothing_else_was_written(site: Path) -> None:
    there = {path.relative_to(site.parent).as_posix() for path in site.parent.rglob("*") if path.is_file()}
    assert {name for name in there if not name.startswith("samestack/")} == set(SHAPES[SHAPE][0])


def test_a_second_time_it_refuses(site: Path) -> None:
    clone = site.parents[1] / "samestack"
    done = typed(clone, "./samestack", "init", "../shop", "--yes")
    assert done.returncode == 1
    assert "it is a project already" in done.stderr
    assert (site / "samestack.lock").exists()


def test_every_way_into_it(site: Path) -> None:
    for words in (("./samestack", "--help"), ("make", "-s", "help")):
        done = typed(site, *words)
        assert done.returncode == 0, done.stderr
        assert "deploy" in done.stdout
    done = typed(site, "./samestack", "deploy")
    assert "dev1: the machine has not been made yet" in done.stdout + done.stderr
    # What anybody has on the PATH, in another folder of the project
    done = typed(site / "inventories", str(site.parents[1] / "samestack/samestack"), "deploy")
    assert "dev1: the machine has not been made yet" in done.stdout + done.stderr
    done = run_tool(site, "ansible-playbook", "samestack.core.deploy", "-i", "inventories/dev.yml")
    assert "dev1: the machine has not been made yet" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["check", "test", "soak", "bench", "corpus"])
def test_what_is_for_the_repository_is_not_done_here(site: Path, verb: str) -> None:
    done = typed(site, "./samestack", verb)
    assert done.returncode == 2
    assert "for people who change Samestack itself" in done.stderr


@pytest.mark.parametrize("name", ["dev", "staging", "production", "rehearsal"])
def test_the_inventories_are_whole(site: Path, name: str) -> None:
    done = run_tool(site, "ansible-inventory", "-i", f"inventories/{name}.yml", "--list")
    assert done.returncode == 0, done.stderr
    hosts = json.loads(done.stdout)["_meta"]["hostvars"]
    decided = yaml.safe_load((site / "inventories/group_vars/all/app.yml").read_text())
    assert decided["app_workers"] == SHAPES[SHAPE][1]["app_workers"]
    for host in hosts.values():
        assert host["app_workers"] == decided["app_workers"]
        # The defaults of the engine stand below them.
        assert host["app_server"] == "gunicorn"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("../nowhere",), "there is no such folder"),
        ((".",), "inside of Samestack itself"),
        (("../shop", "--into", "../new", "--name", "My Shop"), "cannot be the name of a user"),
        (("../shop", "--into", "../new", "--domain", "https://x.org"), "this is no domain"),
        (("../shop", "--into", "../new", "--from", "https://me:secret@example.org/x"), "the address has a password"),
        (("../samestack/docs", "--into", "../new"), "No manage.py was found"),
    ],
)
def test_what_is_refused(site: Path, words: tuple[str, ...], told: str) -> None:
    done = typed(site.parents[1] / "samestack", "./samestack", "init", *words, "--yes")
    assert done.returncode == 1, done.stdout
    assert told in done.stderr
    assert "secret" not in done.stderr
    assert not (site.parents[1] / "new").exists()
