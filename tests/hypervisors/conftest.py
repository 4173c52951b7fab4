"""A computer with libvirt, which starts from what Debian's archive has: no catalogue is asked, no KVM is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.laptop import Laptop, fresh

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = "trixie"
PACKAGES = "vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients qemu-system-x86"


@pytest.fixture(scope="module")
def computer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """The computer, with libvirt and Vagrant from its archive; its user may use libvirt, as on any desktop."""
    with fresh("hypervisor", RELEASE, tmp_path_factory.mktemp("clone")) as found:
        found.well(f"sudo apt-get -qy install --no-install-recommends {PACKAGES}", folder="")
        found.well("sudo usermod --append --groups libvirt vagrant", folder="")
        yield found
