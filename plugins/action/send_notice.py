"""Tells people about a deployment, a rollback, a promotion; never a reason for one to fail."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.release.notifications import send
from ..plugin_utils.release.outcome import promise
from ..plugin_utils.release.run import current_run


class ActionModule(ActionBase):
    """Send one notice, from this computer."""

    _VALID_ARGS = frozenset({"urls", "notice", "run"})
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `warnings` for what could not be sent."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False, "remote_calls": 0}
        args = self._task.args
        run = {name: value for name, value in (args.get("run") or current_run(task_vars)).items() if value}
        if self._task.check_mode:
            return result
        notice = {**run, **(args.get("notice") or {})}
        urls = args.get("urls") or []
        warnings = send(urls, notice)
        if notice.get("event") == "start":
            promise(urls, notice)
        return result | ({"warnings": warnings} if warnings else {})
