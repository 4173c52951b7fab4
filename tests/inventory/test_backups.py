"""Where backups go is checked before a host is touched; production names a place off its machine, or says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.inventory.project_copy import Project

PRODUCTION = "group_vars/production/differences.yml"
DELIVERED = "backup_repositories:\n  - type: host\n"


def said(project: Project, *inventories: str) -> list[str]:
    """What is wrong with backups."""
    found = dict.fromkeys(project.check(*(inventories or ("production",))))
    return [text for text in found if text.startswith(("backup", "group backup"))]


@pytest.fixture
def real(project: Project) -> Project:
    project.make_real()
    return project


def test_as_it_comes(real: Project) -> None:
    assert said(real) == []
    assert said(real, "staging") == []


@pytest.mark.parametrize("decided", ["backup_repositories: []\n", "", "backup_repositories: [{type: local}]\n"])
def test_production_without_a_place_off_its_machine(real: Project, decided: str) -> None:
    real.replace(PRODUCTION, DELIVERED, decided)
    (problem,) = said(real)
    assert problem.startswith("backup_repositories = ")
    assert "production has no backup off its machine" in problem
    assert "backup_repositories: [{type: host}]" in problem
    # The short way
    real.add(PRODUCTION, 'backup_none_because: "nothing in it is worth keeping"')
    assert said(real) == []


def test_others_need_none(real: Project) -> None:
    real.add("group_vars/staging/differences.yml", "backup_repositories: [{type: local}]")
    assert said(real, "staging") == []
    assert said(real, "dev") == []


def test_nobody_is_in_the_group(real: Project) -> None:
    real.replace("production.yml", "backup:\n  hosts:\n    backup1:\n", "")
    (problem,) = said(real)
    assert problem.startswith(f"backup_repositories = type: host (in inventories/{PRODUCTION}:")
    assert "no machine of production is in group backup" in problem


def test_two_machines_would_be_two_halves(real: Project) -> None:
    real.replace("production.yml", "backup:\n  hosts:\n", "backup:\n  hosts:\n    production1:\n")
    (problem,) = said(real)
    assert "production has one machine for its backups, not several" in problem


def test_a_place_is_there_once(real: Project) -> None:
    real.replace(PRODUCTION, DELIVERED, f"{DELIVERED}  - type: host\n")
    (problem,) = said(real)
    assert problem.startswith("backup_repositories[1] (in")
    assert "host is there twice" in problem


@pytest.mark.parametrize(
    ("decided", "words"),
    [
        ("backup_repositories: [{type: tape}]\n", "not one of host, local"),
        ("backup_repositories: [{}]\n", "type"),
        ("backup_repositories: host\n", "list"),
        (f"{DELIVERED}backup_keep: a month\n", "Write a whole number with s, m, h, d or w"),
        (f"{DELIVERED}backup_disk_limit: much\n", "whole number"),
        (f"{DELIVERED}backup_repositorys: []\n", "Write backup_repositories"),
    ],
)
def test_what_is_no_place(real: Project, decided: str, words: str) -> None:
    real.replace(PRODUCTION, DELIVERED, decided)
    assert any(words in text for text in project_problems(real)), project_problems(real)


def project_problems(project: Project) -> list[str]:
    return list(dict.fromkeys(project.check("production")))


def test_machines_that_talk_to_each_other_have_numbers(real: Project) -> None:
    real.replace("production.yml", "      machine_address: 203.0.113.32\n", "")
    (problem,) = [text for text in project_problems(real) if text.startswith("machine_address")]
    assert "is no IP address" in problem
