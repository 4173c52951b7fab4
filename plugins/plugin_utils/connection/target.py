"""How ssh reaches a host, by its connection variables: the one place that makes a command of them.

Runs on the control node. The ssh program itself is used, with the connection's own arguments, so that jump hosts,
aliases and ports from anybody's ssh configuration hold here too.
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SSH_PORT = "22"
# Seconds: for a connection to be answered, and for packages to be installed on a slow line.
CONNECT_TIMEOUT, WORK_TIMEOUT = 15, 900
# Ansible's names for one thing, the first that is set wins.
PORT = ("ansible_port", "ansible_ssh_port")
KEY = ("ansible_ssh_private_key_file", "ansible_private_key_file")
USER = ("ansible_user", "ansible_ssh_user")
PASSWORD = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
ADDRESS = ("ansible_host", "ansible_ssh_host")
ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args")
#: The options of Ansible's ssh connection behind the variables
OPTIONS = {
    "ansible_port": "port", "ansible_user": "remote_user", "ansible_ssh_private_key_file": "private_key_file",
    "ansible_ssh_common_args": "ssh_common_args", "ansible_ssh_extra_args": "ssh_extra_args",
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Where a host is, and the ssh arguments that the inventory gives for it."""

    address: str
    arguments: tuple[str, ...]
    #: Who logs in; empty leaves it to the ssh configuration
    user: str = ""

    @classmethod
    def of(cls, variables: Mapping[str, Any], host: str = "") -> Target:
        """Return the target of a host (by default `inventory_hostname`) by its resolved connection variables."""

        def given(names: Iterable[str]) -> str:
            return next((str(variables[name]) for name in names if variables.get(name) not in (None, "")), "")

        words = [word for name in ARGUMENTS for word in shlex.split(given([name]))]
        if port := given(PORT):
            words += ["-p", port]
        if key := given(KEY):
            words += ["-i", str(Path(key).expanduser())]
        return cls(given(ADDRESS) or host or str(variables["inventory_hostname"]), tuple(words), given(USER))

    def argv(self, user: str = "", command: str = "", *options: str, terminal: bool = False) -> list[str]:
        """Return the words that run a command there, without one those that log in.

        Args:
            user: who logs in; by default the inventory's.
            command: what the host's shell is given.
            options: for `-o`; they go first, because the first one wins in ssh.
            terminal: the command gets a terminal.
        """
        words = [word for option in options for word in ("-o", option)]
        login = ["-l", user or self.user] if user or self.user else []
        words = ["ssh", *words, *self.arguments, *login, *(["-t"] if terminal else [])]
        # What begins with a dash is no option, but a host.
        words += ["--", self.address] if self.address.startswith("-") else [self.address]
        return [*words, command] if command else words

    def ssh(
        self, user: str, command: str, *options: str, script: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there and return what it said."""
        base = ("BatchMode=yes", f"ConnectTimeout={CONNECT_TIMEOUT}", "ControlPath=none")
        argv = self.argv(user, command, *options, *base)
        try:
            return subprocess.run(
                argv,
                input=script if script is not None else "",
                capture_output=True,
                text=True,
                check=False,
                timeout=CONNECT_TIMEOUT * 2 if script is None else WORK_TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, 255, "", "Connection timed out")

    def known_hosts_name(self) -> str:
        """Return the name under which ssh looks the host's key up: alias or host name, with a port that is not 22."""
        answer = run(["ssh", "-G", *self.arguments, "--", self.address]).stdout
        settings = dict(line.split(" ", 1) for line in answer.splitlines() if " " in line)
        name = settings.get("hostkeyalias") or settings.get("hostname") or self.address
        port = settings.get("port", SSH_PORT)
        return name if port == SSH_PORT or "hostkeyalias" in settings else f"[{name}]:{port}"


def connection_variables(connection: Any) -> dict[str, Any]:
    """Return the connection variables of the host at hand, resolved, with what the command line says."""
    values = {name: connection.get_option(option) for name, option in OPTIONS.items()}
    return {name: value for name, value in values.items() if value}


def sudo_password(variables: Mapping[str, Any], play_context: Any) -> str:
    """Return the password for sudo: that of the inventory or the vault, else what was typed after -K; "" for none."""
    given = next((str(variables[name]) for name in PASSWORD if variables.get(name)), "")
    return given or str(getattr(play_context, "become_pass", "") or "")


def run(argv: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of this computer and return what it said."""
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=CONNECT_TIMEOUT)
