"""Values of the inventory as Ansible itself resolves them, for what happens beside Ansible.

    .venv/bin/python -m box.resolve INVENTORY HOST     `names`, the site's on HOST, and `live`, the folder that
                                                       development serves live ("": none), as JSON
    .venv/bin/python -m box.resolve INVENTORY          the hosts that have nothing to do, as JSON

Start it in the project's folder: Ansible looks for its settings in the folder that it is imported in.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

from box.common import SetupError, stop
from plugins.plugin_utils.inventory.backups import NAME, idle_keepers
from plugins.plugin_utils.inventory.environment import ENVIRONMENTS

#: How Ansible connects; templates are allowed in all of them.
CONNECTION = (
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_ssh_private_key_file",
)
#: The defaults of what is not decided come from a plugin of the collection.
init_plugin_loader()


class Inventory:
    """One inventory file with its group and host variables."""

    def __init__(self, path: str) -> None:
        """Read `path`, relative to the repository's root."""
        self._path = path
        self._loader = DataLoader()
        self._manager = InventoryManager(loader=self._loader, sources=[path])
        self._variables = VariableManager(loader=self._loader, inventory=self._manager)

    def hosts(self, pattern: str) -> list[str]:
        """The names of the hosts that `pattern` selects, in the inventory's order."""
        return [str(host.name) for host in self._manager.get_hosts(pattern)]

    def variables(self, host: str, *wanted: str) -> dict[str, Any]:
        """The resolved values on `host` of `wanted` and of the connection variables, as far as they are set.

        Raises `SetupError` when the inventory has no such host or a value does not resolve.
        """
        found = self._manager.get_host(host)
        if found is None:
            raise SetupError(f"{host} (in {self._path}): there is no such host. Add it under `hosts:`.")
        known = self._variables.get_vars(host=found)
        for environment in ENVIRONMENTS:
            if environment in known.get("group_names", []):
                known.setdefault("environment_name", environment)
        templar = Templar(loader=self._loader, variables=known)
        resolved = {}
        for name in (*wanted, *CONNECTION):
            if name in known:
                try:
                    resolved[name] = templar.template(known[name])
                except AnsibleError as error:
                    raise SetupError(f"{name} (for {host}, in {self._path}): {error}") from error
        return resolved

    def domains(self, host: str) -> list[str]:
        """The names under which `host` serves the site, wildcards left out; [] where it serves none.

        Raises `SetupError` when the site has no name.
        """
        if host not in self.hosts("web"):
            return []
        values = self.variables(host, "app_domains", "app_static_domain", "app_mail_domain")
        names = [*values.get("app_domains", []), *(values.get(f"app_{kind}_domain", "") for kind in ("static", "mail"))]
        domains = [str(name) for name in names if name and not str(name).startswith("*.")]
        if not domains:
            raise SetupError(
                f"app_domains = [] (for {host}, in {self._path}): the site has no name. Write one for it in "
                f"inventories/group_vars/<environment>/differences.yml."
            )
        return domains

    def live_folder(self, host: str) -> str:
        """The folder on this computer whose code `host` serves live, as it was written; "" for none."""
        source = self.variables(host, "app_source").get("app_source") or {}
        return str(source.get("path" if source.get("type") == "path" else "live_checkout") or "")

    def idle(self) -> list[str]:
        """The hosts that would keep backups and do nothing else, of an environment that has none kept."""
        groups = self._manager.get_groups_dict()
        # As it is written: the secrets of other kinds are not known here.
        return [host for host in self.hosts("backup") if host in idle_keepers(groups, self._written(host, NAME))]

    def _written(self, host: str, name: str) -> object:
        return self._variables.get_vars(host=self._manager.get_host(host)).get(name)


if __name__ == "__main__":
    try:
        file, *hosts = sys.argv[1:]
        known = Inventory(file)
        told = [{"names": known.domains(host), "live": known.live_folder(host)} for host in hosts]
        print(json.dumps(told[0] if told else known.idle()))
    except SetupError as problem:
        stop(str(problem))
    except AnsibleError as error:
        stop(f"{sys.argv[1]}: {error}")
