"""The project that `wagtail start` gives, in both environments, by variables only."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.clone import PROJECT, Clone
from tests.support.machines import Environment, inventory_of, the_environment
from tests.support.pythons import pack
from tests.support.team import Team

DECISIONS = {
    "app_name": "mysite",
    "app_settings_module": "mysite.settings.production",
    "app_health_path": "/",
    "app_redis": False,
    "app_workers": {},
    "app_timers": {},
    "web_content_security_policy": "",
}


@pytest.fixture(scope="session")
def environment(pytestconfig: pytest.Config) -> Environment:
    """The inventory with another application: decided before anything is read of it."""
    inventory = inventory_of(pytestconfig)
    Clone(inventory.parents[1]).decide(**DECISIONS)
    return the_environment(inventory)


@pytest.fixture(scope="session")
def team(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Both environments, provisioned, nothing deployed yet."""
    project = tmp_path_factory.mktemp("wagtail") / "mysite"
    python = ".".join(environment.facts["staging1"]["python"].split(".")[:2])
    generator = [str(PROJECT / "tests" / "wagtail_project"), str(project), python]
    tools = {**os.environ, "UV": str(PROJECT / ".samestack" / "uv" / "bin" / "uv")}
    done = subprocess.run(generator, env=tools, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = Team(environment)
    # Its Python comes with the release, to three machines.
    folder = tmp_path_factory.mktemp("pythons")
    version, _digest = pack(found.machine("staging"), folder)
    brought = {"app_python": version, "app_python_downloads": str(folder / "list.json")}
    found.start(project, **DECISIONS, **brought)
    return found
