"""What `playbooks/site.yml` puts on a host, by the real inventory and roles: tests never repeat a value, they ask."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from plugins.plugin_utils.parity.intended import SiteTasks
from plugins.plugin_utils.secrets.acme_account import new_account_key
from plugins.plugin_utils.secrets.authority import authority_pem, new_authority
from tests.support import templating

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible.playbook.task import Task

CERTIFICATE_AUTHORITY = authority_pem(new_authority())
#: Stand-ins: no test knows a real secret.
SECRETS = {
    "vault_app_secret_key": "tests-$x\"y'`z\\ %n #",
    "vault_database_password": "tests/database:password@#%",
    "vault_database_owner_password": "tests/owner:password@#%",
    "vault_redis_password": "tests-redis-password",
    "vault_ca_certificate": CERTIFICATE_AUTHORITY["certificate"],
    "vault_ca_key": CERTIFICATE_AUTHORITY["key"],
    "vault_acme_account_key": new_account_key(),
    "vault_backup_key": "tests-backup-key",
    "vault_copies_key": "tests-copies-key",
    "vault_backup_s3_key": "tests-s3-key",
    "vault_backup_s3_secret": "tests/s3+secret",
    "vault_backup_sftp_key": (
        "-----BEGIN OPENSSH PRIVATE KEY-----\ndGVzdHMtc2Z0cC1rZXk=\n-----END OPENSSH PRIVATE KEY-----\n"
    ),
}
#: Variables that follow from the inventory alone
PLACES = (
    "environment_name", "environment_hosts", "web_hosts", "db_hosts", "worker_hosts", "app_hosts", "service_hosts",
    "services_here", "backup_keepers", "backup_off_host", "backup_does",
)  # fmt: skip


@dataclass
class Expected:
    """What one host gets."""

    host: str
    machine: dict[str, Any]
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    templars: dict[str, Templar] = field(default_factory=dict)
    _values: dict[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """Return a variable as a role that knows it sees it; raises KeyError when none of the host's roles does."""
        if name not in self._values:
            knows = [templar for templar in self.templars.values() if name in templar.available_variables]
            if not knows:
                raise KeyError(name)
            self._values[name] = knows[0].template(trust_as_template("{{ " + name + " }}"))
        return self._values[name]

    def text(self, path: str) -> str:
        """Return a file's text; raises KeyError when the host does not get the file."""
        return base64.b64decode(self.entries[path]["data"]).decode()

    def matching(self, pattern: str) -> list[str]:
        """Return the paths of files that match the whole of a regular expression."""
        files = (path for path, entry in self.entries.items() if entry["state"] == "file")
        return [path for path in files if re.fullmatch(pattern, path)]


class Site:
    """The one list of roles, of the project whose ansible.cfg is in use."""

    def __init__(self) -> None:
        if not constants.CONFIG_FILE or not (Path(constants.CONFIG_FILE).parent / "playbooks/site.yml").exists():
            raise RuntimeError("there is no ansible.cfg of this project here: run pytest in the root of the repository")
        self.root = Path(constants.CONFIG_FILE).parent
        templating.remember()
        init_plugin_loader()
        self.loader = DataLoader()
        self.loader.set_basedir(str(self.root / "playbooks"))
        self._tasks = SiteTasks(self.root, self.loader)
        self._play = self._tasks.play

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

    def places(
        self, inventory: InventoryManager, variables: VariableManager, host: str, machine: dict[str, Any]
    ) -> dict[str, Any]:
        """Return where things are, rendered: most other variables ask for it, over and over."""
        values = dict(variables.get_vars(play=self._play, host=inventory.get_host(host)))
        templar = Templar(self.loader, variables=values | {"ansible_facts": {"machine": machine}})
        return {name: templar.template(values[name]) for name in PLACES}

    def expected(
        self, inventory: InventoryManager, variables: VariableManager, host: str, machine: dict[str, Any]
    ) -> Expected:
        """Return what a host gets that has these facts."""

        places = self.places(inventory, variables, host, machine)

        def values_of(task: Task) -> dict[str, Any]:
            values = variables.get_vars(play=self._play, host=inventory.get_host(host), task=task)
            return dict(values) | {"ansible_facts": {"machine": machine}} | places

        found = self._tasks.contents(values_of)
        return Expected(host, machine, found.entries, found.units, found.templars)
