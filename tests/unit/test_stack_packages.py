"""Which packages the stack lock is about, and which of two versions is newer."""

from __future__ import annotations

import itertools

import pytest

from plugins.module_utils.packages.compare import (
    Difference,
    compare,
    difference,
    followed,
    is_lockable,
    packages_of,
    source_names,
)

# Each older than the next, by deb-version(7) and dpkg itself; all but the first are versions that Debian has had.
IN_ORDER = [
    "0~",
    "0.9.8~rc1-1",
    "0.9.8-1~bpo12+1",
    "0.9.8-1",
    "0.9.8-1+b1",
    "0.9.8-1+b10",
    "0.9.8-1+deb12u1",
    "0.9.8-1.1",
    "0.9.8a-1",
    "0.9.8+dfsg-1",
    "0.9.10-1",
    "1.26.3-3",
    "1.26.3-3+deb13u10",
    "1.26.3-3+deb13u11",
    "2026b-0+deb12u1",
    "2026f-0+deb12u1",
    "1:1.2.11.dfsg-4.1",
    "1:2.38.1-5+deb12u3",
    "2:0.1",
]


def test_versions_are_in_dpkgs_order() -> None:
    for (place, one), (other_place, other) in itertools.product(enumerate(IN_ORDER), repeat=2):
        found = compare(one, other)
        assert (found > 0) - (found < 0) == (place > other_place) - (place < other_place), (one, other)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0-0"), ("0:1.0-1", "1.0-1"), ("1.00-1", "1.0-1")])
def test_equal_versions_may_be_written_differently(one: str, other: str) -> None:
    assert compare(one, other) == 0


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("linux-image-6.12.57+deb13-cloud-amd64", "kernel"),
        ("linux-image-virtual", "kernel"),
        ("linux-modules-extra-6.8.0-87-generic", "kernel"),
        ("linux-headers-amd64", "kernel"),
        ("linux-firmware", "misc"),
        ("firmware-amd-graphics", "non-free-firmware/kernel"),
        ("intel-microcode", "non-free-firmware/admin"),
        ("grub-efi-amd64-signed", "utils"),
        ("shim-signed", "utils"),
        ("open-vm-tools", "admin"),
        ("qemu-guest-agent", "otherosfs"),
        ("wireguard-dkms", "admin"),
    ],
)
def test_kernels_and_what_the_hardware_needs_are_not_locked(name: str, section: str) -> None:
    assert not is_lockable(name, section)


@pytest.mark.parametrize(
    "name", ["libc6", "linux-libc-dev", "linux-base", "libc6:i386", "nginx", "grep", "kmod", "shellia"]
)
def test_everything_else_is_locked(name: str) -> None:
    assert is_lockable(name, "admin")


def test_only_what_is_fully_installed_is_read() -> None:
    listing = (
        "ii |dpkg|1.22.21|amd64|admin\nii |libc6|2.41-12+deb13u5|amd64|libs\nii |libc6|2.41-12+deb13u5|i386|libs\n"
        "rc |nginx|1.26.3-3|amd64|httpd\niF |redis-server|5:8.0.2-3|amd64|database\nii |acl|2.3.2-2+b1|amd64|utils\n"
        "ii |linux-image-amd64|6.12.57-1|amd64|kernel\nii |tzdata|2026f-0+deb13u1|all|localization\n"
    )
    versions, architecture = packages_of(listing)
    assert architecture == "amd64"
    assert versions == {
        "dpkg": "1.22.21", "libc6": "2.41-12+deb13u5", "libc6:i386": "2.41-12+deb13u5", "acl": "2.3.2-2+b1",
        "tzdata": "2026f-0+deb13u1",
    }  # fmt: skip


def test_a_machine_like_the_lock_differs_in_nothing() -> None:
    versions = {"nginx": "1.26.3-3", "acl": "2.3.2-2"}
    assert difference(versions, {**versions, "redis-server": "5:8"}, ["nginx"]) == Difference()


def test_what_differs_is_told_apart() -> None:
    versions = {"nginx": "1.26.3-3+deb13u10", "openssl": "3.5.9-1", "htop": "3.4", "linux-image-amd64": "6.12"}
    locked = {"nginx": "1.26.3-3+deb13u11", "openssl": "3.5.7-1", "redis-server": "5:8.0.2-3"}
    found = difference(versions, locked, ["nginx", "redis-server", "tree"])
    assert found.older == {"nginx": ("1.26.3-3+deb13u10", "1.26.3-3+deb13u11")}
    assert found.newer == {"openssl": ("3.5.9-1", "3.5.7-1")}
    assert found.unlocked == ["htop", "tree"]


def test_what_is_made_of_one_source_stays_together() -> None:
    """A new machine whose image is ahead of the lock: nothing is downgraded, and what belongs to it must fit."""
    sources = {"libsystemd-shared": "systemd", "systemd-timesyncd": "systemd", "udev": "systemd", "acl": "acl"}
    versions = {"libsystemd-shared": "257.9", "zlib1g": "1"}
    locked = {"libsystemd-shared": "257.5", "systemd-timesyncd": "257.5", "udev": "257.5+b1", "acl": "2", "zlib1g": "1"}
    assert followed(versions, locked, sources) == {"systemd-timesyncd": "257.9", "udev": ""}
    assert followed({**versions, "libsystemd-shared": "257.5"}, locked, sources) == {}


def test_the_source_of_a_package() -> None:
    shown = "Package: udev\nSource: systemd (257.9-1)\nVersion: 1\n\nPackage: acl\nVersion: 2\nDescription: Source: x\n"
    assert source_names(shown) == {"udev": "systemd", "acl": "acl"}
