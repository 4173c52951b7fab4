"""PostgreSQL and Redis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.templates.reading import RECORDER, WATCH

if TYPE_CHECKING:
    from tests.support.expected import Expected
    from tests.templates.reading import Render


def test_database_listens_only_where_there_are_clients(hosts: list[Expected]) -> None:
    for rendered in hosts:
        major = rendered.machine["packages"]["postgresql"]
        path = f"/etc/postgresql/{major}/main/conf.d/samestack.conf"
        if path not in rendered.entries:
            continue
        text = rendered.text(path)
        clients = rendered.value("postgresql_clients")
        assert f"listen_addresses = '{'*' if clients else ''}'" in text
        rules = rendered.text(f"/etc/postgresql/{major}/main/pg_hba.conf")
        assert re.findall(r"^hostssl .*?(\S+)/32\s+scram-sha-256$", rules, re.MULTILINE) == clients
        assert not re.search(
            r"\b(trust|md5|password)\b", "\n".join(line for line in rules.splitlines() if line[:1] != "#")
        )


def test_shared_memory_is_counted_by_what_no_other_application_changes(hosts: list[Expected]) -> None:
    """Nginx takes none of its files up where a zone would be counted by another variable than before."""
    for rendered in hosts:
        if "/etc/nginx/conf.d/samestack.conf" not in rendered.entries:
            continue
        site = rendered.text("/etc/nginx/conf.d/samestack.conf")
        zones = re.findall(r"^limit_\w+_zone (\S+) zone=(\w+)", site, re.MULTILINE)
        assert len(zones) == len(re.findall("zone=.*:10m", site))
        assert rendered.value("__nginx_variable") not in str(zones)


def test_redis_needs_nothing_that_the_oldest_lacks(hosts: list[Expected]) -> None:
    # Redis 6.0 (Ubuntu 22.04) takes no `-` before an address; without a `bind`, every version listens everywhere.
    for rendered in hosts:
        if "/etc/redis/redis.conf" in rendered.entries:
            assert not re.search(r"^bind .* -", rendered.text("/etc/redis/redis.conf"), re.MULTILINE)


def test_an_application_that_knows_no_password_gets_into_redis_and_rules_nothing(render: Render) -> None:
    (rendered,) = render("debian-13", "without a password for redis")
    users = dict(re.findall(r"^user (\S+) (.*)$", rendered.text("/etc/redis/users.acl"), re.MULTILINE))
    assert users["default"].split()[:3] == ["reset", "on", "nopass"]
    assert "nopass" not in users["noticeboard"] + users["samestack"]
    assert users["default"].partition("~")[2] == users["noticeboard"].partition("~")[2]


def test_without_redis_nothing_of_it_is_left(render: Render) -> None:
    (rendered,) = render("ubuntu-22.04", "without redis")
    assert not [path for path in rendered.entries if "redis" in path and not path.startswith((RECORDER, WATCH))]
    assert "REDIS_URL" not in rendered.text("/etc/noticeboard/env")
    assert not any("redis" in package for package in rendered.value("host_packages"))
