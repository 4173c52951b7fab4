"""What a run looks like: one progress line, then only what changed or failed.

The words are made in plugin_utils/console/report.py, the figures in progress.py, and the terminal is kept by screen.py.
This file turns Ansible's events into calls of those, and gives way to Ansible's own callback with `-v`, and whenever
something here goes wrong.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ansible import constants, context
from ansible.plugins.callback.default import CallbackModule as DefaultCallback

from ..plugin_utils.console import progress, report, screen
from ..plugin_utils.console import run as events
from ..plugin_utils.project_root import project_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.included_file import IncludedFile
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

DOCUMENTATION = """
name: samestack
type: stdout
short_description: One progress line, then only what changed or failed
description:
  - On a terminal one line at the bottom shows the role, the step, how many of how many, and the time left, judged by
    the last complete run of the same playbook on the same inventory.
  - Elsewhere plain lines without control characters.
  - Prints what changed, what failed (what, where, why, what to do), and the slowest steps in the end.
  - With C(-v) the output is that of Ansible's own default callback.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
options:
  timings_dir:
    description: Folder of the timings of earlier runs, from which the time left is judged.
    # Not a path: Ansible would make the current folder of an empty one.
    type: str
    default: ""
    env:
      - name: SAMESTACK_TIMINGS_DIR
    ini:
      - section: callback_samestack
        key: timings_dir
"""

# Command-line options that make a run a different one, with timings of its own.
RUN_OPTIONS = ("inventory", "subset", "check", "tags", "skip_tags", "start_at_task")


def ours(hook: Callable[..., None]) -> Callable[..., None]:
    """Make a hook harmless: Ansible's own output with -v, and after any error in ours."""

    @functools.wraps(hook)
    def wrapped(self: CallbackModule, *args: object, **kwargs: object) -> None:
        original = getattr(DefaultCallback, hook.__name__)
        if args and hasattr(args[0], "host"):
            events.learn_secrets(args[0].host)
        if self.gave_way or self._display.verbosity > 0:
            original(self, *args, **kwargs)
            return
        try:
            hook(self, *args, **kwargs)
        except Exception as error:
            self.give_way(error)
            with contextlib.suppress(Exception):
                original(self, *args, **kwargs)

    return wrapped


class CallbackModule(DefaultCallback):
    """Samestack's stdout callback."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "samestack"

    def __init__(self) -> None:
        """Look at the terminal; nothing is written before a playbook starts."""
        super().__init__()
        # Inventory and plugins stay to the end of a run, and what templating makes is freed without the collector: it
        # would look through all of them again and again, in every worker. That was a fifth of a run's processor time.
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        self.gave_way = False
        self._pid = os.getpid()
        self.run = events.Run()
        stepwise = context.CLIARGS.get("step") or constants.config.get_config_value("ENABLE_TASK_DEBUGGER")
        self.screen = screen.Screen(self._display, live=screen.is_terminal() and not stepwise)

    def give_way(self, error: Exception) -> None:
        """Leave the rest of the run to Ansible's own callback, and say so once."""
        self.gave_way = True
        with contextlib.suppress(Exception):
            self.screen.close()
            self._display.warning(
                f"The samestack callback failed ({type(error).__name__}: {error}). The run goes on; from here you see "
                "Ansible's own output."
            )

    # The run and its plays

    @ours
    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Look up how long the last run of this playbook took, and open the progress line."""
        file = self._timings_file(str(playbook._file_name))
        self.run = events.Run(timings=file, forecast=progress.Forecast(progress.load_timings(file)))
        atexit.unregister(self._cut_off)
        atexit.register(self._cut_off)
        self.screen.space()
        if context.CLIARGS.get("check"):
            self.screen.line(("Check mode: nothing is changed; what would change is shown.", events.NOTE))
        self.screen.open()

    @ours
    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Keep the name of the play for its first step: a play without hosts or tasks is no news."""
        self._play = play  # Ansible's own callback needs it, should it have to take over
        self.run.play, self.run.role = report.label(play.get_name()), ""

    @ours
    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Stay silent: a play for another environment is no news; a run without any host is told in the end."""

    @ours
    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """Stay silent: the failures were told."""

    @ours
    def v2_playbook_on_include(self, included_file: IncludedFile) -> None:
        """Stay silent."""

    @ours
    def v2_runner_on_async_poll(self, result: CallbackTaskResult) -> None:
        """Stay silent: the progress line shows that the step still runs."""

    @ours
    def v2_runner_on_async_ok(self, result: CallbackTaskResult) -> None:
        """Stay silent: the result of the step follows."""

    @ours
    def v2_runner_on_async_failed(self, result: CallbackTaskResult) -> None:
        """Stay silent: the result of the step follows."""

    @ours
    def v2_playbook_on_vars_prompt(self, *_args: object, **_kwargs: object) -> None:
        """Leave the last line to the question."""
        self.screen.progress(None)

    # Steps

    @ours
    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        """Show the step that begins."""
        self._begin(task)

    @ours
    def v2_playbook_on_handler_task_start(self, task: Task) -> None:
        """Show the handler that begins."""
        self._begin(task)

    def _begin(self, task: Task) -> None:
        self._last_task_name = task.get_name().strip()  # for Ansible's own callback, as above
        role, title = events.naming(task)
        if self.run.play and not self.screen.live:
            self.screen.line((f"Play: {self.run.play}", None))
        self.run.play = ""
        if role and role != self.run.role and not self.screen.live:
            self.screen.line((f"Role: {role} (after {progress.whole_seconds(self.run.elapsed())})", None))
        self.run.role = role or self.run.role
        self.run.begin(task._uuid, title)
        # A pause asks its own question on the last line.
        asks = events.short_action(task.action) == "pause"
        self.screen.progress(None if asks else self._paint)

    def _paint(self, columns: int) -> Iterable[tuple[str, str | None]]:
        run, now = self.run, time.monotonic()
        step = run.current
        if step is None:
            return []
        clock = (now - step.began, now - run.began)
        text = step.title + step.detail
        filled, rest, words = progress.progress_line(run.forecast, text, columns, clock, unicode=self.screen.unicode)
        return [(filled, events.GOOD), (rest, events.QUIET), (words, None)]

    @ours
    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """Remember when this host began the step."""
        self.run.begin_on(host.get_name(), task._uuid)

    @ours
    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        """Show the item in the progress line; what it did is told with the whole loop."""
        self._detail(result, f" ({report.label(self._get_item_label(result.result))})")

    @ours
    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        """Show the item in the progress line; why it failed is told with the whole loop."""
        self._detail(result, f" ({report.label(self._get_item_label(result.result))})")

    @ours
    def v2_runner_item_on_skipped(self, result: CallbackTaskResult) -> None:
        """Stay silent."""

    @ours
    def v2_runner_retry(self, result: CallbackTaskResult) -> None:
        """Count the tries; off a terminal only the first wait is told."""
        tried, tries = result.result.get("attempts", 0), result.result.get("retries", 0)
        key = (result.host.get_name(), result.task._uuid)
        self.run.tries[key] = tried
        self._detail(result, f" (try {tried + 1} of {tries})")
        if tried == 1 and not self.screen.live:
            self._note("waiting", f"{self.host_label(result)}  {self._title(result)} (up to {tries} tries)")

    def _detail(self, result: CallbackTaskResult, text: str) -> None:
        step = self.run.steps.get(result.task._uuid)
        if step:
            step.detail = text

    # Results

    @ours
    def v2_on_file_diff(self, result: CallbackTaskResult) -> None:
        """Keep the diff until the line that says what changed."""
        if result.result.get("diff") and result.result.get("changed"):
            key = (result.host.get_name(), result.task._uuid)
            self.run.diffs.setdefault(key, []).append(self._get_diff(events.shown_diff(result.result["diff"])))

    @ours
    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Tell what changed and what a module has to say; an unchanged step is silence."""
        seconds = self.run.account(result)
        if result.result.get("changed") and events.short_action(result.task.action) not in events.LOCAL_ACTIONS:
            self._tell_change(result, seconds)
        self._tell_words(result)
        if events.short_action(result.task.action) == "debug":
            self._tell_debug(result)

    @ours
    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """Stay silent, but keep the warnings."""
        self.run.account(result, ran=False)

    @ours
    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Tell a failure as a paragraph; one that is ignored or rescued as a line."""
        seconds = self.run.account(result)
        if any(item.get("changed") and not item.get("censored") for item in events.good_items(result.result)):
            self._tell_change(result, seconds)
        self._tell_words(result)
        title, host = self._title(result), self.host_label(result)
        broken = events.failed_items(result.result)
        reasons = [
            report.Reason(f"item {report.label(self._get_item_label(item))}", report.why(item), item) for item in broken
        ] or [report.Reason("", report.why(result.result, events.exception_text(result)), result.result)]
        if ignore_errors or events.is_rescued(result.task):
            first = reasons[0].lines
            self._note("ignored" if ignore_errors else "rescued", f"{host}  {title}: {first[0]}")
            for line in first[1:]:
                self.screen.line(("    " + line, events.QUIET))
            return
        tries = self.run.tries[result.host.get_name(), result.task._uuid]
        after = f" ({tries + 1} tries in {progress.duration(seconds)})" if tries else ""
        self._paragraph(f"Failed on {host}: {title}{after}", report.failure(reasons, events.places(result)))
        self.run.failures.append((host, title))

    @ours
    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Tell why a host cannot be reached, in ssh's own words, and how to try by hand."""
        self.run.account(result, ran=False)
        title, host = self._title(result), self.host_label(result)
        command = report.ssh_command(result.host.get_name(), events.inventory_variables(result.host))
        sections = report.unreachable(result.result, command, events.places(result))
        if result.task.ignore_unreachable:
            self._note("ignored", f"{host}  {title}: cannot be reached: {sections[0].lines[0]}")
            return
        self._paragraph(f"Cannot reach {host}: {title}", sections)
        self.run.failures.append((host, "cannot be reached"))

    def _tell_change(self, result: CallbackTaskResult, seconds: float) -> None:
        host = result.host.get_name()
        changed = [item for item in events.good_items(result.result) if item.get("changed")]
        labels = [report.label(self._get_item_label(item)) for item in changed if not item.get("censored")]
        self.run.hosts[host][events.naming(result.task)[0] or "tasks"] += 1
        word = "would change" if result.task_fields.get("check_mode") or context.CLIARGS.get("check") else "changed"
        self.screen.line(
            (f"  {word}", events.CHANGED),
            (f"  {self.host_label(result)}  {self._title(result)}{report.items(labels)}", None),
            (f"  {progress.duration(seconds)}", events.QUIET),
        )
        for diff in self.run.diffs.pop((host, result.task._uuid), ()):
            # Its parts are words, and its colours are Ansible's.
            for line in diff.rstrip("\n").split("\n"):
                self.screen.painted((f"    {line}", None))

    def _tell_words(self, result: CallbackTaskResult) -> None:
        """Print the key `say` of a result, of each item of a loop too."""
        for one in events.open_results(result.result):
            self._say(result, report.as_lines(one.get("say")))

    def _tell_debug(self, result: CallbackTaskResult) -> None:
        for one in events.open_results(result.result):
            self._clean_results(one, result.task.action)
            self._say(result, report.debug_lines(one))

    def _say(self, result: CallbackTaskResult, lines: Iterable[str]) -> None:
        self._lines(lines, f"{result.host.get_name()}: " if len(self.run.hosts) > 1 else "")

    # Lines

    def _title(self, result: CallbackTaskResult) -> str:
        """Return `role : step`, with the name as this host's variables fill it in."""
        return events.naming(result.task, str(result.task_fields.get("name") or ""))[1]

    def _lines(self, lines: Iterable[str], head: str = "") -> None:
        for line in lines:
            self.screen.line((head + line, None))

    def _note(self, word: str, text: str) -> None:
        self.screen.line((f"  {word}", events.NOTE), (f"  {text}", None))

    def _paragraph(self, head: str, sections: Iterable[report.Section]) -> None:
        stderr = bool(self.get_option("display_failed_stderr"))
        self.screen.space()
        self.screen.line((head, events.FAILED), stderr=stderr)
        for section in sections:
            self.screen.prose(section.head, section.lines, stderr=stderr)
        self.screen.space()

    # The end

    @ours
    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Sum up: what changed, what failed, what was slow, how long it took."""
        self.screen.close()
        atexit.unregister(self._cut_off)
        self.run.finish()
        self.screen.space()
        for parts in events.closing(self.run, check=bool(context.CLIARGS.get("check"))):
            self.screen.line(*parts)
        if self.run.timings and self.run.forecast.steps and not self.run.failures:
            with contextlib.suppress(OSError):
                progress.save_timings(self.run.timings, self.run.forecast.steps)

    def _cut_off(self) -> None:
        """Say at the end of the process that the run did not reach its end: it was interrupted, or Ansible gave up."""
        step = self.run.current
        if step and not self.gave_way and os.getpid() == self._pid:
            with contextlib.suppress(Exception):
                self.screen.close()
                self.screen.space()
                self.screen.line((f"Stopped before the end, at: {step.title}", events.FAILED))
                self._lines(["Running the same command again is safe: it does what is still to be done."])

    def _timings_file(self, playbook: str) -> Path:
        """Return the file of the timings of this playbook, inventory and choice of hosts and tags."""
        folder = self.get_option("timings_dir") or project_root() / ".samestack" / "timings"
        parts = [str(Path(playbook).resolve()), *(f"{name}={context.CLIARGS.get(name)}" for name in RUN_OPTIONS)]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        return Path(folder) / f"{Path(playbook).stem}-{key}.json"
