"""What our callback remembers of a run, what it reads from Ansible's tasks and results, and how it sums up.

Runs on the control node only, inside the process that runs Ansible.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants

from ...module_utils.common.secrets import KNOWN
from ..text import said
from . import progress, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook.task import Task

# Actions that do their work on the control node: no remote task, and never a change of a machine.
LOCAL_ACTIONS = frozenset(
    {
        *("include_role", "include_tasks", "include_vars", "import_playbook", "import_role", "import_tasks"),
        *("add_host", "assert", "debug", "fail", "group_by", "meta", "pause", "set_fact", "set_stats"),
        "validate_argument_spec",
        # What it says of itself is hidden with the secrets.
        "samestack.core.load_secrets",
    }
)
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
# How Ansible begins the source context of an error: file, line and column.
ORIGIN = re.compile(r"Origin: (.+?:\d+)(?::\d+)?$", re.MULTILINE)
SLOWEST, SLOW_SECONDS = 5, 0.5
FAILED, CHANGED, GOOD = constants.COLOR_ERROR, constants.COLOR_CHANGED, constants.COLOR_OK
QUIET, NOTE = "dark gray", constants.COLOR_WARN

Part = tuple[str, str | None]


@dataclass
class Step:
    """One task as it is shown, with the seconds on a clock that never goes back."""

    title: str
    began: float
    ended: float
    detail: str = ""


@dataclass
class Run:
    """All that is remembered of one playbook."""

    timings: Path | None = None
    forecast: progress.Forecast = field(default_factory=progress.Forecast)
    began: float = field(default_factory=time.monotonic)
    steps: dict[str, Step] = field(default_factory=dict)
    current: Step | None = None
    play: str = ""
    role: str = ""
    hosts: dict[str, Counter[str]] = field(default_factory=dict)
    host_began: dict[tuple[str, str], float] = field(default_factory=dict)
    tries: Counter[tuple[str, str]] = field(default_factory=Counter)
    diffs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)
    remote: int = 0

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.began

    def begin(self, uuid: str, title: str) -> None:
        """Say that the step with Ansible's id `uuid` begins, and the one before it is over."""
        self.finish()
        now = time.monotonic()
        self.current = self.steps[uuid] = Step(title, now, now)
        self.forecast.start(title)

    def begin_on(self, host: str, uuid: str) -> None:
        """Say that `host` begins the step."""
        self.hosts.setdefault(host, Counter())
        self.host_began[host, uuid] = time.monotonic()

    def finish(self) -> None:
        """Say that the step in hand is over. Does nothing when there is none."""
        if self.current:
            self.forecast.finish(time.monotonic() - self.current.began)
            self.current = None

    def account(self, result: CallbackTaskResult, *, ran: bool = True) -> float:
        """Count a result and keep its warnings. Returns the seconds since its host began the step."""
        now, host = time.monotonic(), result.host.get_name()
        self.hosts.setdefault(host, Counter())
        if result.task._uuid in self.steps:
            self.steps[result.task._uuid].ended = now
        if ran:
            self.remote += remote_calls(result)
        # Ansible keeps the warnings of a hidden result, but they may quote what is hidden.
        if not result.result.get("censored"):
            self.warnings.update(filter(None, map(warning_text, result.warnings)))
        return now - self.host_began.pop((host, result.task._uuid), now)


def short_action(action: object) -> str:
    """Return an action's name without its collection when it is one of Ansible's own."""
    return str(action).removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")


def naming(task: Task, name: str = "") -> tuple[str, str]:
    """Return the role ("" without one) and `role : step` of a task; an unnamed task goes by its action."""
    role = task._role.get_name(include_role_fqcn=False) if task._role else ""
    step = report.label(name or task.name or short_action(task.action), 120)
    return role, f"{role} : {step}" if role else step


def places(result: CallbackTaskResult) -> str:
    """Return file and line of a task and, where Ansible knows it, of the template or value that broke it."""
    found = [result.task.get_path() or ""]
    if not result.result.get("censored"):
        contexts = (getattr(event, "formatted_source_context", None) or "" for event in exception_events(result))
        origins = [match[1] for text in contexts if (match := ORIGIN.match(text))]
        # Another line of the same task is no news.
        file = found[0].rpartition(":")[0]
        found += [origin for origin in origins if origin.rpartition(":")[0] != file]
    return " and ".join(dict.fromkeys(filter(None, map(relative, found))))


def relative(path: str) -> str:
    """Return a path relative to the current folder where it lies below it."""
    folder = str(Path.cwd()) + os.sep
    return path.removeprefix(folder)


def inventory_variables(host: Host) -> dict[str, Any]:
    """Return the variables that the inventory file gives a host, its groups' included; not those of group_vars."""
    groups = sorted(host.get_groups(), key=lambda group: (group.depth, group.priority, group.name))
    found: dict[str, Any] = {}
    for holder in (*groups, host):
        found.update(holder.get_vars())
    return found


def learn_secrets(host: Host) -> None:
    """Learn what must not be shown: preflight has given the environment's secrets to its hosts."""
    for name, value in host.vars.items():
        if name.startswith("vault_") and isinstance(value, str):
            KNOWN.learn(str(value))


def shown_diff(diff: Any) -> Any:
    """Return a diff as Ansible paints it, of which every part is words."""
    if isinstance(diff, str):
        return said(diff)
    if isinstance(diff, dict):
        return {name: shown_diff(part) for name, part in diff.items()}
    return [shown_diff(part) for part in diff] if isinstance(diff, list) else diff


def is_rescued(task: Task) -> bool:
    """Whether a failure of the task is caught by the `rescue` of a block around it."""
    child, parent = task, task._parent
    while parent is not None:
        if getattr(parent, "rescue", None) and any(one._uuid == child._uuid for one in parent.block):
            return True
        child, parent = parent, parent._parent
    return False


def remote_calls(result: CallbackTaskResult) -> int:
    """Return how many tasks a result ran on its host: one an item of a loop, none for what the control node does."""
    stated = result.result.get("remote_calls")
    if isinstance(stated, int):
        return stated
    fields = result.task_fields
    local = short_action(fields.get("connection")) == "local" or fields.get("delegate_to") in LOCAL_HOSTS
    if local or short_action(result.task.action) in LOCAL_ACTIONS:
        return 0
    return sum(not one.get("skipped") for one in single_results(result.result))


def items_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of the items of a loop; [] without a loop."""
    # Only a loop names the variable of each item: a module may have a key `results` of its own.
    results = result.get("results")
    found = results if isinstance(results, list) else []
    return [one for one in found if isinstance(one, dict) and ("ansible_loop_var" in one or "censored" in one)]


def failed_items(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of the items of a loop that failed; [] without a loop."""
    return [one for one in items_of(result) if one.get("failed")]


def good_items(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of the items of a loop that did not fail; [] without a loop."""
    return [one for one in items_of(result) if not one.get("failed")]


def open_results(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what of a result may be shown: the items that ran and are not hidden, or the result itself."""
    return [one for one in single_results(result) if not one.get("censored") and not one.get("skipped")]


def single_results(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of the items of a loop, or the result itself."""
    return items_of(result) or [result]


def exception_events(result: CallbackTaskResult) -> Iterator[Any]:
    """Give the messages of the exception that ended a task, the outermost first."""
    event: Any = getattr(result.exception, "event", None)
    while event is not None:
        yield event
        event = getattr(getattr(event, "chain", None), "event", None)


def exception_text(result: CallbackTaskResult) -> str:
    """Return the innermost message of the exception that ended a task, "" without one."""
    messages = [str(event.msg or "") for event in exception_events(result)]
    return messages[-1] if messages else ""


def warning_text(warning: object) -> str:
    """Return a warning as one line."""
    event = getattr(warning, "event", None)
    parts = (getattr(event, "msg", None) or warning, getattr(event, "help_text", None))
    return " ".join(" ".join(report.clean(str(part)).split()) for part in parts if part)


def closing(run: Run, *, check: bool) -> list[list[Part]]:
    """Return the lines that sum up a run: warnings, changes, failures, slowest steps, time and remote tasks."""
    lines: list[list[Part]] = []
    for text, count in run.warnings.items():
        lines.append([("Warning: ", NOTE), (text + (f" ({count} times)" if count > 1 else ""), None)])
    # Of a run that asks no machine for anything there is nothing to say of machines, which may not be there yet.
    if run.remote or run.failures or not run.hosts:
        lines += closing_changes(run.hosts, check=check)
    lines += [[("Failed: ", FAILED), (f"{host}: {title}", None)] for host, title in run.failures]
    slow = sorted(run.steps.values(), key=lambda step: step.began - step.ended)[:SLOWEST]
    slow = [step for step in slow if step.ended - step.began >= SLOW_SECONDS]
    if slow:
        lines.append([("Slowest steps:", None)])
    lines += [[(f"{progress.duration(step.ended - step.began):>14}  {step.title}", None)] for step in slow]
    colour, word = (FAILED, "Stopped by a failure after") if run.failures else (GOOD, "Done in")
    tasks = f"{run.remote} remote task{'' if run.remote == 1 else 's'}" if run.remote else "on this computer alone"
    return [*lines, [(f"{word} {progress.duration(run.elapsed())}", colour), (f", {tasks}.", None)]]


def closing_changes(hosts: dict[str, Counter[str]], *, check: bool) -> list[list[Part]]:
    """Return the lines that say for each host how many steps of which role changed it, or plainly that none did."""
    if not hosts:
        return [[("No host was matched, so nothing was done. Check the inventory and --limit.", NOTE)]]
    if not any(hosts.values()):
        return [[("Nothing would change" if check else "Nothing changed", GOOD), (f" on {', '.join(hosts)}.", None)]]
    word = "Would change" if check else "Changed"
    return [
        [(word, CHANGED), (f" on {host}: {', '.join(f'{role} {count}' for role, count in roles.items())}", None)]
        for host, roles in hosts.items()
        if roles
    ]
