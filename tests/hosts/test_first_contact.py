"""A fresh server, as a provider hands it over: root can log in by key, there is no python3, its host key is unknown.

Needs a machine of box/host; `./samestack test` runs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from box.common import SSH_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
HOST = PROJECT / "box" / "host"
KEY = SSH_KEY
NAME = "first-contact"
AS_DELIVERED = """
set -e
sudo install -d -m 0700 /root/.ssh
sudo install -m 0600 ~/.ssh/authorized_keys /root/.ssh/authorized_keys
sudo apt-get -qy remove python3-minimal >/dev/null
"""
INVENTORY = """---
staging:
  hosts:
    staging1:
      ansible_host: {address}
  vars:
    ansible_user: deploy
    ansible_ssh_private_key_file: {key}
    ansible_ssh_common_args: >-
      -o UserKnownHostsFile={{{{ inventory_dir }}}}/known_hosts -o StrictHostKeyChecking=yes -o ControlPath=none
web: {{hosts: {{staging1: }}}}
db: {{hosts: {{staging1: }}}}
cache: {{hosts: {{staging1: }}}}
worker: {{hosts: {{staging1: }}}}
"""


def ssh(address: str, user: str, command: str) -> str:
    trust = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    argv = ["ssh", "-i", str(KEY), *trust, f"{user}@{address}", command]
    return subprocess.run(argv, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return the address of a server as a provider hands it over."""
    made = subprocess.run([str(HOST), "up", NAME, "trixie"], check=True, stdout=subprocess.PIPE, text=True)
    address = made.stdout.strip()
    ssh(address, "vagrant", AS_DELIVERED)
    yield address
    subprocess.run([str(HOST), "down", NAME], check=True)


@pytest.fixture(scope="module")
def inventory(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an inventory of staging on that server, with its secrets."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(PROJECT / "inventories", root / "inventories")
    (root / "examples" / "noticeboard").mkdir(parents=True)
    for path in (root / "inventories").rglob("*.yml"):
        path.write_text(path.read_text(encoding="utf-8").replace("example.com", "noticeboard.net"), encoding="utf-8")
    path = root / "inventories" / "staging.yml"
    path.write_text(INVENTORY.format(address=server, key=KEY), encoding="utf-8")
    assert play(path, playbook="secrets.yml").returncode == 0
    return path


def play(inventory: Path, *arguments: str, playbook: str = "preflight.yml") -> subprocess.CompletedProcess[str]:
    argv = [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, PROJECT / "playbooks" / playbook]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    return subprocess.run(
        [*map(str, argv), *arguments],
        capture_output=True, text=True, check=False, env=environment, cwd=PROJECT, stdin=subprocess.DEVNULL,
    )  # fmt: skip


FIRST = ("-e", "preflight_first_contact=true")


def test_it_is_put_in_place_step_by_step(inventory: Path, server: str) -> None:
    known_hosts = inventory.with_name("known_hosts")
    fingerprint = ssh(server, "vagrant", "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]

    plain = play(inventory)
    assert "its host key is not known yet" in plain.stdout

    unconfirmed = play(inventory, *FIRST)
    assert unconfirmed.returncode != 0
    assert f"--host-key {fingerprint}" in " ".join(unconfirmed.stdout.split())
    assert not known_hosts.exists()

    mistaken = play(inventory, *FIRST, "-e", "preflight_host_key_fingerprint=SHA256:another")
    assert "shows another key" in mistaken.stdout
    assert not known_hosts.exists()

    missing = play(inventory, *FIRST, "-e", f"preflight_host_key_fingerprint={fingerprint}", "--check")
    assert "python3 is missing" in missing.stdout or "refuses the log-in of deploy" in missing.stdout
    assert "deploy" not in ssh(server, "root", "cat /etc/passwd")

    done = play(inventory, *FIRST)
    assert done.returncode == 0, done.stdout
    assert "NOPASSWD" in ssh(server, "deploy", "sudo -n cat /etc/sudoers.d/50-deploy; python3 --version >&2")

    again = play(inventory, *FIRST)
    assert "changed=0" in again.stdout
    assert known_hosts.read_text(encoding="utf-8").count("ssh-ed25519") == 1


def test_python3_that_went_missing(inventory: Path, server: str) -> None:
    ssh(server, "deploy", "sudo apt-get -qy remove python3-minimal")
    plain = play(inventory)
    assert "python3 is missing" in plain.stdout
    assert "./samestack provision" in plain.stdout
    assert play(inventory, *FIRST).returncode == 0


def test_a_host_key_that_changed_is_refused(inventory: Path, server: str) -> None:
    ssh(
        server,
        "root",
        "cd /etc/ssh && rm ssh_host_ed25519_key* && ssh-keygen -qN '' -t ed25519 -f ssh_host_ed25519_key"
        " && systemctl restart ssh",
    )
    refused = play(inventory, *FIRST, "-e", "preflight_accept_new_host_key=true")
    assert refused.returncode != 0
    assert "its host key is another one than the one that was pinned" in refused.stdout
    assert f"ssh-keygen -R {server} -f inventories/known_hosts" in refused.stdout
