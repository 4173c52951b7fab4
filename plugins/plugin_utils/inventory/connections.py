"""Where the inventory leads: no word of it is an option of ssh, and a rehearsal reaches local machines only."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Problem
from ..text import one_line
from . import environment as in_hand
from .view import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .view import HostVars, Inventory

HOST_NAME = re.compile(r"\w[\w.-]{0,252}")
ADDRESS = (r"[A-Za-z0-9_:\[][\w.:%\[\]-]*", "address", "Write an address such as 203.0.113.7, or a name that ssh knows")
LOGIN = (r"\w[\w.@\\+-]*", "login name", "Write the name of a user of that host")
PORT = (r"\d{1,5}", "port", "Write a number from 1 to 65535")
#: Of the words that become arguments of ssh: how they look, what they are, how to write them
SSH_WORDS = {
    "ansible_host": ADDRESS, "ansible_ssh_host": ADDRESS, "ansible_user": LOGIN, "ansible_ssh_user": LOGIN,
    "ansible_port": PORT, "ansible_ssh_port": PORT,
}  # fmt: skip
# What ssh reads beside `ansible_ssh_common_args`: a second -F or another host name there would win.
OTHER_WAYS = ("ansible_ssh_host", "ansible_ssh_args", "ansible_ssh_extra_args", "ansible_ssh_executable")


def word_problems(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield the names, addresses and users that ssh would take for an option, or a file's name for a way elsewhere."""
    if not HOST_NAME.fullmatch(host):
        fix = "Name it with letters, digits, dots, hyphens and underscores, such as web1"
        place = ", ".join(sorted(inventory.in_hand)) or "the inventory"
        yield Problem(one_line(host, 60), place, "this is no name of a host", fix)
    for name, (pattern, what, fix) in SSH_WORDS.items():
        value = str(plain(host_vars.get(name) or ""))
        if value and not re.fullmatch(pattern, value):
            yield Problem(name, inventory.place(name, (), host), f"this is no {what}", fix, one_line(value, 60))


def connection_problems(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield what could lead a rehearsal to a real host: anything but Vagrant's connections."""
    if host not in inventory.groups.get(in_hand.REHEARSAL, []):
        return
    state = inventory.root.resolve() / ".samestack"
    yield from address_problems(inventory, host, host_vars, state / "provider.json")
    if "ansible_host" in host_vars:
        value = str(plain(host_vars["ansible_host"]))
        fix = "Take it out of the rehearsal: its machines are found by their names"
        what = "a rehearsal has no addresses of real servers"
        yield Problem("ansible_host", inventory.place("ansible_host", (), host), what, fix, value)
    if host_vars.get("ansible_connection", "ssh") not in ("ssh", "ansible.builtin.ssh"):
        value = str(host_vars["ansible_connection"])
        what = "a rehearsal connects by ssh, with the settings that Vagrant gave"
        yield Problem(
            "ansible_connection", inventory.place("ansible_connection", (), host), what, "Take the line out", value
        )
    for name in OTHER_WAYS:
        if plain(host_vars.get(name, "")):
            what = "a rehearsal connects with the settings that Vagrant gave; this could lead past them"
            fix = "Move it to your ~/.ssh/config, for the real server's address"
            yield Problem(name, inventory.place(name, (), host), what, fix, str(plain(host_vars[name])))
    words = shlex.split(str(plain(host_vars.get("ansible_ssh_common_args", ""))))
    config = words[1] if len(words) == len(["-F", "file"]) and words[0] == "-F" else ""
    if not Path(config).resolve().is_relative_to(state) or not config:
        name = "ansible_ssh_common_args"
        what = "a rehearsal must connect with .samestack/ssh_config, which leads to local machines only"
        fix = "Write -F '{{ inventory_dir }}/../.samestack/ssh_config'"
        yield Problem(name, inventory.place(name, (), host), what, fix, " ".join(words) or "(nothing)")


def address_problems(inventory: Inventory, host: str, host_vars: HostVars, record: Path) -> Iterator[Problem]:
    """Yield what is wrong where the others would look for a local machine at another address than it has.

    Args:
        inventory: the inventory.
        host: a local machine.
        host_vars: its variables.
        record: what box/setup wrote about the machines; an earlier version's inventories work addresses out themselves.
    """
    try:
        given = json.loads(record.read_text(encoding="utf-8"))["addresses"][host]
    except (OSError, ValueError, KeyError, TypeError):
        return
    value = str(plain(host_vars.get("machine_address", given)))
    if value != given:
        place = inventory.place("machine_address", (), host)
        what = f"on this computer {host} has the address {given}: several projects have machines here"
        file = "inventories/group_vars/rehearsal/differences.yml"
        fix = f"Take machine_address in {file} from a newer Samestack, which reads it where `./samestack up` wrote it"
        yield Problem("machine_address", place, what, fix, value)
