"""The control-node half of `check_inventory`: reports every problem of the inventory at once."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ..plugin_utils.inventory import environment as in_hand
from ..plugin_utils.inventory.check import all_problems


class ActionModule(ActionBase):
    """Check the inventory; fails with every problem, one paragraph each."""

    _VALID_ARGS = frozenset({"environments"})
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the environments in hand, or fail with `problems`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {"environments": {"type": "str", "choices": ["one", "any"], "default": "one"}}
        )
        task_vars = task_vars or {}
        several = arguments["environments"] == "any"
        problems = all_problems(task_vars, self._loader, load_extra_vars(self._loader), several=several)
        texts = list(dict.fromkeys(map(str, problems)))
        groups = task_vars["groups"]
        found = {name for host in task_vars["ansible_play_hosts_all"] for name in in_hand.environments_of(host, groups)}
        result |= {"changed": False, "failed": bool(texts), "problems": texts, "environments": sorted(found)}
        if texts:
            result["msg"] = "\n\n".join(texts)
        return result
