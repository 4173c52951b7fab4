"""The control-node half of `load_copy`: it sends the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

from ..module_utils.common.paths import COPIES
from ..plugin_utils.copies.dump_file import opened
from ..plugin_utils.copies.stream import Remote, beside
from ..plugin_utils.errors import SamestackError, failing
from ..plugin_utils.release.run import current_run

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "samestack.core.load_copy"


class ActionModule(ActionBase):
    """Send the file where it is to be received, and let the module do the rest."""

    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args)
        args["run"] = args.get("run") or current_run(task_vars)
        file = Path(args.pop("file", "") or "/nowhere")
        if args["state"] == "received" and not self._task.check_mode:
            prepared = self.module({**args, "state": "prepared"}, task_vars)
            if prepared.get("failed"):
                return result | prepared
            try:
                with opened(file) as stream:
                    place = f"{COPIES}/{args['app']}/arriving.dump"
                    args["sha256"] = Remote.of(self, task_vars).send(stream, f"umask 077; cat > {place}")
            except (OSError, EOFError) as error:
                raise SamestackError(f"{file}: {error}.") from error
        if args["state"] == "recorded":
            args["about"] = {**self.proven(file), **args.get("about", {})}
        return result | self.module(args, task_vars)

    @staticmethod
    def proven(file: Path) -> dict[str, Any]:
        """Return what was proven of a copy where it was made, {} for a file of somebody's own."""
        try:
            found: dict[str, Any] = json.loads(beside(file, "about").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def module(self, args: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module; its arguments stay out of the result."""
        result: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=dict(args), task_vars=task_vars)
        result.pop("invocation", None)
        result.pop("ansible_facts", None)
        return result
