"""Somebody guesses passwords and keys: that address is shut out, and never the one that deploys."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.machines import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Machine
    from tests.support.team import Team

#: More than are let through: five by ssh, ten at a log-in
BY_SSH, BY_WEB = 6, 12
WRONG_KEY = (
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR nobody@{} true"
)
#: Sends a log-in form with a wrong password, again and again
LOG_IN = """python3 - <<'PYTHON'
import socket, ssl
context = ssl._create_unverified_context()
body = b"username=admin&password=wrong"
lines = ["POST /admin/login/ HTTP/1.1", "Host: {site}", "Connection: close", f"Content-Length: {{len(body)}}", "", ""]
head = "\\r\\n".join(lines)
for _ in range({times}):
    try:
        with socket.create_connection(("{address}", 443), timeout=2) as plain:
            with context.wrap_socket(plain, server_hostname="{site}") as stream:
                stream.sendall(head.encode() + body)
                stream.recv(100)
    except OSError:
        pass
PYTHON
"""


@pytest.fixture
def guesser(team: Team) -> Iterator[Machine]:
    """Another machine than the one that is attacked, which nobody has logged in from by key."""
    yield team.machine("production")
    team.machine("staging").run("fail2ban-client unban --all")


@pytest.fixture
def target(team: Team) -> Machine:
    """The machine that is attacked."""
    return team.machine("staging")


def banned(machine: Machine, jail: str) -> str:
    """Return the addresses that a jail shuts out."""
    return machine.run(f"fail2ban-client get {jail} banip")


def assert_unreachable(machine: Machine, target: Machine, port: int) -> None:
    """Soon, not at once: an address is in the jail's list a moment before the firewall knows it."""
    attempt = f"timeout 3 bash -c '</dev/tcp/{target.address}/{port}'"
    wait_for(f"port {port} is closed to the address", lambda: machine.host.run(attempt).rc != 0)


def test_guessing_by_ssh(target: Machine, guesser: Machine) -> None:
    attempt = WRONG_KEY.format(target.address)
    guesser.run(f"for n in $(seq {BY_SSH}); do {attempt} || true; done")
    wait_for("the address is shut out", lambda: guesser.address in banned(target, "sshd"))
    assert_unreachable(guesser, target, 22)


def test_guessing_at_the_log_in(target: Machine, guesser: Machine) -> None:
    site = target.variable("app_domains")[0]
    guesser.run(LOG_IN.format(site=site, address=target.address, times=BY_WEB))
    wait_for("the address is shut out", lambda: guesser.address in banned(target, "samestack-login"))
    assert_unreachable(guesser, target, 443)


def test_whoever_deploys_is_never_shut_out(target: Machine) -> None:
    """A wrong agent, or a wrong key: it happens to everybody."""
    options = ["-o", "ControlPath=none", "-o", "BatchMode=yes", "-o", "PreferredAuthentications=none"]
    for _ in range(BY_SSH):
        command = ["ssh", *options, *target.ssh_options, target.name, "true"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode != 0
    assert banned(target, "sshd").strip() == ""
    assert target.run("echo in").strip() == "in"
