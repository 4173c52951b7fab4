"""The control-node half of `manifest`: it says who asks, and shows what changed outside of our runs."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.errors import failing
from ..plugin_utils.parity.answers import FOUND
from ..plugin_utils.parity.messages import drift_words, manifest_words
from ..plugin_utils.release.answers import checked
from ..plugin_utils.release.run import current_run, who
from ..plugin_utils.text import json_line


class ActionModule(ActionBase):
    """Run the module for whoever sits here."""

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, with words for people."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        args["run"] = args.get("run") or current_run(task_vars) or {"who": who()}
        result |= self._execute_module(module_name="samestack.core.manifest", module_args=args, task_vars=task_vars)
        # The manifest would otherwise be printed with -vvv.
        result.pop("invocation", None)
        # A host has no say in what is known of it apart from the result.
        result.pop("ansible_facts", None)
        if result.get("failed") or "manifest" not in result:
            return result
        checked(FOUND, result, str((task_vars or {}).get("inventory_hostname", "")))
        asked = bool(args.get("drift"))
        if args.get("format") == "json":
            # For programs: the lines that begin with a brace.
            shown = "drift" if asked else "manifest"
            line = {"host": (task_vars or {}).get("inventory_hostname"), "time": result["time"], shown: result[shown]}
            self._display.display(json_line(line))
            return result
        return result | {"say": drift_words(result) if asked else manifest_words(result)}
