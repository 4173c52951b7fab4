"""The control-node half of `environment_state`: it says who asks, and shows the ledger as a table."""

from __future__ import annotations

import shutil
from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.errors import failing
from ..plugin_utils.release.answers import LEDGER_STATE, checked, whole_lines
from ..plugin_utils.release.ledger_table import table
from ..plugin_utils.release.run import current_run, who
from ..plugin_utils.text import json_line

LEDGER_NAMES = {"close": "maintenance", "open": "maintenance"}


class ActionModule(ActionBase):
    """Run the module for whoever sits here."""

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; of `show` with the table, or with the ledger's lines as they are."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        verb, environment = str(args.get("verb", "")), str(args.get("environment", ""))
        own = {"verb": LEDGER_NAMES.get(verb, verb), "who": who(), "environment": environment}
        args["run"] = args.get("run") or current_run(task_vars) or own
        result |= self._execute_module(
            module_name="samestack.core.environment_state", module_args=args, task_vars=task_vars
        )
        # A host has no say in what is known of it apart from the result.
        result.pop("ansible_facts", None)
        state = result.get("state")
        if state:
            host = str((task_vars or {}).get("inventory_hostname", ""))
            state = checked(LEDGER_STATE, state, host)
            state |= {"lines": whole_lines(state["lines"])}
        if state and args.get("format") == "json":
            # For programs: the lines that begin with a brace, as they are on the host.
            for line in state["lines"]:
                self._display.display(json_line(line))
        elif state:
            width = shutil.get_terminal_size((200, 24)).columns
            result["say"] = table(state, environment, int(args.get("limit") or 20), width)
        return result
