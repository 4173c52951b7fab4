"""Tests of a release, where it is built."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from plugins.action.release_test import ActionModule
from tests.templates.reading import SECRETS

if TYPE_CHECKING:
    from tests.templates.reading import Render


def test_the_machine_that_builds_has_what_tests_need_and_no_server_for_it(render: Render) -> None:
    web, database = render("debian-13", "two machines, and tests of releases")
    extension = next(name for name in web.value("host_packages") if "postgis" in name)
    assert {"postgresql", "redis-server", extension} <= set(web.value("host_packages"))
    quiet = {entry["path"]: entry for entry in web.value("host_first_files")}
    assert quiet["/etc/systemd/system/redis-server.service"]["target"] == "/dev/null"
    assert "create_main_cluster = false" in quiet["/etc/postgresql-common/createcluster.d/tests.conf"]["content"]
    assert not [port for port in web.value("host_open_ports") if port["port"] in (5432, 6379)]
    # Where there are such servers, nothing keeps them from starting.
    states = [entry.get("state") for entry in database.value("host_first_files") if entry["path"] in quiet]
    assert states == ["absent"] * len(quiet)
    for one in render("debian-13", "two machines"):
        assert ("postgresql" in one.value("host_packages")) == (one.host == "production2")
    # Text for a shell, whatever the decisions have in it.
    servers = {one["name"]: one for one in web.value("release_test_servers")}
    assert set(servers) == {"postgresql", "redis"}
    assert 'CREATE EXTENSION IF NOT EXISTS "postgis" CASCADE;' in servers["postgresql"]["start"]
    for one in servers.values():
        for text in (one["start"], one["stop"]):
            assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0


@pytest.mark.parametrize("variant", ["staging", "two machines, and tests of releases", "with memcached"])
def test_tests_of_a_release_have_addresses_of_their_own_and_no_secret(render: Render, variant: str) -> None:
    web = render("debian-13", variant)[0]
    action = object.__new__(ActionModule)
    action._templar = web.templars["django"]
    variables = dict(action._templar.available_variables)
    found = action._environment(web.value("release_test_servers"), variables)
    assert found["DATABASE_URL"] == "postgresql://noticeboard@/noticeboard"
    assert found["REDIS_URL"] == "redis://noticeboard:scratch@127.0.0.1:6379"
    assert found.get("MEMCACHED_LOCATION", "127.0.0.1:11211") == "127.0.0.1:11211"
    known = [action._templar.template(variables[name]) for name in SECRETS]
    assert not [name for name, text in found.items() if text and any(secret in text for secret in known)]
