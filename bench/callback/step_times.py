"""Callback for measuring: one JSON line a finished task, with its seconds and whether it had to go to the host."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: step_times
    type: notification
    short_description: Seconds of each step, as JSON lines, for bench/run
    description:
        - Appends to the file that the environment variable SAMESTACK_STEP_TIMES names.
"""

# These never leave the control node.
LOCAL_ACTIONS = (
    "add_host", "assert", "check_inventory", "debug", "fail", "group_by", "import_role", "import_tasks", "include_role",
    "include_tasks", "include_vars", "load_secrets", "meta", "set_fact",
    "settle_variables", "validate_argument_spec",
)  # fmt: skip
# What of a result says what the machine was given (module system_state)
KEPT = ("changed_paths", "actions")


class CallbackModule(CallbackBase):
    """Writes what each task took. A loop's items count one by one, because each costs as much as a task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "step_times"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()
        self._items = 0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Start the clock of a task."""
        self._start()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Start the clock of a handler."""
        self._start()

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Count an item that was done."""
        self._items += 1

    def v2_runner_on_ok(self, result: Any) -> None:
        """Write down a task that was done."""
        self._write(result, "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Write down a task that was left out."""
        self._write(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Write down a task that failed."""
        self._write(result, "failed")

    def _start(self) -> None:
        self._started, self._items = time.monotonic(), 0

    def _write(self, result: Any, state: str) -> None:
        task = result.task
        action = str(task.action).removeprefix("ansible.builtin.").removeprefix("samestack.core.")
        calls = max(1, self._items) if task.loop is None else self._items
        local = action in LOCAL_ACTIONS or task.delegate_to in ("localhost", "127.0.0.1")
        line = {
            "name": task.get_name(),
            "action": action,
            "state": state,
            "seconds": round(time.monotonic() - self._started, 3),
            "remote_calls": 0 if local or state == "skipped" else calls,
            "changed": bool(result.result.get("changed")),
            **{name: result.result[name] for name in KEPT if name in result.result},
        }
        if action == "apt":
            line["packages"] = result.result.get("invocation", {}).get("module_args", {}).get("name") or []
        with open(os.environ["SAMESTACK_STEP_TIMES"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
