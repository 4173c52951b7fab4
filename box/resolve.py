"""Values of the inventory as Ansible itself resolves them, for what happens beside Ansible.

    .venv/bin/python -m box.resolve INVENTORY HOST     `names`, the site's on HOST, and `live`, the folder that
                                                       development serves live ("": none), as JSON

Start it in the repository's root: Ansible looks for its settings in the folder that it is imported in.
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
        values = self.variables(host, "app_domains", "app_static_domain")
        names = [*values.get("app_domains", []), values.get("app_static_domain", "")]
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


if __name__ == "__main__":
    try:
        known = Inventory(sys.argv[1])
        print(json.dumps({"names": known.domains(sys.argv[2]), "live": known.live_folder(sys.argv[2])}))
    except SetupError as problem:
        stop(str(problem))
    except AnsibleError as error:
        stop(f"{sys.argv[1]}: {error}")
