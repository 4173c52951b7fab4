"""What box/setup installs by apt, by the release of this computer; docs/laptops.md has what each release offers.

A list names only what every archive of that release has: tests/unit/test_laptops.py compares them.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The local machines: LXC, and what the base box is made with. Debian and Ubuntu have these in every release.
MACHINES = ("lxc", "mmdebstrap", "dnsmasq-base", "iptables", "iproute2", "openssh-client")
#: What a disk for libvirt is made with
DISKS = ("mmdebstrap", "qemu-utils", "fdisk", "e2fsprogs", "openssh-client")
#: Shares a folder with libvirt's machines; in older releases it is a part of QEMU's packages.
SHARING = ("virtiofsd",)
#: Makes the folder that uv is installed in; Debian's and Ubuntu's python3 comes without it.
ENVIRONMENTS = ("python3-venv",)


@dataclass(frozen=True)
class Laptop:
    """One release that the first command works on.

    Attributes:
        title: its name and number.
        keys: the signing keys of the other distribution's archive, for a box of it; installed where apt has them.
        vagrant: whether its archive has Vagrant.
        vagrant_lxc: what lets Vagrant make the machines as containers, where the archive has that.
        python: a Python that is new enough for the tools, where the release's own is not.
        machines: what the local machines need.
    """

    title: str
    keys: tuple[str, ...] = ()
    vagrant: bool = False
    vagrant_lxc: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    machines: tuple[str, ...] = MACHINES


#: By codename. Vagrant left Ubuntu with 24.04 and Debian with 14; vagrant-lxc left both before it.
LAPTOPS = {
    "bookworm": Laptop("Debian 12", vagrant=True, vagrant_lxc=("vagrant", "vagrant-lxc")),
    "trixie": Laptop("Debian 13", keys=("ubuntu-archive-keyring",), vagrant=True),
    "forky": Laptop("Debian 14 (testing)", keys=("ubuntu-archive-keyring",)),
    "jammy": Laptop(
        "Ubuntu 22.04",
        keys=("debian-archive-keyring",),
        vagrant=True,
        vagrant_lxc=("vagrant", "vagrant-lxc"),
        python=("python3.11",),
    ),
    "noble": Laptop("Ubuntu 24.04", keys=("debian-archive-keyring",)),
    "resolute": Laptop("Ubuntu 26.04", keys=("debian-archive-keyring",)),
}
#: For a computer that is none of these: the packages alone that all of them have.
UNKNOWN = Laptop("this release")


def this_computer() -> Laptop:
    """Return what is known of this computer's release."""
    try:
        return laptop_of(platform.freedesktop_os_release())
    except OSError:
        return UNKNOWN


def laptop_of(told: Mapping[str, str]) -> Laptop:
    """Return what is known of the release that an os-release file tells of.

    A relative of Debian's or Ubuntu's counts as what it is made of. One that is not in the list gets what all have.
    """
    for name in ("UBUNTU_CODENAME", "DEBIAN_CODENAME", "VERSION_CODENAME"):
        if told.get(name) in LAPTOPS:
            return LAPTOPS[told[name]]
    return UNKNOWN
