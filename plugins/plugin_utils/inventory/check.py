"""Everything that can be wrong with an inventory, one law after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..project_root import ENGINE
from ..secrets.vault import secret_problems
from ..stack.lock import FILE as STACK_LOCK
from ..stack.lock import read_lock
from . import environment as in_hand
from .connections import connection_problems
from .host_values import value_problems
from .names import name_problems
from .topology import address_problems, topology_problems
from .view import Inventory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible.parsing.dataloader import DataLoader

ROLES = ENGINE / "roles"


def all_problems(
    task_vars: Mapping[str, Any], loader: DataLoader, extra: Mapping[str, Any], *, several: bool
) -> Iterator[Problem]:
    """Yield everything that is wrong with the inventory in hand, by Ansible's task variables and the command line's."""
    yield from in_hand.environment_problems(task_vars, several=several)
    sources = task_vars.get("ansible_inventory_sources") or []
    folder = in_hand.main_folder(sources)
    if folder is None:
        fix = "Use an inventory of the folder that has group_vars/all/differences.yml"
        yield Problem("inventory", ", ".join(sources), "there are no decisions beside it", fix)
        return
    inventory = Inventory(folder, ROLES, task_vars, extra)
    yield from name_problems(inventory)
    yield from read_lock(inventory.root / STACK_LOCK)[1]
    hosts = [host for host in inventory.hosts if inventory.environment(host)]
    for host in hosts:
        host_vars = task_vars["hostvars"][host]
        yield from value_problems(inventory, host, host_vars)
        yield from connection_problems(inventory, host, host_vars)
        yield from address_problems(inventory, host, host_vars)
    first = {inventory.environment(host): host for host in reversed(hosts)}
    for environment, host in sorted(first.items()):
        yield from topology_problems(inventory, environment, task_vars["hostvars"][host])
    local = {inventory.environment(host): in_hand.is_local(host, inventory.groups) for host in hosts}
    for environment, is_local in sorted(local.items()):
        yield from secret_problems(loader, folder, environment, local=is_local)
