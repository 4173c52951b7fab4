"""The control-node half of `load_secrets`: an environment's secrets become variables of its hosts."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.errors import SamestackError, failing
from ..plugin_utils.inventory import environment as in_hand
from ..plugin_utils.secrets.vault import environment_secrets


class ActionModule(ActionBase):
    """Load the secrets of one host's environment."""

    _VALID_ARGS: frozenset[str] = frozenset()
    _requires_connection = False

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the secrets as variables of the host.

        `add_host` is the one kind of result by which an action gives a host variables that are not facts: they have an
        inventory's precedence, so that they are no stronger than the same lines in group_vars would be.
        """
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        host, groups = task_vars["inventory_hostname"], task_vars["groups"]
        folder = in_hand.main_folder(task_vars.get("ansible_inventory_sources") or [])
        environment = next(iter(in_hand.environments_of(host, groups)), None)
        if folder is None or environment is None:
            raise SamestackError(f"{host} is in no environment: check_inventory has to come first")
        _, values = environment_secrets(self._loader, folder, environment, local=in_hand.is_local(host, groups))
        secrets = {name: value for name, value in values.items() if name.startswith("vault_")}
        return result | {"add_host": {"host_name": host, "groups": [], "host_vars": secrets}}
