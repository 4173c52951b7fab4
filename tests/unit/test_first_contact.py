"""What hosts and ssh say, and what we make of it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from plugins.action.pin_host_key import ActionModule as PinHostKey
from plugins.plugin_utils.connection import bootstrap as contact
from plugins.plugin_utils.connection.ssh_errors import last_words, trouble
from plugins.plugin_utils.connection.supported import MARK, Look, is_supported, parse_look
from plugins.plugin_utils.connection.target import Target

if TYPE_CHECKING:
    from pathlib import Path

UBUNTU = 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="{}"\nPRETTY_NAME="Ubuntu {}"\n'
DEBIAN = 'ID=debian\nVERSION_ID="{}"\nPRETTY_NAME="Debian {}"\n'
TESTING = 'PRETTY_NAME="Debian GNU/Linux forky/sid"\nNAME="Debian GNU/Linux"\nVERSION_CODENAME=forky\nID=debian\n'
REST = "PYTHON3=/usr/bin/python3\nUSER_ID=1000\nSUDO=yes\n"


@pytest.mark.parametrize(
    "system",
    [UBUNTU.replace("{}", release) for release in ("22.04", "24.04", "26.04")]
    + [DEBIAN.replace("{}", release) for release in ("12", "13", "14")]
    + [TESTING],
)
def test_supported(system: str) -> None:
    look = parse_look(f"Welcome!\n{MARK}\n{system}{REST}")
    assert is_supported(look)
    assert (look.python, look.is_root, look.sudo) == ("/usr/bin/python3", False, True)


@pytest.mark.parametrize("system", [UBUNTU.replace("{}", "20.04"), DEBIAN.replace("{}", "11"), "ID=alpine\n", ""])
def test_not_supported(system: str) -> None:
    assert not is_supported(parse_look(f"{MARK}\n{system}{REST}"))


def test_what_is_missing() -> None:
    look = parse_look(f"{MARK}\n{TESTING}PYTHON3=\nUSER_ID=0\nSUDO=no\n")
    assert look == Look("debian", "forky", "Debian GNU/Linux forky/sid", "", True, False)


def test_a_shell_that_runs_nothing() -> None:
    with pytest.raises(ValueError, match="did not run"):
        parse_look('Please login as the user "ubuntu" rather than the user "root".\n')


CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("said", "what", "fix"),
    [
        (CHANGED, "host key is another one", "ssh-keygen -R"),
        ("No ED25519 host key is known for x\nHost key verification failed.", "not known yet", "./samestack provision"),
        ("ada@x: Permission denied (publickey).", "refuses the log-in", "ansible_user"),
        ("ssh: Could not resolve hostname x: Name or service not known", "cannot be resolved", "ansible_host"),
        ("ssh: connect to host x port 22: Connection refused", "no ssh server", "ansible_port"),
        ("ssh: connect to host x port 22: Connection timed out", "does not answer", "firewall"),
        ("ssh: connect to host x port 22: No route to host", "does not answer", "firewall"),
        (
            "Can't open user config file .samestack/ssh_config: No such file or directory",
            "not been made",
            "./samestack up",
        ),
        (
            "x is none of the local machines, and\nConnection closed by UNKNOWN port 65535",
            "not been made",
            "./samestack up",
        ),
        ("something new", "cannot be reached", "by hand"),
    ],
)
def test_trouble_with_ssh(said: str, what: str, fix: str) -> None:
    found = trouble(f"Failed to connect to the host via ssh: {said}", local=False)
    assert what in found.what
    assert fix in found.fix


def test_a_local_machine_that_is_off() -> None:
    assert "./samestack up" in trouble("ssh: connect to host 10.0.3.10 port 22: No route to host", local=True).fix
    assert "log-in" in trouble("vagrant@x: Permission denied (publickey).", local=True).what


def test_last_words() -> None:
    assert last_words(f"Failed to connect to the host via ssh: {CHANGED}") == "Host key verification failed"
    assert last_words("Warning: Permanently added 'x'\nConnection refused\n\n") == "Connection refused"
    assert last_words("") == "nothing"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a test", "-f", str(path)], check=True)
    return path


def accepted(path: Path) -> str:
    shown, _ = contact.fingerprint(path.with_suffix(".pub").read_text(encoding="utf-8"))
    return f"debug1: Offering public key: …\ndebug1: Server accepts key: {path} ED25519 {shown} explicit\n"


def test_the_key_that_let_us_in_is_found(key: Path) -> None:
    said = accepted(key)
    found = contact.accepted_public_key(said)
    assert found is not None
    assert found.split()[:2] == key.with_suffix(".pub").read_text(encoding="utf-8").split()[:2]
    key.with_suffix(".pub").unlink()
    found = contact.accepted_public_key(said)
    assert found is not None
    assert found.startswith("ssh-ed25519 ")
    key.unlink()
    assert contact.accepted_public_key(said) is None
    assert contact.accepted_public_key("debug1: nothing") is None


def test_pinned_or_not(key: Path, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    assert not contact.is_pinned("x.net", known_hosts)
    kind, blob = key.with_suffix(".pub").read_text(encoding="utf-8").split()[:2]
    known_hosts.write_text(f"x.net {kind} {blob}\n[y.net]:2222 {kind} {blob}\n", encoding="utf-8")
    assert contact.is_pinned("x.net", known_hosts)
    assert contact.is_pinned("[y.net]:2222", known_hosts)
    assert not contact.is_pinned("y.net", known_hosts)


def test_a_target_takes_the_inventorys_arguments() -> None:
    target = Target.of(
        {
            "inventory_hostname": "h",
            "ansible_host": "203.0.113.7",
            "ansible_port": 2222,
            "ansible_ssh_common_args": "-J a",
        }
    )
    assert target == Target("203.0.113.7", ("-J", "a", "-p", "2222"))
    assert Target("203.0.113.7", ("-p", "2222", "-F", "none")).known_hosts_name() == "[203.0.113.7]:2222"
    assert Target("203.0.113.7", ("-F", "none")).known_hosts_name() == "203.0.113.7"


def test_the_ssh_command_is_the_one_that_ansible_would_take() -> None:
    given = {"ansible_ssh_common_args": "-F 'a b'", "ansible_user": "eve", "ansible_private_key_file": "/key"}
    target = Target.of(given, "web1")
    assert target.argv() == ["ssh", "-F", "a b", "-i", "/key", "-l", "eve", "web1"]
    assert target.argv("root", "id -u", "BatchMode=yes", terminal=True) == [
        "ssh", "-o", "BatchMode=yes", "-F", "a b", "-i", "/key", "-l", "root", "-t", "web1", "id -u",
    ]  # fmt: skip
    assert Target.of({"ansible_host": "-oProxyCommand=x"}, "web1").argv() == ["ssh", "--", "-oProxyCommand=x"]


def test_names_and_keys_cannot_become_commands() -> None:
    command = contact.prepare_command("deploy", "ssh-ed25519 AAAA it's; rm -rf /", as_root=False)
    assert command == "sudo -n sh -s -- deploy 'ssh-ed25519 AAAA it'\"'\"'s; rm -rf /'"
    subprocess.run(["sh", "-n"], input=contact.PREPARE, text=True, check=True)


@pytest.mark.parametrize(
    ("arguments", "pinned"),
    [
        ({"fingerprint": "SHA256:a", "accept": False}, True),
        ({"fingerprint": "SHA256:b, SHA256:a", "accept": False}, True),
        ({"fingerprint": "SHA256:b", "accept": True}, False),
        ({"fingerprint": "", "accept": True}, True),
    ],
)
def test_who_confirms_a_host_key(arguments: dict[str, object], pinned: bool) -> None:
    refusal = PinHostKey._refusal("x1", "SHA256:a (ED25519)", "SHA256:a", arguments)
    assert (refusal is None) == pinned
    if refusal:
        assert "preflight_host_key_fingerprint = SHA256:b" in refusal
        assert "SHA256:a (ED25519)" in refusal
