"""How this computer reaches the local machines: `.samestack/ssh_config` and the marked lines in /etc/hosts."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from box.common import MACHINES, SetupError, is_there, run
from box.places import ENGINE, PROJECT, STATE
from plugins.plugin_utils.files import write_whole

HOSTS = Path("/etc/hosts")
#: A line of it that `add_hosts_lines` wrote
MARKED = re.compile(r".*# samestack: (?P<name>\S+) of (?P<folder>/.*)")
SSH_CONFIG = STATE / "ssh_config"
KNOWN_HOSTS = STATE / "known_hosts"
#: One file a machine; ssh_config is all of them together.
PARTS = STATE / "ssh"
KEPT = ("HostName", "User", "Port", "IdentityFile", "IdentitiesOnly")
REFUSAL = "%h is none of the local machines, and .samestack/ssh_config leads to no other. Run: ./samestack up"


def inventory_of(name: str) -> str:
    """The inventory that the machine `name` belongs to, relative to the repository."""
    return "inventories/dev.yml" if name == "dev1" else "inventories/rehearsal.yml"


def ask(*words: str) -> subprocess.CompletedProcess[str]:
    """Ask box/resolve.py."""
    # Ansible looks for its settings in the current folder; Python looks for this package where it is told (-P).
    command = [str(ENGINE / ".venv" / "bin" / "python"), "-P", "-m", "box.resolve", *words]
    environment = os.environ | {"PYTHONPATH": str(ENGINE)}
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def idle() -> list[str]:
    """The local machines that were not made and have nothing to do.

    One that is there was asked for once, and is to be told that it is not any more.
    """
    if all(map(is_known, MACHINES)):
        return []
    # What is wrong with an inventory, runs say.
    answer = ask(inventory_of("backup1"))
    found: list[str] = json.loads(answer.stdout) if answer.returncode == 0 else []
    return [name for name in found if name in MACHINES and not is_known(name)]


@functools.cache
def resolved(name: str) -> dict[str, Any]:
    """What box/resolve.py says of the machine `name`. Raises `SetupError` when the inventory does not resolve."""
    answer = ask(inventory_of(name), name)
    if answer.returncode != 0:
        # Its last words are the message for the user already.
        raise SetupError(answer.stderr.strip())
    known: dict[str, Any] = json.loads(answer.stdout)
    return known


def names_of(name: str) -> list[str]:
    """The site's names on the machine `name`."""
    names: list[str] = resolved(name)["names"]
    return names


def live_folder_of(name: str) -> str:
    """The absolute path of the folder that the machine `name` is to serve live; "" for none."""
    given = resolved(name)["live"]
    return str((PROJECT / given).resolve()) if given and name == "dev1" else ""


def part_of(name: str, given: str, known_hosts: Path = KNOWN_HOSTS) -> str:
    """The lines for ssh about `name`, from what its maker says, in the words of `vagrant ssh-config`."""
    lines = [f"Host {name}"]
    for line in given.splitlines():
        key = line.strip().split(" ", 1)[0]
        if key in KEPT:
            lines.append(f"  {line.strip()}")
    lines += [
        f"  HostKeyAlias {name}",
        f'  UserKnownHostsFile "{known_hosts}"',
        "  GlobalKnownHostsFile none",
        # Its key is new each time the machine is made, and only this computer can be at that address.
        "  StrictHostKeyChecking accept-new",
        "  PasswordAuthentication no",
        "  LogLevel ERROR",
        "  ProxyCommand none",
    ]
    return "\n".join(lines) + "\n"


def assemble() -> None:
    """Write ssh_config from its parts; without any, take it away."""
    parts = sorted(PARTS.glob("*")) if PARTS.exists() else []
    if not parts:
        for path in (SSH_CONFIG, KNOWN_HOSTS, KNOWN_HOSTS.with_suffix(".old")):
            path.unlink(missing_ok=True)
        shutil.rmtree(PARTS, ignore_errors=True)
        return
    refuse = f"Host *\n  ProxyCommand sh -c 'echo \"{REFUSAL}\" >&2; exit 1'\n"
    head = "# Written by `./samestack up`: the local machines, and no other host.\n"
    write_whole(SSH_CONFIG, "\n".join([head, *(part.read_text() for part in parts), refuse]), 0o600)


def has_connection(name: str) -> bool:
    """Whether ssh_config leads to `name` already."""
    return SSH_CONFIG.exists() and (PARTS / name).exists()


def is_known(name: str) -> bool:
    """Whether ssh_config leads to `name`, whoever made that machine."""
    return SSH_CONFIG.exists() and f"Host {name}" in SSH_CONFIG.read_text().splitlines()


def write_connection(name: str, given: str) -> None:
    """Take what the maker of `name` says about it into ssh_config."""
    PARTS.mkdir(exist_ok=True)
    write_whole(PARTS / name, part_of(name, given), 0o600)
    forget_host_key(name)
    assemble()


def forget_host_key(name: str) -> None:
    """Drop the host key that was seen on an earlier machine of this name."""
    if KNOWN_HOSTS.exists():
        command = ["ssh-keygen", "-f", str(KNOWN_HOSTS), "-R", name]
        subprocess.run(command, capture_output=True, check=False)


def mark_of(name: str) -> str:
    """The comment that tells our lines in /etc/hosts from all others."""
    return f"# samestack: {name} of {PROJECT}"


def check_hosts_names(name: str) -> None:
    """Raise `SetupError` when a line in /etc/hosts that is not ours already gives one of the site's names away."""
    names = names_of(name)
    for number, line in enumerate(HOSTS.read_text().splitlines(), 1):
        if line.endswith(mark_of(name)):
            continue
        words = line.split("#")[0].split()
        for domain in sorted(set(words[1:]).intersection(names)):
            raise SetupError(
                f"app_domains = {domain} (for {name}, in {inventory_of(name)}): line {number} of {HOSTS} gives this "
                f"name to {words[0]} already. {way_out(line)}, or choose another name."
            )


def way_out(line: str) -> str:
    """Return how a line of /etc/hosts is taken out, by who wrote it."""
    _, mark, owner = line.partition("# samestack: ")
    folder = owner.partition(" of ")[2]
    if mark and is_there(folder):
        return f"It is that of {owner}: `cd {shlex.quote(folder)} && ./samestack destroy` takes both away"
    return "Take that line out"


def save_hosts(text: str) -> None:
    """Write /etc/hosts as root; in place, because in a container it may be a mount that cannot be replaced."""
    run(["tee", str(HOSTS)], root=True, stdin=text)


def hosts_without(name: str) -> str:
    """The text of /etc/hosts without our line for `name`."""
    lines = HOSTS.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.rstrip("\n").endswith(mark_of(name)))


def has_names(name: str) -> bool:
    """Whether /etc/hosts gives `name` the site's names of now, and no others."""
    ours = [line.split("#")[0].split()[1:] for line in HOSTS.read_text().splitlines() if line.endswith(mark_of(name))]
    return ours == [names_of(name)]


def add_hosts_lines(name: str, address: str) -> None:
    """Give the site's names on `name` to `address` in /etc/hosts; nothing is written when that is so already."""
    check_hosts_names(name)
    text = hosts_without(name)
    if text and not text.endswith("\n"):
        text += "\n"
    names = names_of(name)
    wanted = f"{text}{address} {' '.join(names)} {mark_of(name)}\n" if names else text
    if sorted(wanted.splitlines()) != sorted(HOSTS.read_text().splitlines()):
        save_hosts(wanted)


def forget(name: str, *, hosts_file: bool = True) -> None:
    """Take `name` out of ssh_config and, unless told otherwise, out of /etc/hosts."""
    (PARTS / name).unlink(missing_ok=True)
    forget_host_key(name)
    assemble()
    text = hosts_without(name)
    if hosts_file and text != HOSTS.read_text():
        save_hosts(text)
