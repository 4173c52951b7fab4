"""The control-node half of `settle_variables`: templates that much else refers to become plain values of a host."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Work out some of one host's variables."""

    _VALID_ARGS = frozenset({"names"})
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the values as variables of the host, in the way of `load_secrets`: an inventory's precedence."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"remote_calls": 0}
        host = (task_vars or {})["inventory_hostname"]
        values = {name: self._templar.resolve_variable_expression(name) for name in self._task.args["names"]}
        return result | {"add_host": {"host_name": host, "groups": [], "host_vars": values}}
