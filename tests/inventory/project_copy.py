"""A copy of the inventories to break, and the check on it, run in this process."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from plugins.action.check_inventory import all_problems
from plugins.plugin_utils.inventory import view
from plugins.plugin_utils.secrets import keys
from tests.support import templating

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).resolve().parents[2]
init_plugin_loader()
# Every copy gets secrets of its own, and this one takes a tenth of a second: all have the same.
keys.new_account_key = functools.cache(keys.new_account_key)
# The roles are the same in all checks: what they declare is read once, what is rendered is compiled once.
declared = functools.cache(view.spec_options)
view.spec_options = lambda path: dict(declared(path))
templating.remember()


class Project:
    """A copy of this project as far as the check reads it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(PROJECT / "inventories", root / "inventories")
        (root / "examples" / "noticeboard").mkdir(parents=True)

    def file(self, name: str) -> Path:
        return self.root / "inventories" / name

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a file of the inventories; fails where it does not hold the old text, so that no test goes stale."""
        text = self.file(name).read_text(encoding="utf-8")
        assert old in text, f"{name} no longer holds {old!r}"
        self.file(name).write_text(text.replace(old, new), encoding="utf-8")

    def add(self, name: str, text: str) -> None:
        """Add lines to a file of the inventories, which may be new."""
        path = self.file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.exists() else "---\n"
        path.write_text(f"{before}{text}\n", encoding="utf-8")

    def make_real(self) -> None:
        """Write real names in place of the placeholders, in every file."""
        for path in self.file(".").rglob("*.yml"):
            path.write_text(
                path.read_text(encoding="utf-8").replace("example.com", "noticeboard.net"), encoding="utf-8"
            )
        # Machines that talk to each other need numbers.
        for number, name in enumerate(("www", "backup"), 31):
            line = f"      ansible_host: {name}.noticeboard.net\n"
            self.replace("production.yml", line, f"{line}      machine_address: 203.0.113.{number}\n")

    def _load(self, *inventories: str) -> tuple[list[str], DataLoader, InventoryManager, VariableManager]:
        sources = [str(self.file(f"{name}.yml")) for name in inventories]
        loader = DataLoader()
        inventory = InventoryManager(loader, sources)
        return sources, loader, inventory, VariableManager(loader, inventory)

    def variables(self, name: str, host: str) -> dict[str, Any]:
        """Return a host's variables in an inventory as they were written, but for Ansible's own."""
        _, _, inventory, variables = self._load(name)
        found = variables.get_vars(host=inventory.get_host(host), include_hostvars=False)
        return {key: value for key, value in found.items() if key.partition("_")[0] not in ("ansible", "inventory")}

    def check(
        self,
        *inventories: str,
        limit: str | None = None,
        extra: Mapping[str, Any] | None = None,
        several: bool = False,
        fetches: bool = True,
    ) -> list[str]:
        """Return the problems of a run with these inventories (dev where none is named)."""
        sources, loader, inventory, variables = self._load(*inventories or ("dev",))
        variables._extra_vars = dict(extra or {})
        inventory.subset(limit)
        task_vars = {
            "ansible_play_hosts_all": [host.name for host in inventory.get_hosts("all")] or ["localhost"],
            "groups": inventory.get_groups_dict(),
            "hostvars": HostVars(inventory, variables, loader),
            "ansible_inventory_sources": sources,
            "playbook_dir": str(self.root / "playbooks"),
        }
        return [
            str(problem) for problem in all_problems(task_vars, loader, extra or {}, view.Purpose(several, fetches))
        ]
