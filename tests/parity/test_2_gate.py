"""A promotion with a difference: refused with the command that mends it, and done after that command."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support import versions

if TYPE_CHECKING:
    from tests.parity.conftest import Rehearsal

LOUD = "the fair is on"
INSTALL = "apt-get install -qq -y tree >/dev/null"


def options(accept: str, reason: str = "") -> list[str]:
    """Return the options that accept differences."""
    return ["--rehearsal", "--accept", accept, *(["--reason", reason] if reason else [])]


@pytest.fixture(scope="module", autouse=True)
def offered(team: Rehearsal) -> str:
    """A release that staging serves and somebody accepted; production serves another one."""
    release = team.deploy("staging", team.commit("offered", versions.touch))
    team.samestack("accept", "staging")
    assert team.live("production") != release
    return release


def test_refused_until_it_is_mended(team: Rehearsal, offered: str) -> None:
    production = team.machine("production")
    production.run(INSTALL)
    assert "Not met: packages/tree is drift" in team.samestack("plan", "production")
    said = team.refuses("promote", "production")
    assert "packages/tree is drift" in said
    for wrong, why in (
        ("packages/tr*", "by key or by section"),
        ("packages/trea", "Write packages/tree"),
        ("system/host name", "needs no acceptance"),
    ):
        assert why in team.clone.refuses("promote", *options(wrong, LOUD)), wrong
    assert "parity_reason" in team.clone.refuses("promote", *options("packages/tree"))
    (command,) = set(re.findall(r"`on production1: ([^`]+)`", said))
    production.run(f"{command} -qq -y >/dev/null")
    team.samestack("promote", "production")
    assert team.live("production") == offered


def test_drift_and_manifest_for_programs(team: Rehearsal) -> None:
    production = team.machine("production")
    production.run(INSTALL)
    for verb, text in (("drift", '"packages", "key": "tree"'), ("manifest", '"tree"')):
        (line,) = team.clone.samestack(verb, "production", "--rehearsal", "--json").splitlines()
        found = json.loads(line)
        assert found["host"] == production.name
        assert text in json.dumps(found[verb])
    production.run("dpkg --purge tree >/dev/null")


def test_accepted_by_name_and_by_section_and_with_a_reason(team: Rehearsal) -> None:
    production = team.machine("production")
    release = team.deploy("staging", team.commit("accepted", versions.touch))
    team.samestack("accept", "staging")
    before = production.run("sysctl -n net.ipv4.tcp_fin_timeout").strip()
    production.run(f"{INSTALL}; sysctl -qw net.ipv4.tcp_fin_timeout=61")
    accept = options("kernel/net.ipv4.tcp_fin_timeout", LOUD)
    said = team.clone.samestack("promote", *accept, "--accept-section", "packages")
    names = ["kernel/net.ipv4.tcp_fin_timeout", "packages/tree"]
    assert all(f"{name} (drift)" in said for name in names)
    assert team.live("production") == release
    line = team.ledger("production")[-1]
    assert (sorted(line["differences_accepted"]), line["differences_reason"]) == (names, LOUD)
    production.run(f"dpkg --purge tree >/dev/null; sysctl -qw net.ipv4.tcp_fin_timeout={before}")
    team.samestack("provision", "production")


@pytest.mark.parametrize(
    ("key", "script"),
    [
        ("release/changed", "cd /srv/{app}/current/source && cp manage.py new && echo '#' >> new && mv new manage.py"),
        ("files//etc/nginx/nginx.conf", "echo '#' >> /etc/nginx/nginx.conf"),
        ("kernel/net.ipv4.tcp_fin_timeout", "sysctl -qw net.ipv4.tcp_fin_timeout=61"),
        ("postgresql/setting:work_mem", "cd / && sudo -u postgres psql -q -c \"ALTER SYSTEM SET work_mem = '7MB'\""
         " -c 'SELECT pg_reload_conf()' >/dev/null && sleep 1"),
    ],
)  # fmt: skip
def test_the_command_that_is_printed_mends_it(team: Rehearsal, key: str, script: str) -> None:
    production = team.machine("production")
    production.run(script.format(app=production.app))
    found = [one for one in team.parity()["differences"] if one["class"] in ("drift", "unexplained")]
    assert key in {one["name"] for one in found}
    for command in dict.fromkeys(command for one in found for command in one["mend"]):
        if command.startswith("./samestack "):
            team.clone.samestack(*shlex.split(command)[1:])
        else:
            production.run(f"cd /; {command.removeprefix('on production1: ')}; sleep 1")
    assert team.parity()["match"], found
