"""The first command on a fresh computer of one release, to the page that is served, and back."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from box.laptops import LAPTOPS

from .conftest import RELEASE

if TYPE_CHECKING:
    from tests.support.laptop import Laptop

#: A network that nobody has yet: the computer's own is the one that LXC would take
NETWORK = (
    'USE_LXC_BRIDGE="true"\nLXC_ADDR="10.0.9.1"\nLXC_NETWORK="10.0.9.0/24"\nLXC_DHCP_RANGE="10.0.9.2,10.0.9.254"\n'
)
TEMPLATE = "examples/noticeboard/board/templates/board/home.html"


@pytest.fixture(scope="module")
def up(laptop: Laptop) -> str:
    """What the first command printed that went well."""
    said = laptop.refused("./samestack up")
    assert re.search(r"LXC_NETWORK = 10\.0\.3\.0/24 \(in /etc/default/lxc-net\): eth0 has this network already", said)
    assert "LXC_ADDR, LXC_NETWORK and LXC_DHCP_RANGE" in said
    laptop.well("sudo tee -a /etc/default/lxc-net >/dev/null", stdin=NETWORK.encode())
    return laptop.well("./samestack up")


def page(laptop: Laptop, printed: str) -> str:
    """The page by the very command that was printed."""
    command = re.search(r"curl --cacert .+ https://\S+", printed)
    assert command, printed[-3000:]
    return laptop.well(f"{command[0]} -sSf")


def test_the_page_is_served(laptop: Laptop, up: str) -> None:
    assert "dev1 serves https://noticeboard.test" in up
    assert "Provider: lxc (no hypervisor is installed)" in up
    assert "PostgreSQL" in page(laptop, up)


@pytest.mark.usefixtures("up")
def test_vagrant_was_not_needed(laptop: Laptop) -> None:
    assert laptop.run("command -v vagrant") != 0


def test_a_saved_file_is_served(laptop: Laptop, up: str) -> None:
    laptop.well(f"sed -i 's/{{% block content %}}/&edited-just-now/' {TEMPLATE}")
    deadline = time.monotonic() + 10
    while "edited-just-now" not in page(laptop, up):
        assert time.monotonic() < deadline
    laptop.well(f"git checkout -q {TEMPLATE}")


@pytest.mark.usefixtures("up")
def test_new_files_belong_to_their_person(laptop: Laptop) -> None:
    laptop.well("./samestack manage -- makemigrations board --empty --name from_tests")
    assert laptop.well("stat -c %U examples/noticeboard/board/migrations/*from_tests.py").strip() == "vagrant"
    laptop.well("rm examples/noticeboard/board/migrations/*from_tests.py")


def test_a_halted_machine_comes_back(laptop: Laptop, up: str) -> None:
    laptop.well("./samestack down")
    assert len(re.findall("(?i)nothing changed", laptop.well("./samestack up"))) == 2, laptop.output[-3000:]
    assert "PostgreSQL" in page(laptop, up)


@pytest.mark.usefixtures("up")
def test_destroy_leaves_nothing(laptop: Laptop) -> None:
    laptop.well("./samestack destroy")
    assert laptop.well("sudo ls /var/lib/lxc").strip() == ""
    assert "noticeboard" not in laptop.well("cat /etc/hosts")
    assert laptop.run("ip link show lxcbr0") != 0


@pytest.mark.usefixtures("up")
def test_vagrant_by_hand(laptop: Laptop) -> None:
    """`vagrant up` does the same where Vagrant can make containers; elsewhere it says what does."""
    if not LAPTOPS[RELEASE].vagrant:
        return
    laptop.well("sudo apt-get -qy install --no-install-recommends vagrant")
    if not LAPTOPS[RELEASE].vagrant_lxc:
        assert "`./samestack up` makes the same machine straight by LXC" in laptop.refused("vagrant up")
        return
    printed = laptop.well("vagrant up")
    assert "dev1 serves https://noticeboard.test" in printed
    assert "PostgreSQL" in page(laptop, printed)
    assert "made by Vagrant" in laptop.well("./samestack up")
    laptop.well("./samestack destroy")
    assert laptop.well("sudo ls /var/lib/lxc").strip() == ""
