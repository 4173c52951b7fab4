"""A machine that collects numbers: one, which firewalls are told by its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.inventory.project_copy import Project

MONITOR = "monitor:\n  hosts:\n    monitor1:\n"


@pytest.fixture
def real(project: Project) -> Project:
    project.make_real()
    project.add("group_vars/all/app.yml", "watch_exporters: true")
    project.add("production.yml", MONITOR)
    backup = "    backup1:\n      ansible_host"
    project.replace("production.yml", backup, f"    monitor1: {{machine_address: 10.0.0.9}}\n{backup}")
    return project


def said(project: Project) -> list[str]:
    found = dict.fromkeys(project.check("production"))
    return [text for text in found if not text.startswith("secrets of")]


def test_one_is_taken(real: Project) -> None:
    assert said(real) == []


def test_a_name_is_no_address(real: Project) -> None:
    real.replace("production.yml", "machine_address: 10.0.0.9", "machine_address: monitor.shop.test")
    (problem,) = said(real)
    assert problem.startswith("machine_address = monitor.shop.test")
    assert "the firewalls of the other machines have to name this one" in problem


def test_two_would_tell_everything_twice(real: Project) -> None:
    real.replace("production.yml", MONITOR, MONITOR + "    backup1:\n")
    (problem,) = said(real)
    assert "production has one machine for this, not several" in problem


def test_an_environment_may_go_without_numbers(real: Project) -> None:
    real.add("group_vars/staging/differences.yml", "watch_exporters: false")
    assert not [text for text in real.check("staging") if "watch_exporters" in text]
