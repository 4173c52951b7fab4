"""The laws, on the inventories that are in this repository."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.inventory.project_copy import Project


def test_development_is_legal(project: Project) -> None:
    assert project.check("dev") == []


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_rehearsals_are_legal_and_need_nothing_from_anybody(project: Project, environment: str) -> None:
    assert project.check("rehearsal", limit=environment) == []


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_real_environments_ask_for_names_and_secrets_and_nothing_else(project: Project, environment: str) -> None:
    problems = project.check(environment)
    names = {re.split(r"[ \[]", problem)[0] for problem in problems if "placeholder" in problem}
    rest = [problem for problem in problems if "placeholder" not in problem]
    assert {"app_domains", "web_tls.email", "ansible_host"} == names
    assert len(rest) == 1
    assert f"Run `./samestack secrets {environment}`" in rest[0]
    project.make_real()
    assert project.check(environment) == rest


def test_what_init_left_open_is_asked_for_before_a_server_gets_it(project: Project) -> None:
    project.make_real()
    before = project.check("staging")
    project.replace("group_vars/all/app.yml", "# app_env: {}", "app_env: {REGION: change-me, TITLE: change-me-not}")
    assert project.check("dev") == []
    (problem,) = set(project.check("staging")) - set(before)
    assert "app_env.REGION = change-me (in inventories/group_vars/all/app.yml:" in problem
    assert "placeholder" in problem


@pytest.mark.parametrize(("decided", "out"), [("[]", True), ("[{type: local}]", True), ("[{type: host}]", False)])
def test_a_server_with_no_backups_to_keep_is_taken_out(project: Project, decided: str, *, out: bool) -> None:
    file = "group_vars/production/differences.yml"
    project.replace(file, "backup_repositories:\n  - type: host\n", f"backup_repositories: {decided}\n")
    project.add(file, "backup_none_because: nothing in it is worth keeping")
    (said,) = (text for text in project.check("production") if text.startswith("ansible_host = backup.example.com"))
    assert ("Take the host out" in said) == out
    project.replace("production.yml", "worker:\n  hosts:\n", "worker:\n  hosts:\n    backup1:\n")
    (said,) = (text for text in project.check("production") if text.startswith("ansible_host = backup.example.com"))
    assert "Write your own in its place" in said


def test_every_environment_is_the_same_but_for_what_is_declared(project: Project) -> None:
    """The same decision cannot be made in two places, in whichever environment the run is."""
    for environment in ("staging", "production"):
        project.add(f"group_vars/{environment}/differences.yml", "release_keep: 2")
    assert len([problem for problem in project.check("dev") if "same in every environment" in problem]) == 2


def test_a_colleague_has_no_folder_of_somebody_elses(project: Project) -> None:
    """Only the live machine serves `live_checkout`, and only a deployment needs the code: CI promotes without both."""
    project.make_real()
    project.replace(
        "group_vars/all/app.yml",
        "  type: path\n  path: examples/noticeboard\n",
        "  {type: git, url: 'git@github.com:you/yours.git', live_checkout: ../nobodys, deploy_key: ~/.ssh/nobodys}\n",
    )

    def missing(*inventories: str, fetches: bool) -> list[str]:
        found = project.check(*inventories, fetches=fetches)
        # Once for each machine
        return list(dict.fromkeys(text.split(" ")[0] for text in found if text.startswith("app_source")))

    assert missing("dev", fetches=False) == ["app_source.live_checkout"]
    assert missing("staging", fetches=False) == []
    assert missing("production", fetches=True) == ["app_source.deploy_key"]
    project.replace(
        "group_vars/all/app.yml", "type: git, url: 'git@github.com:you/yours.git'", "type: path, path: ../no"
    )
    assert missing("staging", fetches=False) == []
    assert "app_source.path" in missing("staging", fetches=True)
