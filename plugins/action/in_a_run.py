"""Runs the task's module as part of the current run: for modules that need nothing else of the control node.

`meta/runtime.yml` says which modules those are.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.connection.new_login import confirm
from ..plugin_utils.release.run import current_run


class ActionModule(ActionBase):
    """Say to the module which run it belongs to."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        args["run"] = args.get("run") or current_run(task_vars)
        result |= self._execute_module(module_name=self._task.action, module_args=args, task_vars=task_vars)
        # A host has no say in what is known of it apart from the result.
        result.pop("ansible_facts", None)
        # What an undone provision had changed may be how people get in.
        confirm(self, result, task_vars or {}, None)
        return result
