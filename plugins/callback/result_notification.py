"""Who was told that a run begins is told how it ended, whatever ended it: a step, a hook, a lost host, Ctrl-C."""

from __future__ import annotations

import atexit
import os
import time
from typing import TYPE_CHECKING

from ansible.plugins.callback import CallbackBase

from ..plugin_utils.console.run import learn_secrets
from ..plugin_utils.release.notifications import send
from ..plugin_utils.release.outcome import INTERRUPTED, Outcome, promised

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.playbook import Playbook

DOCUMENTATION = """
name: result_notification
type: aggregate
short_description: Sends the last notice of a run
description:
  - Where M(samestack.core.send_notice) told people that a run begins, tells them at its end how it went.
"""


class CallbackModule(CallbackBase):
    """Watches every result of a run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "result_notification"

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Begin to watch; a run that is interrupted has no other end than that of its process."""
        self._outcome, self._process = Outcome(), os.getpid()
        atexit.register(self._interrupted)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Learn what a host serves."""
        self._outcome.saw(result.host.get_name(), result.task.action, result.result)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Learn why a step failed."""
        learn_secrets(result.host)
        self._outcome.saw(result.host.get_name(), result.task.action, result.result)
        if not ignore_errors:
            # Without the name of the role, which says nothing to people.
            step = str(result.task.name or result.task.action)
            self._outcome.failed(result.task.action, step, result.result)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Learn which host was lost."""
        host = result.host.get_name()
        self._outcome.failed(result.task.action, f"{host} cannot be reached", {"msg": result.result.get("msg")})

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Tell how it ended."""
        self._tell(failed=any(stats.failures.values()) or any(stats.dark.values()))

    def _interrupted(self) -> None:
        """Tell what the end of the run did not come to tell."""
        # Ansible's workers are this process's children, and have its exit handlers.
        if os.getpid() == self._process:
            self._outcome.reason = self._outcome.reason or INTERRUPTED
            self._tell(failed=True)

    def _tell(self, failed: bool) -> None:
        kept = promised()
        if kept is None:
            return
        served = self._outcome.served
        if failed and len(served) > 1:
            self._display.display(f"They serve: {', '.join(f'{host} {release}' for host, release in served.items())}")
        for warning in send(kept["urls"], self._outcome.notice(kept["start"], failed, time.time())):
            self._display.warning(warning)
