"""`vagrant up` with libvirt on a computer without KVM: a machine with a kernel of its own, from nothing and back."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.laptop import Laptop

COMMAND = "SAMESTACK_BOX_URL=archive vagrant up --provider=libvirt"
#: Seconds. An emulated processor is many times slower; alone it takes a third of this.
FIRST = 3600
REBOOT = 900
TEMPLATE = "examples/noticeboard/board/templates/board/home.html"
EMULATED = "domain type='qemu'"
SSH = "ssh -F .samestack/ssh_config dev1"
BOOT = "cat /proc/sys/kernel/random/boot_id"


@pytest.fixture(scope="module")
def up(computer: Laptop) -> str:
    """What the first command printed."""
    return computer.well(COMMAND, seconds=FIRST)


def wait_for_page(computer: Laptop, printed: str, text: str, seconds: int = 60) -> None:
    """Return when the page has a text, asked for by the very command that was printed."""
    command = re.search(r"curl --cacert .+ https://\S+", printed)
    assert command, printed[-3000:]
    deadline = time.monotonic() + seconds
    while computer.run(f"{command[0]} -sSf --max-time 20") != 0 or text not in computer.output:
        assert time.monotonic() < deadline, computer.output[-3000:]
        time.sleep(1)


def on_machine(computer: Laptop, command: str) -> str:
    """Return what a line of shell says on the machine."""
    return computer.well(f"{SSH} '{command}'")


def test_the_page_is_served(computer: Laptop, up: str) -> None:
    assert "dev1 serves https://noticeboard.test" in up
    wait_for_page(computer, up, "PostgreSQL")


@pytest.mark.usefixtures("up")
def test_the_machine_has_a_kernel_of_its_own(computer: Laptop) -> None:
    assert EMULATED in computer.well("virsh -c qemu:///system dumpxml $(virsh -c qemu:///system list --name)")
    assert on_machine(computer, "uname -r") != computer.well("uname -r")
    assert on_machine(computer, "systemctl is-system-running --wait").strip() == "running"
    # What a container leaves to its computer
    assert on_machine(computer, "tail -n +2 /proc/swaps").strip()


def test_a_saved_file_is_served(computer: Laptop, up: str) -> None:
    computer.well(f"sed -i 's/{{% block content %}}/&edited-just-now/' {TEMPLATE}")
    wait_for_page(computer, up, "edited-just-now")
    computer.well(f"git checkout -q {TEMPLATE}")


@pytest.mark.usefixtures("up")
def test_new_files_belong_to_their_person(computer: Laptop) -> None:
    # Who shares the folder asks for the rights of the application's account, whatever it may do in the machine.
    computer.well("chmod o+w examples/noticeboard/board/migrations")
    computer.well("./samestack manage -- makemigrations board --empty --name from_tests")
    assert computer.well("stat -c %U examples/noticeboard/board/migrations/*from_tests.py").strip() == "vagrant"
    computer.well("rm examples/noticeboard/board/migrations/*from_tests.py")


@pytest.mark.usefixtures("up")
def test_it_deploys_again(computer: Laptop) -> None:
    assert re.search("(?i)nothing changed", computer.well("./samestack deploy", seconds=FIRST)), computer.output[-3000:]


def test_it_reboots_by_itself(computer: Laptop, up: str) -> None:
    """What is served afterwards is the live folder again, and nobody on the computer has done anything."""
    boot = on_machine(computer, BOOT)
    computer.run(f"{SSH} sudo systemctl reboot")
    deadline = time.monotonic() + REBOOT
    while computer.run(f"{SSH} -o ConnectTimeout=5 {BOOT}") != 0 or computer.output == boot:
        assert time.monotonic() < deadline, computer.output
        time.sleep(1)
    wait_for_page(computer, up, "PostgreSQL", REBOOT)
    assert on_machine(computer, "findmnt --noheadings --output FSTYPE /srv/live").strip() == "virtiofs"


def test_a_halted_machine_comes_back(computer: Laptop, up: str) -> None:
    computer.well("./samestack down")
    assert computer.well("virsh -c qemu:///system list --name").strip() == ""
    said = computer.well("./samestack up", seconds=FIRST)
    assert len(re.findall("(?i)nothing changed", said)) == 2, said[-3000:]
    wait_for_page(computer, up, "PostgreSQL")


@pytest.mark.usefixtures("up")
def test_destroy_leaves_nothing(computer: Laptop) -> None:
    computer.well("./samestack destroy")
    assert computer.well("virsh -c qemu:///system list --all --name").strip() == ""
    assert computer.well("sudo ls /var/lib/libvirt/images").strip() == ""
    assert "samestack" not in computer.well("vagrant box list --machine-readable")
    assert "noticeboard" not in computer.well("cat /etc/hosts")
    assert computer.run("ip -4 route | grep 192.168.56") != 0
