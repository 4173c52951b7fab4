"""What `playbooks/site.yml` puts on a host: by the real roles and the action plugin `system_state`, without the host.

The play is loaded as Ansible loads it. For every `system_state` task that would run, the plugin's own code turns the
task's entries into contents, and nothing is started. So nobody repeats a value: whoever wants to know what a machine
should have asks here. Runs on the control node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ansible.inventory.manager import InventoryManager
from ansible.playbook import Playbook
from ansible.playbook.helpers import load_list_of_blocks
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import action_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible.parsing.dataloader import DataLoader
    from ansible.playbook.task import Task

ACTION = "samestack.core.system_state"
INCLUDES = ("include_tasks", "ansible.builtin.include_tasks")
#: The plugin asks its connection only for a folder that exists already.
NO_CONNECTION = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere"))


@dataclass
class Contents:
    """What one host gets."""

    #: Files, directories and links by path, as `system_state` has them; `data` is a file's content (base64)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Each role's variables as its tasks see them
    templars: dict[str, Templar] = field(default_factory=dict)


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


class SiteTasks:
    """The one list of roles, loaded."""

    def __init__(self, root: Path, loader: DataLoader) -> None:
        """Load playbooks/site.yml of the project in `root`."""
        self._loader = loader
        self._variables = VariableManager(loader, InventoryManager(loader, sources=["localhost,"]))
        file = str(root / "playbooks" / "site.yml")
        self.play = Playbook.load(file, variable_manager=self._variables, loader=loader).get_plays()[-1]
        self._tasks = telling(self.play.compile())

    def contents(self, values_of: Callable[[Task], dict[str, Any]]) -> Contents:
        """Return what a host gets; `values_of` returns its variables as a task sees them, its facts among them."""
        found = Contents()
        waiting = list(self._tasks)
        while waiting:
            task = waiting.pop(0)
            values = values_of(task)
            values["ansible_search_path"] = task.get_search_path()
            templar = Templar(self._loader, variables=values)
            if not all(templar.evaluate_conditional(condition) for condition in task.when):
                continue
            if task.action == ACTION:
                self._add(found, task, values, templar)
            elif task.action in INCLUDES:
                waiting[:0] = self._included(task, templar)
        return found

    def _included(self, task: Task, templar: Templar) -> list[Task]:
        """Return the tasks of a file that a role includes under a condition."""
        name = templar.template(task.args.get("file") or task.args["_raw_params"])
        path = Path(task._role._role_path) / "tasks" / name
        blocks = load_list_of_blocks(
            self._loader.load_from_file(str(path), trusted_as_template=True),
            play=self.play,
            role=task._role,
            task_include=task,
            variable_manager=self._variables,
            loader=self._loader,
        )
        return telling(blocks)

    def _add(self, found: Contents, task: Task, values: dict[str, Any], templar: Templar) -> None:
        """Add what a task puts on the host."""
        task = task.copy()
        task.args = templar.template(task.args)
        action = action_loader.get(
            ACTION,
            task=task,
            connection=NO_CONNECTION,
            play_context=PlayContext(),
            loader=self._loader,
            templar=templar,
            shared_loader_obj=None,
        )
        # No folder on a host is needed, and the one call to it ends here.
        action.TRANSFERS_FILES = False
        action._execute_module = lambda module_args, **_others: module_args
        answer = action.run(task_vars=values)
        for entry in answer["files"]:
            found.entries[entry["path"]] = entry | {"data": answer["contents"][entry["path"]]}
        found.units.update({unit["name"]: unit for unit in answer["units"] if unit.get("when", True)})
        found.templars[task._role.get_name()] = templar


def with_role(values: dict[str, Any], task: Task) -> dict[str, Any]:
    """Return a host's variables as a role's task sees them: over the role's defaults, under its vars."""
    role = task._role
    return {**role.get_default_vars(), **values, **role.get_vars(include_params=False), **task.get_vars()}
