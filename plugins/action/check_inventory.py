"""The control-node half of `check_inventory`: reports every problem of the inventory at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ..plugin_utils.errors import Problem
from ..plugin_utils.inventory import app_environment
from ..plugin_utils.inventory import environment as in_hand
from ..plugin_utils.inventory.connections import connection_problems, word_problems
from ..plugin_utils.inventory.database_connections import connection_count_problems
from ..plugin_utils.inventory.defaults import edited_files, order_problems
from ..plugin_utils.inventory.host_values import value_advice, value_problems
from ..plugin_utils.inventory.names import name_problems
from ..plugin_utils.inventory.one_machine import shared_machine_problems
from ..plugin_utils.inventory.own_files import project_file_problems
from ..plugin_utils.inventory.topology import address_problems, ping_problems, topology_problems
from ..plugin_utils.inventory.view import DECISIONS, THE_DEFAULT, HostValues, Inventory, Purpose, plain
from ..plugin_utils.project_root import ENGINE
from ..plugin_utils.secrets.vault import secret_problems
from ..plugin_utils.stack.lock import FILE as STACK_LOCK
from ..plugin_utils.stack.lock import read_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible.parsing.dataloader import DataLoader

ROLES = ENGINE / "roles"


def all_problems(
    task_vars: Mapping[str, Any],
    loader: DataLoader,
    extra: Mapping[str, Any],
    purpose: Purpose,
    advice: list[Problem] | None = None,
) -> Iterator[Problem]:
    """Yield everything that is wrong with the inventory in hand, by Ansible's task variables and the command line's.

    What works today and should be looked at all the same is added to `advice`.
    """
    yield from in_hand.environment_problems(task_vars, several=purpose.several)
    sources = task_vars.get("ansible_inventory_sources") or []
    folder = in_hand.main_folder(sources)
    if folder is None:
        fix = "Use an inventory of the folder that has group_vars/all/differences.yml"
        yield Problem("inventory", ", ".join(sources), "there are no decisions beside it", fix)
        return
    if order := list(order_problems()):
        yield from order
        return
    inventory = Inventory(folder, ROLES, task_vars, extra, fetches=purpose.fetches)
    yield from name_problems(inventory)
    yield from shared_machine_problems(inventory)
    misread = list(app_environment.misread(inventory.settings))
    yield from misread
    said = {problem.variable for problem in misread}
    yield from read_lock(inventory.root / STACK_LOCK)[1]
    hosts = [host for host in inventory.hosts if inventory.environment(host)]
    seen = {host: HostValues(task_vars["hostvars"], host, loader) for host in hosts}
    for host, host_vars in seen.items():
        words = list(word_problems(inventory, host, host_vars))
        yield from words
        for problem in value_problems(inventory, host, host_vars):
            # By default it is what is wrong already.
            known = words and problem.variable == "machine_address" and problem.place == THE_DEFAULT
            if not known and problem.variable not in said:
                yield problem
        if advice is not None:
            advice += value_advice(inventory, host, host_vars)
        yield from connection_problems(inventory, host, host_vars)
        yield from address_problems(inventory, host, host_vars)
    first = {inventory.environment(host): host for host in reversed(hosts)}
    for environment, host in sorted(first.items()):
        yield from topology_problems(inventory, environment, seen[host])
        yield from connection_count_problems(inventory, host, task_vars["hostvars"])
    yield from ping_problems(inventory)
    for host in list(first.values())[:1]:
        processes = (plain(seen[host].get(name)) for name in ("app_workers", "app_timers"))
        names = [list(found) if isinstance(found, dict) else [] for found in processes]
        yield from project_file_problems(inventory.root, *names)
    local = {inventory.environment(host): in_hand.is_local(host, inventory.groups) for host in hosts}
    for environment, is_local in sorted(local.items()):
        yield from secret_problems(loader, folder, environment, local=is_local)


class ActionModule(ActionBase):
    """Check the inventory; fails with every problem, one paragraph each."""

    _VALID_ARGS = frozenset({"environments", "fetches"})
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the environments in hand, or fail with `problems`."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"remote_calls": 0}
        _, arguments = self.validate_argument_spec(
            {
                "environments": {"type": "str", "choices": ["one", "any"], "default": "one"},
                "fetches": {"type": "bool", "default": True},
            }
        )
        task_vars = task_vars or {}
        purpose = Purpose(several=arguments["environments"] == "any", fetches=arguments["fetches"])
        advice: list[Problem] = []
        problems = all_problems(task_vars, self._loader, load_extra_vars(self._loader), purpose, advice)
        texts = list(dict.fromkeys(map(str, problems)))
        if edited := edited_files():
            self._display.warning(
                f"{', '.join(edited)}: changed here, and replaced by the next upgrade. What you decide belongs to "
                f"inventories/group_vars/all/{DECISIONS}, which wins over the defaults."
            )
        groups = task_vars["groups"]
        found = {name for host in task_vars["ansible_play_hosts_all"] for name in in_hand.environments_of(host, groups)}
        result |= {"changed": False, "failed": bool(texts), "problems": texts, "environments": sorted(found)}
        for text in dict.fromkeys(map(str, advice)) if not texts else ():
            self._display.warning(text)
        if texts:
            result["msg"] = "\n\n".join(texts)
        return result
