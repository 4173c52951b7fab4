"""`./samestack upgrade` on machines that serve. In order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.stack import STAGING

if TYPE_CHECKING:
    from tests.support.stack import Stack

# What of it has an older version in the archive, on the site's machine and on the database's
OLDER = {"staging1": ["nginx", "nginx-common", "libssl3t64", "openssl", "openssl-provider-legacy"],
         "staging2": ["libssl3", "openssl"]}  # fmt: skip


@pytest.fixture(scope="module")
def newest(stack: Stack) -> dict[str, dict[str, str]]:
    """Machines with packages below the newest, and the processes that run with them; returns what they had before."""
    before = {name: stack.versions(name) for name in STAGING}
    for name, packages in OLDER.items():
        offered = stack.offered(name, packages)
        # The newest but one of each
        lower = {package: version for package, version, _ in reversed(offered) if version != before[name][package]}
        assert lower.keys() == set(packages)
        words = [f"{package}={version}" for package, version in lower.items()]
        apt = "DEBIAN_FRONTEND=noninteractive apt-get -q -y install --allow-downgrades --no-remove"
        stack.run(name, f"{apt} {' '.join(words)}")
    stack.run("staging2", "systemctl restart 'postgresql@*' redis-server")
    stack.run("staging1", "systemctl restart 'noticeboard-web@*' nginx")
    stack.samestack("lock-stack", "staging")
    return before


def instance(stack: Stack) -> str:
    return stack.run("staging1", "systemctl list-units --plain --no-legend 'noticeboard-web@*'").split()[0]


def test_a_frozen_environment_is_not_upgraded(stack: Stack, newest: dict[str, dict[str, str]]) -> None:
    stack.samestack("freeze", "staging")
    said = stack.clone.refuses(*stack.arguments("upgrade", "staging"))
    stack.samestack("unfreeze", "staging")
    assert "staging is frozen" in said
    assert stack.versions("staging1") != newest["staging1"]


def test_a_preview_changes_nothing(stack: Stack, newest: dict[str, dict[str, str]]) -> None:
    before = {name: stack.versions(name) for name in STAGING}
    assert "Would raise: " in stack.samestack("upgrade", "staging", "--check")
    assert {name: stack.versions(name) for name in STAGING} == before


def test_everything_is_the_newest_and_runs_with_it(stack: Stack, newest: dict[str, dict[str, str]]) -> None:
    old = instance(stack)
    said = stack.samestack("upgrade", "staging")
    assert {name: stack.versions(name) for name in STAGING} == newest
    assert instance(stack) != old
    assert "postgresql@15-main.service" in said
    assert "PostgreSQL was restarted" in said
    assert said.count("https://staging.noticeboard.test/healthz/ answers") == len(STAGING)
    assert said.index("staging1: https") < said.index("staging2  host : Upgrade the packages")
    assert "./samestack lock-stack staging" in said
    for name, packages in OLDER.items():
        line = stack.ledger(name)
        assert (line["verb"], line["result"], line["packages"]) == ("upgrade", "ok", len(packages))
        for package in packages:
            assert line["raised"][package].endswith(f" → {newest[name][package]}")
    for name in STAGING:
        maps = "grep -l 'libssl.* (deleted)' /proc/[0-9]*/maps 2>/dev/null || true"
        left = stack.run(name, f"for file in $({maps}); do cat ${{file%maps}}comm; done")
        assert not {"nginx", "gunicorn", "postgres", "redis-server"} & set(left.split())


def test_the_second_upgrade_does_nothing(stack: Stack, newest: dict[str, dict[str, str]]) -> None:
    assert "Nothing changed on staging1, staging2." in stack.samestack("upgrade", "staging")


def test_the_lock_adopts_it(stack: Stack, newest: dict[str, dict[str, str]]) -> None:
    said = stack.samestack("lock-stack", "staging")
    assert f"{len(OLDER['staging2'])} raised" in said
    for name in STAGING:
        found = stack.section(name)["packages"]
        assert {package: found[package] for package in newest[name]} == newest[name]


def test_a_site_that_does_not_answer_ends_it(stack: Stack, newest: dict[str, dict[str, str]]) -> None:
    """The next machine is not touched, and the failure is on record."""
    stack.run("staging1", "systemctl stop nginx")
    said = stack.clone.refuses(*stack.arguments("upgrade", "staging"))
    stack.run("staging1", "systemctl start nginx")
    assert "does not answer as it should" in said
    assert "staging2" not in said.partition("does not answer")[2].partition("Nothing changed")[0]
    assert (stack.ledger("staging1")["verb"], stack.ledger("staging1")["result"]) == ("upgrade", "failed")
