"""A rehearsal reaches local machines only: nothing in the inventory may lead past Vagrant's connections."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Problem
from . import environment as in_hand
from .view import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .view import HostVars, Inventory

# What ssh reads beside `ansible_ssh_common_args`: a second -F or another host name there would win.
OTHER_WAYS = ("ansible_ssh_host", "ansible_ssh_args", "ansible_ssh_extra_args", "ansible_ssh_executable")


def connection_problems(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield what could lead a rehearsal to a real host: anything but Vagrant's connections."""
    if host not in inventory.groups.get(in_hand.REHEARSAL, []):
        return
    state = inventory.root.resolve() / ".samestack"
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
