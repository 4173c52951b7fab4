"""A service is a thing: its role says what it is, and nothing else names it."""

from __future__ import annotations

import fnmatch
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
#: Reads what strangers' projects say, by whatever name
STRANGERS = "plugins/plugin_utils/adoption"
#: What settings call an address
ADDRESSES = "plugins/plugin_utils/project/variables.py"
#: What a monitor asks of the numbers that exporters have
RULES = "roles/monitor/files/rules.yml"
#: More than a service: verbs, and a program of hosts; a decision of the watch; a machine that knows all others
MORE = ("backup", "exporters", "monitor")
OPTIONAL = [name for name, one in service_declarations().items() if one["wanted"] is not True and name not in MORE]
ROOMS = ("plugins", "playbooks", "inventories", "roles", "defaults", "wiring", "cli", "box")


@pytest.mark.parametrize("name", OPTIONAL)
def test_nothing_outside_the_role_names_it(name: str) -> None:
    """But for its line among the roles, the example's own decision, and what people's packages and projects call it."""
    command = ["git", "grep", "-il", name, "--", *ROOMS, f":!roles/{name}", f":!{STRANGERS}"]
    found = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False).stdout.split()
    assert set(found) <= {"playbooks/site.yml", "inventories/group_vars/all/app.yml", LIBRARIES, ADDRESSES, RULES}
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


@pytest.mark.parametrize("name", service_declarations())
def test_what_its_units_write_is_found_under_its_name(name: str) -> None:
    units = re.findall(r"[a-z][\w-]*\.(?:service|timer|socket)", str(service_declarations()[name]["units"]))
    assert units
    for unit in units:
        assert logs.source_of(unit, "shop") == name, unit
        assert logs.wanted([name], "", "", []).has_source(name)
        assert any(fnmatch.fnmatch(unit, one) for one in logs.wanted([name], "", "", []).units("shop")), unit


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
    assert logs.source_of("samestack-backup-drill.service", "shop") == "backup"
    assert logs.source_of("prometheus-redis-exporter.service", "shop") == "exporters"
    assert logs.source_of("samestack-manifest.service", "shop") == "samestack-manifest"
    assert logs.source_of("postgresql@17-main.service", "shop") == "postgresql"
