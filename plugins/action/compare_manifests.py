"""Compares the manifests that this run has kept, and fails where nothing explains a difference."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.errors import failing
from ..plugin_utils.parity.report import Report
from ..plugin_utils.parity.store import Store, read_of_host
from ..plugin_utils.parity.text import Look
from ..plugin_utils.project_root import project_root


class ActionModule(ActionBase):
    """Compare, on this computer."""

    _VALID_ARGS = frozenset({"files"})
    _requires_connection = False

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the report as `say`; failed where environments do not match. One environment is only kept."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False, "remote_calls": 0}
        store = project_root() / ".samestack" / "manifests"
        found = [read_of_host(Path(file), store) for file in self._task.args.get("files") or []]
        kinds = {envelope.environment: envelope.rehearsal for envelope in found}
        if len(kinds) < len(("one", "other")):
            return result
        state = project_root() / ".samestack"
        report, now = Report(Store(state / "manifests")), time.time()
        for environment, rehearsal in kinds.items():
            report.add(environment, rehearsal=rehearsal)
        width = shutil.get_terminal_size((100, 24)).columns
        result["say"] = report.lines(Look(width), now)
        report.write_page(state / "parity.html", now)
        if report.comparison.bad:
            result |= {"failed": True, "msg": result["say"][-1], "hint": "Each is listed above with what mends it."}
        return result
