"""Machines that are provisioned with a stack lock have its versions, newly made or not. In order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.packages.compare import compare
from tests.support.stack import PRODUCTION, SECTIONS, STAGING

if TYPE_CHECKING:
    from tests.support.stack import Stack

SUITES = ("trixie", "bookworm")
SOURCES = "dpkg-query -W -f '${Package} ${source:Package}\\n'"
MOMENT = "20260401T000000Z"
ARCHIVE = Path(__file__).with_name("archive.sh")


@pytest.fixture(scope="module")
def today(stack: Stack) -> dict[str, Any]:
    """What staging has."""
    stack.samestack("lock-stack", "staging")
    return stack.locked


@pytest.fixture(scope="module")
def spring(stack: Stack, today: dict[str, Any]) -> dict[str, Any]:
    """The same before the security updates: all of it as it came with the release."""
    sections = {}
    for name, suite in zip(STAGING, SUITES, strict=True):
        section = today[SECTIONS[name[-1]]]
        offered = stack.offered(name, section["packages"])
        first = {package: version for package, version, of in offered if of == suite}
        sections[SECTIONS[name[-1]]] = {**section, "packages": {**section["packages"], **first}}
        assert sections[SECTIONS[name[-1]]] != section
    return sections


def test_the_lock_says_what_the_machines_have(stack: Stack, today: dict[str, Any]) -> None:
    for name in STAGING:
        assert stack.section(name)["packages"] == stack.versions(name)
        assert stack.section(name)["snapshot"]
    assert set(today) == set(SECTIONS.values())


def test_locking_again_changes_no_byte(stack: Stack, today: dict[str, Any]) -> None:
    before = stack.file.read_bytes()
    assert "nothing changed" in stack.samestack("lock-stack", "staging")
    assert stack.file.read_bytes() == before


def test_a_version_that_is_gone_is_one_error_and_nothing_is_touched(stack: Stack, spring: dict[str, Any]) -> None:
    before = {name: stack.versions(name) for name in PRODUCTION}
    broken = {
        section: {"packages": {**held["packages"], "nginx": "9-1", "logrotate": "9-1", "redis-server": "9-1"}}
        for section, held in spring.items()
    }
    stack.write(broken)
    said = stack.refused()
    assert said.count("Failed on ") == 1
    for part in (
        "debian-12-amd64 (in stack.lock.yml): 2 versions can no longer be had, for production2.",
        "debian-13-amd64 (in stack.lock.yml): 2 versions can no longer be had, for production1.",
        "nginx 9-1: the archive has ", "redis-server 9-1: the archive has ", "logrotate 9-1: the archive has ",
        "No package was touched on any host.", "Lock anew: ", "`snapshot:`", "Or drop these lines",
    ):  # fmt: skip
        assert part in said
    assert {name: stack.versions(name) for name in PRODUCTION} == before


def test_a_new_machine_has_the_locked_versions(stack: Stack, spring: dict[str, Any]) -> None:
    """Built today, it equals one that was built in spring."""
    stack.write(spring)
    bare = {name: stack.versions(name) for name in PRODUCTION}
    said = stack.packages_of_production()
    for name, model in zip(PRODUCTION, STAGING, strict=True):
        found, locked = stack.versions(name), spring[SECTIONS[name[-1]]]["packages"]
        assert found.keys() == stack.versions(model).keys()
        # The image is newer than spring in some packages: these stay, and so does what is made of the same source.
        image = {package for package in bare[name] if compare(bare[name][package], locked[package]) > 0}
        sources = dict(line.split() for line in stack.run(name, SOURCES).splitlines())
        newer = {package for package in found if sources[package] in {sources[one] for one in image}}
        differing = {package for package in found if found[package] != locked[package]}
        assert image <= differing <= newer
        assert all(found[package] == bare[name][package] for package in image)
        # What is newly installed is of spring all the same.
        assert len(found) - len(bare[name]) > len(newer - image)
        for package in differing - image:
            assert f"{package} {found[package]}" in said
    assert stack.versions("production1")["nginx"] == spring["debian-13-amd64"]["packages"]["nginx"]
    assert stack.versions("production2")["postgresql-15"] == spring["debian-12-amd64"]["packages"]["postgresql-15"]


def test_an_older_machine_is_raised_to_the_lock(stack: Stack, spring: dict[str, Any], today: dict[str, Any]) -> None:
    stack.write(today)
    nginx = today["debian-13-amd64"]["packages"]["nginx"]
    arrow = f"nginx {spring['debian-13-amd64']['packages']['nginx']} → {nginx}"
    said = stack.packages_of_production("--check")
    assert "Would raise to the stack lock: " in said
    assert arrow in said
    assert arrow in stack.packages_of_production()
    for name, model in zip(PRODUCTION, STAGING, strict=True):
        assert stack.versions(name) == stack.versions(model)
    assert "Nothing changed on production1, production2." in stack.packages_of_production()


def test_nothing_is_downgraded(stack: Stack, spring: dict[str, Any], today: dict[str, Any]) -> None:
    """What security updates raised is said, left as it is, and adopted by the next lock."""
    stack.write(spring)
    said = stack.packages_of_production()
    assert "Newer than the stack lock, left as it is: " in said
    assert "Nothing changed on production1, production2." in said
    for name, model in zip(PRODUCTION, STAGING, strict=True):
        assert stack.versions(name) == stack.versions(model)
    stack.samestack("lock-stack", "production")
    found = {section: held["packages"] for section, held in stack.locked.items()}
    assert found == {section: held["packages"] for section, held in today.items()}


def test_a_new_package_is_installed_and_named(stack: Stack, today: dict[str, Any]) -> None:
    stack.write(today)
    said = stack.packages_of_production(app_system_packages=["gpg", "gpg-agent"])
    assert "Not locked, as the archive has them: " in said
    assert "Not in the stack lock: " in said
    assert "gpg" in stack.versions("production1")
    assert "gpg" not in stack.versions("production2")


def test_what_is_gone_comes_from_the_snapshot(stack: Stack, today: dict[str, Any]) -> None:
    """Only that one installation sees the past."""
    stack.run("production1", ARCHIVE.read_text(encoding="utf-8").replace("MOMENT", MOMENT))
    section = today["debian-13-amd64"]
    past = {**section, "snapshot": MOMENT, "packages": {**section["packages"], "samestack-spring": "1"}}
    stack.write({**today, "debian-13-amd64": past})
    service = {"Spring": {"url": "file:/srv/archive/past/@SNAPSHOTID@", "keyring": "/srv/archive/key.gpg"}}
    packages = ["samestack-spring"]
    said = stack.refused(app_system_packages=packages, host_snapshots={})
    assert "samestack-spring 1: the archive has 2" in said
    assert f"The snapshot of {MOMENT} cannot be used" in said
    stack.packages_of_production(app_system_packages=packages, host_snapshots=service)
    assert stack.versions("production1")["samestack-spring"] == "1"
    assert stack.offered("production1", packages) == [("samestack-spring", "2", "any")]
    assert "past" not in stack.run("production1", "apt-get indextargets; ls /var/lib/samestack /etc/apt/preferences.d")


def test_a_machine_of_another_release_is_not_locked_and_that_is_said(stack: Stack, today: dict[str, Any]) -> None:
    stack.write({"debian-12-amd64": today["debian-12-amd64"]})
    said = stack.packages_of_production()
    assert "Not locked: stack.lock.yml has no section debian-13-amd64 (it has debian-12-amd64)" in said
