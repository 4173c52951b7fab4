"""Machines that are provisioned with a stack lock have its versions, newly made or not. In order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest import PRODUCTION, SECTIONS, STAGING

if TYPE_CHECKING:
    from conftest import Stack

MOMENT = "20260401T000000Z"
# An archive with a past, as small as one can be: today it has version 2 of a package, then it had version 1.
ARCHIVE = r"""
set -eu
rm -rf /srv/archive; mkdir -p /srv/archive; cd /srv/archive
export GNUPGHOME=/srv/archive/gnupg; mkdir -m 700 $GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-gen-key 'Samestack tests' rsa2048 sign never
gpg --batch --quiet --export > key.gpg
make() {
    mkdir -p $1/dists/any/main/binary-amd64 build/DEBIAN
    printf 'Package: samestack-spring\nVersion: %s\nArchitecture: all\nMaintainer: Tests <t@example.org>\nDescription: x\n' \
        $2 > build/DEBIAN/control
    dpkg-deb --root-owner-group --build build $1/spring.deb > /dev/null
    ( cat build/DEBIAN/control
      printf 'Filename: spring.deb\nSize: %s\nSHA256: %s\n' $(stat -c %s $1/spring.deb) $(sha256sum < $1/spring.deb | cut -c -64)
    ) > $1/dists/any/main/binary-amd64/Packages
    ( printf 'Origin: Spring\nLabel: Spring\nSuite: any\nCodename: any\nArchitectures: amd64\nComponents: main\n'
      printf 'Date: %s\n' "$(date -u -R)"
      printf 'SHA256:\n %s %s main/binary-amd64/Packages\n' $(sha256sum < $1/dists/any/main/binary-amd64/Packages | cut -c -64) \
          $(stat -c %s $1/dists/any/main/binary-amd64/Packages) ) > $1/Release
    gpg --batch --quiet --clearsign --output $1/dists/any/InRelease $1/Release
}
make today 2; make past/MOMENT 1
chmod -R a+rX /srv/archive; chmod 700 $GNUPGHOME
echo 'deb [signed-by=/srv/archive/key.gpg] file:/srv/archive/today any main' > /etc/apt/sources.list.d/spring.list
""".replace("MOMENT", MOMENT)


@pytest.fixture(scope="module")
def today(stack: Stack) -> dict[str, Any]:
    """What staging has."""
    stack.make("lock-stack", "staging")
    return stack.locked


@pytest.fixture(scope="module")
def spring(stack: Stack, today: dict[str, Any]) -> dict[str, Any]:
    """The same before the security updates: what a machine gets newly is of the release itself."""
    sections = {}
    for name in PRODUCTION:
        section, has = today[SECTIONS[name[-1]]], stack.versions(name)
        stack.run(name, "apt-get -q update")
        offered = stack.offered(name, [package for package in section["packages"] if package not in has])
        older = {package: versions[-1] for package, versions in offered.items() if len(versions) > 1}
        assert older, f"{name}: no package has an older version in the archive"
        sections[SECTIONS[name[-1]]] = {**section, "packages": {**section["packages"], **older}}
    return sections


def test_the_lock_says_what_the_machines_have(stack: Stack, today: dict[str, Any]) -> None:
    for name in STAGING:
        assert stack.section(name)["packages"] == stack.versions(name)
        assert stack.section(name)["snapshot"]
    assert set(today) == set(SECTIONS.values())


def test_locking_again_changes_no_byte(stack: Stack, today: dict[str, Any]) -> None:
    before = stack.file.read_bytes()
    assert "nothing changed" in stack.make("lock-stack", "staging")
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
    said = stack.packages_of_production("--check")
    assert "Would install: " in said
    stack.packages_of_production()
    for name, model in zip(PRODUCTION, STAGING, strict=True):
        assert stack.versions(name) == spring[SECTIONS[name[-1]]]["packages"]
        assert stack.versions(name).keys() == stack.versions(model).keys()


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
    stack.make("lock-stack", "production")
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
    stack.run("production1", ARCHIVE)
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
    assert stack.offered("production1", packages) == {"samestack-spring": ["2"]}
    assert "past" not in stack.run("production1", "apt-get indextargets; ls /var/lib/samestack /etc/apt/preferences.d")


def test_a_machine_of_another_release_is_not_locked_and_that_is_said(stack: Stack, today: dict[str, Any]) -> None:
    stack.write({"debian-12-amd64": today["debian-12-amd64"]})
    said = stack.packages_of_production()
    assert "Not locked: stack.lock.yml has no section debian-13-amd64 (it has debian-12-amd64)" in said
