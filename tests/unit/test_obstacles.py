"""What others have on a machine that is in the way of a provision, by what its programs say."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.standalone import obstacles
from plugins.module_utils.standalone.obstacles import (
    Cluster,
    closed_by,
    closed_by_old_rules,
    clusters,
    few_inodes,
    nginx_sites,
    shut_out,
    strange_clusters,
    taken_ports,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

WEB = [80, 443]
#: As `systemctl list-sockets` has them
SOCKETS = """\
/run/dbus/system_bus_socket dbus.socket    dbus.service
[::]:80                     cockpit.socket cockpit@.service
[::]:8080                   other.socket   other.service
"""


def whats(found: Iterable[dict[str, str]]) -> list[str]:
    return [one["what"] for one in found]


def test_it_runs_by_itself_with_nothing_but_the_standard_library() -> None:
    request = {"ports": {}, "users": [], "postgresql": "", "port": 5432, "names": []}
    program = Path(obstacles.__file__).read_bytes()
    command = [sys.executable, "-I", "-S", "-", json.dumps(request)]
    done = subprocess.run(command, input=program, capture_output=True, check=True)
    assert isinstance(json.loads(done.stdout), list)


def test_a_port_that_another_program_has() -> None:
    """By a real socket of this process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        (found,) = taken_ports({port: ["nginx.service"], "1": ["postgresql.service"]})
        assert found["what"].startswith(f"port {port}, which nginx needs, is taken by ")
        assert "another machine" in found["fix"]


@pytest.mark.parametrize(
    ("cgroup", "units", "says"),
    [
        ("0::/system.slice/apache2.service", ["nginx.service"], "apache2 (apache2.service)"),
        ("0::/system.slice/docker-0f.scope", ["nginx.service"], "nginx (docker-0f.scope)"),
        ("0::/init.scope", ["nginx.service"], "systemd (cockpit.socket)"),
        ("0::/init.scope", ["shop.timer", "cockpit.socket"], ""),
        ("0::/system.slice/nginx.service", ["nginx.service"], ""),
        ("0::/system.slice/system-postgresql.slice/postgresql@17-main.service", ["postgresql.service"], ""),
    ],
)
def test_whose_the_program_is(tmp_path: Path, cgroup: str, units: list[str], says: str) -> None:
    (tmp_path / "net").mkdir()
    row = "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000 100"
    (tmp_path / "net" / "tcp").write_text(f"  sl  local_address rem_address   st …\n{row}\n")
    process = tmp_path / "77"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to("socket:[4242]")
    (process / "comm").write_text(f"{says.split(maxsplit=1)[0] if says else 'x'}\n")
    (process / "cgroup").write_text(f"{cgroup}\n")
    found = list(taken_ports({"80": units, "443": units}, str(tmp_path), SOCKETS))
    if not says:
        assert found == []
        return
    assert whats(found) == [f"port 80, which nginx needs, is taken by {says}"]
    unit = says[says.index("(") + 1 : -1]
    assert (f"`sudo systemctl disable --now {unit}`" in found[0]["fix"]) == unit.endswith((".service", ".socket"))


@pytest.mark.parametrize(
    ("settings", "out"),
    [
        ("port 22\npasswordauthentication yes\n", ""),
        ("allowusers vagrant\nallowusers anna\n", ""),
        ("allowusers bob\n", "anna, vagrant"),
        ("allowusers vagrant\n", "anna"),
        ("allowusers a*@10.0.0.* vagrant\n", ""),
        ("denyusers anna\n", "anna"),
        ("denyusers bob\n", ""),
    ],
)
def test_who_is_not_let_in(tmp_path: Path, settings: str, out: str) -> None:
    file = tmp_path / "sshd_config"
    name = "DenyUsers" if "deny" in settings else "AllowUsers"
    file.write_text(f"# sshd\n\n{name.upper()} whoever\n")
    found = list(shut_out(["anna", "vagrant", "anna"], settings, [str(file)]))
    if not out:
        assert found == []
        return
    assert found[0]["what"].startswith(f"sshd there does not let {out} in ({name} ")
    assert f"{file}:3" in found[0]["what"]


LISTED = "15 main 5432 online postgres {0}/15 /log\n17 main 5433 online postgres {0}/17 /log\n"


def test_a_cluster_that_an_upgrade_in_place_has_left(tmp_path: Path) -> None:
    """PostgreSQL's own databases have the numbers below 16384."""
    for version, numbers in (("15", ["1", "4", "5", "16385"]), ("17", ["1", "4", "5"])):
        for number in numbers:
            (tmp_path / version / "base" / number).mkdir(parents=True)
    found = clusters(LISTED.format(tmp_path) + "Warning: something else\n")
    assert found == [Cluster("15", "main", 5432, True, True), Cluster("17", "main", 5433, True, False)]
    (one,) = strange_clusters(found, "17", 5432)
    assert one["what"].startswith("PostgreSQL 15/main has the databases, and 17/main, ")
    assert "`sudo pg_dropcluster --stop 17 main && sudo pg_upgradecluster 15 main`" in one["fix"]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([Cluster("17", "main", 5432, True, True)], ""),
        ([Cluster("17", "main", 5432, True, False)], ""),
        ([], ""),
        # After the upgrade the old one is still there, and down.
        ([Cluster("15", "main", 5433, False, True), Cluster("17", "main", 5432, True, True)], ""),
        ([Cluster("15", "main", 5433, True, False), Cluster("17", "main", 5432, True, False)], ""),
        ([Cluster("15", "main", 5432, True, False), Cluster("17", "main", 5433, True, False)], "has port 5432"),
        ([Cluster("15", "main", 5432, False, True)], "is not there"),
        # Another one's cluster of the same version is no upgrade.
        ([Cluster("17", "shop", 5433, True, True), Cluster("17", "main", 5432, True, False)], ""),
        ([Cluster("17", "shop", 5432, True, True), Cluster("17", "main", 5433, True, False)], "has port 5432"),
    ],
)
def test_clusters(found: list[Cluster], says: str) -> None:
    texts = whats(strange_clusters(found, "17", 5432))
    assert [says in text for text in texts] == ([True] if says else [])


def test_other_sites_of_nginx(tmp_path: Path) -> None:
    root = f"{tmp_path}/"
    for folder in ("conf.d", "sites-enabled"):
        (tmp_path / "etc/nginx" / folder).mkdir(parents=True)
    conf = tmp_path / "etc/nginx/conf.d"
    (conf / "samestack.conf").write_text("# Made by Samestack from x\nserver { listen 80 default_server; }\n")
    (conf / "beside.conf").write_text("server { listen 80; server_name blog.example.org; }\n")
    assert list(nginx_sites(["shop.test"], root)) == []
    (conf / "same.conf").write_text("server { listen 443 ssl;\n  server_name\n    SHOP.test other.test; }\n")
    (tmp_path / "etc/nginx/sites-enabled/blog").write_text(
        "server { # ;\n listen [::]:80 ipv6only=on default_server; server_name blog.test; }\n"
    )
    (tmp_path / "etc/nginx/nginx.conf").write_text("http {\n    server { listen 81; }\n}\n")
    same, blog, main = nginx_sites(["shop.test"], root)
    assert same["what"] == "/etc/nginx/conf.d/same.conf serves shop.test already"
    assert blog["what"].startswith("/etc/nginx/sites-enabled/blog answers for every name")
    assert "which serves blog.test," in blog["fix"]
    assert "`sudo rm /etc/nginx/sites-enabled/blog`" in blog["fix"]
    assert main["what"].startswith("/etc/nginx/nginx.conf has sites")


def ruleset(*rules: list[Any], policy: str = "drop", table: str = "filter", hook: str = "input") -> str:
    chain = {"family": "inet", "table": table, "name": "INPUT", "type": "filter", "hook": hook, "policy": policy}
    listed = [{"rule": {"family": "inet", "table": table, "chain": "INPUT", "expr": list(expr)}} for expr in rules]
    return json.dumps({"nftables": [{"metainfo": {}}, {"chain": chain}, *listed]})


def dport(right: Any) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": right}}


ACCEPT: dict[str, Any] = {"accept": None}
ESTABLISHED = [{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, ACCEPT]
LOOPBACK = [{"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "lo"}}, ACCEPT]
COUNTER = {"counter": {"packets": 0, "bytes": 0}}
SSH = [dport(22), ACCEPT]


@pytest.mark.parametrize(
    ("given", "shut"),
    [
        (ruleset(ESTABLISHED, LOOPBACK, SSH), "80 and 443"),
        (ruleset(ESTABLISHED, SSH, [dport(80), COUNTER, ACCEPT]), "443"),
        (ruleset(SSH, [COUNTER, {"reject": {"type": "icmp"}}], policy="accept"), "80 and 443"),
        (ruleset(SSH, [dport({"set": [80, 443]}), ACCEPT]), ""),
        (ruleset(SSH, [dport({"set": [22, {"range": [80, 443]}]}), ACCEPT]), ""),
        (ruleset(SSH, policy="accept"), ""),
        (ruleset(SSH, hook="forward"), ""),
        (ruleset(SSH, table="samestack"), ""),
        # What is not looked into, is not judged.
        (ruleset(SSH, [{"vmap": {"key": {}, "data": {"set": []}}}]), ""),
        (ruleset([{"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv4"}}, ACCEPT]), ""),
        ("", ""),
        ("[]", ""),
    ],
)
def test_firewalls_of_others(given: str, shut: str) -> None:
    found = list(closed_by(given, WEB))
    assert [f"lets nobody come to port {shut}" in one["what"] for one in found] == ([True] if shut else [])
    if shut:
        assert "`sudo nft delete table inet filter" in found[0]["fix"]


@pytest.mark.parametrize(
    ("given", "shut"),
    [
        ("*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n", "80 and 443"),
        (
            "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT\n"
            "-A INPUT -j REJECT --reject-with icmp-host-prohibited\nCOMMIT\n",
            "443",
        ),
        ("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", ""),
        ("*filter\n:INPUT DROP [0:0]\n-A INPUT -j my-chain\nCOMMIT\n", ""),
    ],
)
def test_the_older_kind_of_rules(given: str, shut: str) -> None:
    found = list(closed_by_old_rules(given, WEB))
    assert [f"lets nobody come to port {shut}" in one["what"] for one in found] == ([True] if shut else [])


def test_a_file_system_without_room_for_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)

    def with_inodes(total: int, free: int) -> None:
        values = list(real)
        values[5], values[6], values[7] = total, free, free
        monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(values))

    with_inodes(65536, 312)
    (found,) = few_inodes([str(tmp_path), str(tmp_path)])
    assert "room for 312 more files" in found["what"]
    # Btrfs has no fixed number of them.
    with_inodes(0, 0)
    assert list(few_inodes([str(tmp_path)])) == []
