"""What `playbooks/site.yml` puts on a host: by the real inventory, roles and action plugin, and without the host.

The play is loaded as Ansible loads it. For every `system_state` task that would run, the plugin's own code turns the
task's entries into contents, and nothing is started. So tests never repeat a value: they ask here.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.playbook.helpers import load_list_of_blocks
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import action_loader, init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from local_authority import authority_pem, new_authority

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible.playbook.task import Task

ACTION = "system_state"
INCLUDES = ("include_tasks", "ansible.builtin.include_tasks")
#: The plugin asks its connection only for a folder that exists already.
NO_CONNECTION = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere"))
CERTIFICATE_AUTHORITY = authority_pem(new_authority())
#: Stand-ins: no test knows a real secret.
SECRETS = {
    "vault_app_secret_key": "tests-$x\"y'`z\\ %n #",
    "vault_database_password": "tests/database:password@#%",
    "vault_redis_password": "tests-redis-password",
    "vault_ca_certificate": CERTIFICATE_AUTHORITY["certificate"],
    "vault_ca_key": CERTIFICATE_AUTHORITY["key"],
}


@dataclass
class Expected:
    """What one host gets."""

    host: str
    machine: dict[str, Any]
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    templars: dict[str, Templar] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """Return a variable as a role that knows it sees it; raises KeyError when none of the host's roles does."""
        for templar in self.templars.values():
            if name in templar.available_variables:
                return templar.template(trust_as_template("{{ " + name + " }}"))
        raise KeyError(name)

    def text(self, path: str) -> str:
        """Return a file's text; raises KeyError when the host does not get the file."""
        return base64.b64decode(self.entries[path]["data"]).decode()

    def matching(self, pattern: str) -> list[str]:
        """Return the paths of files that match the whole of a regular expression."""
        files = (path for path, entry in self.entries.items() if entry["state"] == "file")
        return [path for path in files if re.fullmatch(pattern, path)]


def flat(blocks: list[Any]) -> Iterator[Task]:
    """Return the tasks of blocks, in order."""
    for block in blocks:
        if hasattr(block, "block"):
            yield from flat(block.block)
        else:
            yield block


def telling(blocks: list[Any]) -> list[Task]:
    """Return the tasks that put files on a host, and those that may bring more of them."""
    return [task for task in flat(blocks) if task.action in (ACTION, *INCLUDES)]


class Site:
    """The one list of roles, of the project whose ansible.cfg is in use."""

    def __init__(self) -> None:
        if not constants.CONFIG_FILE or not (Path(constants.CONFIG_FILE).parent / "playbooks/site.yml").exists():
            raise RuntimeError("there is no ansible.cfg of this project here: run pytest in the root of the repository")
        self.root = Path(constants.CONFIG_FILE).parent
        init_plugin_loader()
        self.loader = DataLoader()
        self.loader.set_basedir(str(self.root / "playbooks"))
        inventory = InventoryManager(self.loader, sources=[str(self.root / "inventories/dev.yml")])
        variables = VariableManager(self.loader, inventory)
        site = Playbook.load(str(self.root / "playbooks/site.yml"), variable_manager=variables, loader=self.loader)
        self._play = site.get_plays()[-1]
        self._tasks = telling(self._play.compile())

    def inventory(self, source: Path, extra: Mapping[str, Any]) -> tuple[InventoryManager, VariableManager]:
        """Return the hosts and variables of an inventory, with variables as if from the command line."""
        inventory = InventoryManager(self.loader, sources=[str(source)])
        variables = VariableManager(self.loader, inventory)
        HostVars(inventory, variables, self.loader)
        variables._extra_vars = {**SECRETS, **extra}
        return inventory, variables

    def values(self, inventory: InventoryManager, variables: VariableManager, host: str) -> Templar:
        """Return what resolves the inventory's own variables for a host."""
        found = variables.get_vars(play=self._play, host=inventory.get_host(host))
        return Templar(self.loader, variables=found)

    def expected(
        self, inventory: InventoryManager, variables: VariableManager, host: str, machine: dict[str, Any]
    ) -> Expected:
        """Return what a host gets that has these facts."""
        found = Expected(host, machine)
        waiting = list(self._tasks)
        while waiting:
            task = waiting.pop(0)
            values = variables.get_vars(play=self._play, host=inventory.get_host(host), task=task)
            values["ansible_facts"] = {"machine": machine}
            values["ansible_search_path"] = task.get_search_path()
            templar = Templar(self.loader, variables=values)
            if not all(templar.evaluate_conditional(condition) for condition in task.when):
                continue
            if task.action == ACTION:
                self._add(found, task, values, templar)
            elif task.action in INCLUDES:
                waiting[:0] = self._included(task, templar, variables)
        return found

    def _included(self, task: Task, templar: Templar, variables: VariableManager) -> list[Task]:
        """Return the tasks of a file that a role includes under a condition."""
        name = templar.template(task.args.get("file") or task.args["_raw_params"])
        path = Path(task._role._role_path) / "tasks" / name
        blocks = load_list_of_blocks(
            self.loader.load_from_file(str(path), trusted_as_template=True),
            play=self._play,
            role=task._role,
            task_include=task,
            variable_manager=variables,
            loader=self.loader,
        )
        return telling(blocks)

    def _add(self, expected: Expected, task: Task, values: dict[str, Any], templar: Templar) -> None:
        """Add what a task puts on the host."""
        task = task.copy()
        task.args = templar.template(task.args)
        action = action_loader.get(
            ACTION,
            task=task,
            connection=NO_CONNECTION,
            play_context=PlayContext(),
            loader=self.loader,
            templar=templar,
            shared_loader_obj=None,
        )
        # No folder on a host is needed, and the one call to it ends here.
        action.TRANSFERS_FILES = False
        action._execute_module = lambda module_args, **_others: module_args
        answer = action.run(task_vars=values)
        for entry in answer["files"]:
            expected.entries[entry["path"]] = entry | {"data": answer["contents"][entry["path"]]}
        expected.units.update({unit["name"]: unit for unit in answer["units"] if unit.get("when", True)})
        expected.templars[task._role.get_name()] = templar
