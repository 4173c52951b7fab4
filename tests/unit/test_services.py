"""A service is a thing: its role says what it is, and nothing else names it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cli import logs
from plugins.filter.services import service_hosts
from plugins.plugin_utils.inventory.files import service_declarations

REPO = Path(__file__).resolve().parents[2]
#: Those that an application may do without
LIBRARIES = "plugins/module_utils/release/causes.py"
#: More than a service: verbs, and a program of hosts
MORE = ("backup",)
OPTIONAL = [name for name, one in service_declarations().items() if one["wanted"] is not True and name not in MORE]
ROOMS = ("plugins", "playbooks", "inventories", "roles", "defaults", "wiring", "cli", "box")


@pytest.mark.parametrize("name", OPTIONAL)
def test_nothing_outside_the_role_names_it(name: str) -> None:
    """But for its line among the roles, the example's own decision, and libraries that people's packages need."""
    command = ["git", "grep", "-il", name, "--", *ROOMS, f":!roles/{name}"]
    found = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False).stdout.split()
    assert set(found) <= {"playbooks/site.yml", "inventories/group_vars/all/app.yml", LIBRARIES}
    site = (REPO / "playbooks/site.yml").read_text(encoding="utf-8")
    assert len([line for line in site.splitlines() if name in line]) == 1


def test_there_are_some() -> None:
    assert {"redis", "memcached"} <= set(OPTIONAL)
    assert {"postgresql", "nginx"} <= set(service_declarations())


@pytest.mark.parametrize("name", service_declarations())
def test_it_says_what_it_is_in_words_that_the_page_explains(name: str) -> None:
    service = service_declarations()[name]
    page = (REPO / "docs/services.md").read_text(encoding="utf-8")
    assert {"wanted", "group", "purpose", "packages", "units", "ports"} <= set(service)
    for key in service:
        assert re.search(rf"^\|.*`{key}`.*\|", page, re.MULTILINE), key
    assert re.search(rf"\b{name}\b", page, re.IGNORECASE)


def test_where_services_are() -> None:
    """Any number of machines, of the environment alone; a service that nobody wants is nowhere."""
    services = {
        "one": {"wanted": True, "group": "cache"},
        "two": {"wanted": True, "group": "nobody"},
        "three": {"wanted": False, "group": "cache"},
    }
    groups = {"cache": ["a", "b", "elsewhere"]}
    assert service_hosts(services, groups, ["a", "b"]) == {"one": ["a", "b"], "two": []}


def test_logs_follow_what_services_write() -> None:
    found = logs.services()
    assert found.files["access"] == "/var/log/nginx/access.log"
    assert {"nginx", "postgresql", "redis", "memcached"} <= set(found.units)
    assert logs.source_of("redis-server.service", "shop") == "redis"
    assert logs.source_of("postgresql@17-main.service", "shop") == "postgresql"
