"""What an inventory gets from Samestack itself: the defaults of all decisions, and the roles' variables made of them.

They stand below the inventory's own `group_vars/all`, whatever the names of the files there: ansible.cfg lists this
plugin before `host_group_vars`. A folder `group_vars/all/samestack/` could not do that, because Ansible reads the files
and folders of `group_vars/all` in the order of the alphabet, and the last one wins. Runs on the control node.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.plugins.vars import BaseVarsPlugin
from ansible.template import trust_as_template

from ..plugin_utils.inventory.defaults import default_files, service_names, wiring_files
from ..plugin_utils.inventory.environment import MARK
from ..plugin_utils.inventory.files import unreadable
from ..plugin_utils.project_root import project_root

if TYPE_CHECKING:
    from ansible.inventory.group import Group
    from ansible.inventory.host import Host
    from ansible.parsing.dataloader import DataLoader

DOCUMENTATION = r"""
name: defaults
short_description: The defaults of all decisions, and the roles' variables
description:
  - Gives group C(all) of an inventory with C(group_vars/all/differences.yml) what stands in C(defaults/) and
    C(wiring/) of this collection.
  - Has to stand before C(host_group_vars) in C(vars_plugins_enabled), so that the inventory's own files win.
"""


class VarsModule(BaseVarsPlugin):
    """Reads the files once; Ansible asks for every host and every folder that may have variables."""

    is_stateless = True

    def __init__(self) -> None:
        """Know nothing yet."""
        super().__init__()
        self._variables: dict[str, Any] = {}
        self._projects: dict[str, bool] = {}

    def get_vars(self, loader: DataLoader, path: str, entities: Host | Group | list[Host | Group]) -> dict[str, Any]:
        """Return the variables of group `all` in a folder of inventories; nothing for anything else."""
        super().get_vars(loader, path, entities)
        asked = entities if isinstance(entities, list) else [entities]
        if not any(entity.name == "all" for entity in asked) or not self._has_decisions(path):
            return {}
        if not self._variables:
            self._check_files(Path(path))
            for file in [*default_files(), *wiring_files()]:
                self._variables |= loader.load_from_file(str(file), cache="all", unsafe=True, trusted_as_template=True)
            services = {name: trust_as_template(f"{{{{ {name}_service }}}}") for name in service_names()}
            self._variables["services"] = services
        return self._variables

    def _check_files(self, folder: Path) -> None:
        """Raise AnsibleError for files of the user's that are no YAML, before Ansible reads them: it names no rule."""
        if problems := unreadable(folder, project_root()):
            raise AnsibleError("\n\n".join(map(str, problems)))

    def _has_decisions(self, path: str) -> bool:
        """Tell whether a folder is one of inventories; the playbooks' own is asked about too, and would win over it."""
        if path not in self._projects:
            self._projects[path] = (Path(path) / MARK).is_file()
        return self._projects[path]
