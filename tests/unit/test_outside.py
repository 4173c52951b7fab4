"""What running services say to somebody from outside: real sockets, and an ssh that says what real ones said."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from plugins.plugin_utils.connection.outside import closed_ports, direct_address, offered_methods
from plugins.plugin_utils.connection.target import Target

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("said", "methods"),
    [
        ("vagrant@10.0.3.100: Permission denied (publickey).", ["publickey"]),
        (
            "Warning: x\nada@h: Permission denied (publickey,password,keyboard-interactive).",
            ["publickey", "password", "keyboard-interactive"],
        ),
        ("ssh: connect to host x port 22: Connection refused", []),
    ],
)
def test_what_sshd_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, methods: list[str]) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ncat >&2 <<'X'\n{said}\nX\nexit 255\n", encoding="utf-8")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert offered_methods(Target("h", ()), "ada") == methods


def test_where_ssh_goes_by_itself() -> None:
    assert direct_address(Target("203.0.113.7", ("-F", "none", "-p", "2222"))) == "203.0.113.7"
    assert direct_address(Target("10.0.0.5", ("-F", "none", "-J", "bastion"))) == ""
    assert direct_address(Target("10.0.0.5", ("-F", "none", "-o", "ProxyCommand=nc %h %p"))) == ""


def test_a_port_that_nobody_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert closed_ports("127.0.0.1", [port]) == {}
    assert list(closed_ports("127.0.0.1", [port])) == [port]
