"""How messages speak of a host: by its name, and the place in the inventory that says where it is.

Runs on the control node.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..inventory import environment as in_hand
from ..inventory.files import label, read_settings
from .ssh_errors import last_words, trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

SSH_PORT = 22


def host_name(task_vars: Mapping[str, Any]) -> str:
    """Return the name of a host; with its address and where that is set, where it has one of its own."""
    name = str(task_vars["inventory_hostname"])
    sources = task_vars.get("ansible_inventory_sources") or []
    folder = in_hand.main_folder(sources)
    if folder is None or "ansible_host" not in task_vars:
        return name
    settings, _ = read_settings(folder, folder.parent)
    files = {label(Path(source), folder.parent) for source in sources}
    mine = [s for s in settings if s.name == "ansible_host" and s.owner in (name, *task_vars["group_names"])]
    places = [s.place() for s in mine if not s.inline or s.file in files]
    return f"{name}, ansible_host = {task_vars['ansible_host']} (in {', '.join(places)})" if places else name


def unreachable(said: str, user: str, task_vars: Mapping[str, Any]) -> str:
    """Return the paragraph on a host that ssh did not reach, from what ssh said."""
    folder = in_hand.main_folder(task_vars.get("ansible_inventory_sources") or []) or Path.home() / ".ssh"
    address = task_vars.get("ansible_host") or task_vars["inventory_hostname"]
    port = int(task_vars.get("ansible_port") or SSH_PORT)
    found = trouble(said, local=in_hand.is_local(task_vars["inventory_hostname"], task_vars["groups"]))
    names = {
        "address": address,
        "user": user,
        "entry": address if port == SSH_PORT else f"'[{address}]:{port}'",
        "known_hosts": label(folder / "known_hosts", folder.parent),
    }
    what, fix = found.what.format(**names), found.fix.format(**names)
    return f"{host_name(task_vars)}: {what}; ssh said: {last_words(said)}. {fix}."
