"""The control-node half of `check_stack`, which is all of it: one error for all versions that no host can have."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.stack.plan import refusal


class ActionModule(ActionBase):
    """Fail where a look of `stack_install` (registered as `host_stack_look`) found a version that is not to be had."""

    _VALID_ARGS: frozenset[str] = frozenset()
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return nothing, or fail with the whole list and the ways out."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        looks = {
            host: (task_vars["hostvars"][host].get("host_stack_look") or {}).get("refused") or {}
            for host in task_vars["ansible_play_hosts_all"]
        }
        text, hint = refusal({host: look for host, look in looks.items() if look})
        return result | {"changed": False} | ({"failed": True, "msg": text, "hint": hint} if text else {})
