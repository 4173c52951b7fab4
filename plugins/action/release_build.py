"""Ships the source of a release to the host when the host has not built it yet."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Asks the module first; most runs end there."""

    TRANSFERS_FILES = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, without its arguments: they hold passwords."""
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        result = self._build(args, task_vars)
        if result.get("needs_archive"):
            folder = self._make_tmp_path()
            try:
                shipped = self._transfer_file(
                    args["release"]["archive"], self._connection._shell.join_path(folder, "source")
                )
                result = self._build({**args, "archive": shipped}, task_vars)
            finally:
                self._remove_tmp_path(folder)
        return result

    def _build(self, args: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="release_build", module_args=args, task_vars=task_vars
        )
        result.pop("invocation", None)
        return result
