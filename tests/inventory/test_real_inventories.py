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
