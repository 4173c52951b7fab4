"""Whoever provisions makes a mistake in what decides who gets in: the machine goes back, and nobody is locked out."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Machine
    from tests.support.team import Team

#: The most that a machine may be closed for, in seconds, with what a run takes before
LIMIT = 60 + 40
PORT = 2222
#: What ssh, sudo and the firewall have in force, and whether a return is still armed
STATE = (
    "sshd -T | grep -E '^(allowgroups|port)' | sort; cat /etc/sudoers.d/samestack; nft list table inet samestack; "
    "systemctl list-units --plain --no-legend 'samestack-go-back-*'; ls /var/lib/samestack/access 2>/dev/null || true"
)


def login(machine: Machine, *options: str) -> str:
    """Return what a login that shares no connection says, with sudo."""
    command = ["ssh", "-o", "ControlPath=none", "-o", "ConnectTimeout=5", "-o", "BatchMode=yes", *options]
    done = subprocess.run(
        [*command, *machine.ssh_options, machine.name, "sudo -n id -u"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() or done.stderr.strip()


def is_refused_and_goes_back(team: Team, environment: str, **mistake: object) -> str:
    """Provision with a mistake; returns what was said, once the machine is found as it was before."""
    machine = team.machine(environment)
    before = machine.run(STATE)
    began = time.monotonic()
    said = team.refuses("provision", environment, tags="host", **mistake)
    assert time.monotonic() - began < LIMIT
    assert "took the change back" in said, said
    assert login(machine) == "0"
    assert machine.run(STATE) == before
    return said


def test_allowed_groups_without_ours(team: Team) -> None:
    assert "Permission denied" in is_refused_and_goes_back(team, "staging", host_ssh_groups=["nogroup"])


def test_a_firewall_without_ssh(team: Team) -> None:
    doors = [{"port": 80}, {"port": 443}]
    assert "timed out" in is_refused_and_goes_back(team, "production", host_open_ports=doors)


def test_sudo_that_works_only_on_a_terminal(team: Team) -> None:
    """Not even the connection that made the change can take it back: the timer does."""
    assert "sudo" in is_refused_and_goes_back(team, "staging", host_sudo_settings=["requiretty"])


def test_a_port_that_is_somebody_elses(team: Team) -> None:
    is_refused_and_goes_back(team, "production", security_ssh_port=443)


def test_sudo_rules_that_cannot_be_read(team: Team) -> None:
    machine = team.machine("production")
    before = machine.run(STATE)
    assert "refused the new files" in team.refuses(
        "provision", "production", tags="host", host_sudo_settings=["use_pty=="]
    )
    assert machine.run(STATE) == before


@pytest.fixture
def by_socket(team: Team) -> Iterator[Machine]:
    """A machine on which systemd listens for sshd."""
    machine = team.machine("production")
    machine.run("systemctl disable --now ssh.service && systemctl enable --now ssh.socket")
    yield machine
    machine.run("systemctl disable --now ssh.socket; systemctl stop ssh.service; systemctl enable --now ssh.service")


def closed(answer: str) -> bool:
    """Return whether ssh found nobody."""
    return "refused" in answer or "timed out" in answer


def test_another_port(team: Team) -> None:
    """The new port is in use after one run, and the old one until the inventory follows."""
    machine = team.machine("staging")
    team.samestack("provision", machine.kind, tags="host", security_ssh_port=PORT)
    assert login(machine, "-p", str(PORT)) == "0"
    assert login(machine) == "0"
    team.samestack("provision", machine.kind, tags="host", security_ssh_port=PORT, ansible_port=PORT)
    assert closed(login(machine))
    team.samestack("provision", machine.kind, tags="host", ansible_port=PORT)
    team.samestack("provision", machine.kind, tags="host")
    assert login(machine) == "0"
    assert closed(login(machine, "-p", str(PORT)))


def test_another_port_where_systemd_listens(team: Team, by_socket: Machine) -> None:
    team.samestack("provision", by_socket.kind, tags="host", security_ssh_port=PORT)
    assert login(by_socket, "-p", str(PORT)) == "0"
    team.samestack("provision", by_socket.kind, tags="host")
    assert login(by_socket) == "0"
    # Else no reload reaches sshd, and systemd cannot listen again.
    assert by_socket.run("systemctl is-active ssh.service ssh.socket").split() == ["active", "active"]
    assert closed(login(by_socket, "-p", str(PORT)))


def test_a_rule_that_is_waived_gives_back_what_it_had_replaced(team: Team) -> None:
    machine = team.machine("staging")
    of_packages = "dpkg --verify util-linux base-files | grep -E '/etc/(pam.d/su|issue)$' || true"
    changed = machine.run(of_packages)
    assert "/etc/pam.d/su" in changed and "/etc/issue" in changed
    waiver = {"reason": "seen by a test", "until": "9999-12-31"}
    waivers = dict.fromkeys(("su", "login-banner", "bans"), waiver)
    team.samestack("provision", machine.kind, tags="host", security_waivers=waivers)
    assert machine.run(of_packages).strip() == ""
    assert machine.run("systemctl is-active fail2ban.service || true").strip() == "inactive"
    assert waiver["reason"] in machine.run("cat /etc/samestack/hardening.json")
    team.samestack("provision", machine.kind, tags="host")
    assert machine.run(of_packages) == changed
    assert machine.run("systemctl is-active fail2ban.service").strip() == "active"


def test_after_a_reboot_what_nobody_confirmed_goes_back(victim: Machine) -> None:
    """Transient timers end with the machine: a unit of its own starts what they would have started."""
    assert victim.run("systemctl is-enabled samestack-go-back.service").strip() == "enabled"
    folder = "/var/lib/samestack/access"
    victim.run(f"mkdir -m 700 {folder}; echo 'touch /run/went-back; rm -rf {folder}' >{folder}/go-back")
    victim.run("systemctl start samestack-go-back.service && rm /run/went-back")
    assert victim.host.run(f"test -e {folder}").rc != 0


def test_nothing_is_armed_any_more(victim: Machine) -> None:
    assert victim.run("systemctl list-units --plain --no-legend 'samestack-go-back-*'") == ""
    assert "access" not in victim.run("ls /var/lib/samestack").split()
