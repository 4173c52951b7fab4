"""The system: apt, sudo, ssh, the firewall, who reaches whom."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.templates.reading import environment

if TYPE_CHECKING:
    from tests.support.expected import Expected
    from tests.templates.reading import Render


def test_a_machine_says_whose_it_is(hosts: list[Expected]) -> None:
    """What cannot be read counts as nobody's machine, which refuses nobody."""
    for rendered in hosts:
        said = json.loads(rendered.text("/etc/samestack/machine.json"))
        assert {"app", "environment", "keys", "former"} <= set(said)


def test_no_apt_run_restarts_services(hosts: list[Expected]) -> None:
    for rendered in hosts:
        there = rendered.matching(r"/etc/needrestart/.*")
        assert bool(there) == (rendered.machine["os"] == "ubuntu")
        assert all("\n$nrconf{restart} = 'l';\n" in rendered.text(path) for path in there)


def test_sudo_is_told_what_the_installed_one_knows(hosts: list[Expected]) -> None:
    for rendered in hosts:
        text = rendered.text("/etc/sudoers.d/samestack")
        assert "Defaults use_pty" in text
        assert ("logfile" in text) == (not rendered.machine["sudo_rs"])


def test_ports_are_open_for_those_who_need_them(hosts: list[Expected]) -> None:
    for rendered in hosts:
        text = rendered.text("/etc/nftables.conf")
        assert "policy drop;" in text
        anyone = {int(port) for port in re.findall(r"^\s*tcp dport (\d+) accept", text, re.MULTILINE)}
        rules = rendered.value("host_open_ports")
        assert anyone == {rule["port"] for rule in rules if not rule.get("from")}
        wanted = {rule["port"]: {*rule["from"]} for rule in rules if rule.get("from")}
        found: dict[int, set[str]] = {}
        for sources, port in re.findall(r"saddr \{ (.*) \} tcp dport (\d+) accept", text):
            found.setdefault(int(port), set()).update(sources.split(", "))
        assert found == wanted


def test_ports_are_forwarded_by_machines_of_the_application_alone(render: Render) -> None:
    forwarded = {
        one.host: re.findall(r"^AllowTcpForwarding (.*)$", one.text("/etc/ssh/sshd_config.d/00-samestack.conf"), re.M)
        for one in render("debian-12", "with a monitor")
    }
    assert forwarded == {"production1": ["local"], "production2": ["local"], "monitor1": ["no"]}


@pytest.mark.parametrize("release", ["debian-13", "ubuntu-22.04"])
def test_two_machines_talk_over_tls_only(render: Render, release: str) -> None:
    web, database = render(release, "two machines")
    assert "postgresql" not in web.templars
    assert "nginx" not in database.templars
    major = database.machine["packages"]["postgresql"]
    settings = database.text(f"/etc/postgresql/{major}/main/conf.d/samestack.conf")
    assert "ssl = 'on'" in settings
    redis = database.text("/etc/redis/redis.conf")
    assert re.search(r"^port 0$", redis, re.MULTILINE)
    assert re.search(r"^tls-port 6379$", redis, re.MULTILINE)
    variables = environment(web.text(f"/etc/{web.value('app_name')}/env"))
    assert "@10.0.3.32:5432/" in variables["DATABASE_URL"]
    assert "sslmode=verify-full" in variables["DATABASE_URL"]
    assert variables["REDIS_URL"].startswith("rediss://")


def test_one_machine_is_reached_from_itself_only(render: Render) -> None:
    (rendered,) = render("debian-13", "release")
    variables = environment(rendered.text("/etc/noticeboard/env"))
    assert "@/" in variables["DATABASE_URL"]
    assert re.fullmatch(r"redis://noticeboard:[^@]+@127\.0\.0\.1:6379", variables["REDIS_URL"])
    redis = rendered.text("/etc/redis/redis.conf")
    assert re.search(r"^bind 127\.0\.0\.1$", redis, re.MULTILINE)
    assert "tls-port" not in redis
    # Whoever comes with the password alone is nobody else: the same rights, no more.
    users = dict(re.findall(r"^user (\S+) (.*)$", rendered.text("/etc/redis/users.acl"), re.MULTILINE))
    assert users["default"] == users["noticeboard"]
    assert "nopass" not in str(users)
    assert "listen_addresses = ''" in rendered.text("/etc/postgresql/17/main/conf.d/samestack.conf")


def test_machines_of_an_environment_answer_each_other(render: Render) -> None:
    socket, service = (f"/etc/systemd/system/samestack-watch-answer{end}" for end in (".socket", "@.service"))
    web, database = render("ubuntu-22.04", "two machines")
    for one, other in ((web, database), (database, web)):
        (rule,) = [rule for rule in one.value("host_open_ports") if rule["port"] == 8434]
        assert rule["from"] == [other.value("machine_address")]
        assert f"ListenStream={rule['port']}" in one.text(socket)
        pair = re.findall(r"^LoadCredential=pair:(.*)$", one.text(service), re.MULTILINE)
        target = one.entries[pair[0]]["target"]
        assert "PRIVATE KEY" in one.text(f"/etc/samestack/{target}")
        assert one.entries[f"/etc/samestack/{target}"]["mode"] == "0600"
        peers = json.loads(one.text("/etc/samestack/watch.json"))["peers"]
        assert peers == [{"name": each.host, "address": each.value("machine_address")} for each in (web, database)]
    (alone,) = render("ubuntu-22.04", "without redis")
    assert not [path for path in alone.matching(".*") if "watch-answer" in path or "watch-server" in path]
    assert 8434 not in [rule["port"] for rule in alone.value("host_open_ports")]


def test_nobody_waits_for_a_machine_that_has_nothing_to_keep(render: Render) -> None:
    """Local machines of that kind are not even made."""
    found = {one.host: one for one in render("debian-13", "a machine with nothing to keep")}
    for name, one in found.items():
        peers = [peer["name"] for peer in json.loads(one.text("/etc/samestack/watch.json"))["peers"]]
        assert peers == ([] if name == "backup1" else ["production1", "monitor1"])
    assert '"backup1"' not in found["monitor1"].text("/etc/prometheus/samestack.yml")
    kept = {one.host: one for one in render("debian-13", "backups over ipv6")}
    peers = [peer["name"] for peer in json.loads(kept["backup1"].text("/etc/samestack/watch.json"))["peers"]]
    assert peers == ["production1", "backup1"]
