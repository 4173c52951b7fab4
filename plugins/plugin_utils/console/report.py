"""What our callback says about a result: why it failed, what to do, what it wants to tell.

Runs on the control node only. Everything here turns plain data into plain lines: no colour, no terminal, no Ansible.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...module_utils.release.causes import advice
from ..connection.target import Target
from ..text import said

if TYPE_CHECKING:
    from collections.abc import Mapping

# How many lines of somebody else's output a failure shows, and how many of the words before a traceback.
TAIL_LINES = 12
HEAD_LINES = 4
# Letters of a command or a label that fit in a sentence.
COMMAND_LETTERS = 100
LABEL_LETTERS = 60
# Items of a loop that are named before the rest is only counted.
ITEMS_NAMED = 5

TRACEBACK = "Traceback (most recent call last)"
HIDDEN = "The output of this step holds secrets and is hidden."
# What says more; whoever typed make types it otherwise (Makefile).
VERBOSE = os.environ.get("SAMESTACK_VERBOSE", "-v")
SAFE_AGAIN = f"Run the same command again with {VERBOSE} to see all of Ansible's output; running it again is safe."

# The fixed shape of our own errors: `<variable> = <value> (in <file>): <what is wrong>. <What to write instead>.`, with
# the value left out where there is none, and `<host>, ` before it where one host is meant.
OWN_ERROR = re.compile(
    r"\A(?:[\w.-]+, )?(?:vault password|secrets of \w+|[A-Za-z_][\w.\[\]'\"-]*)(?: = .*?)? \(in [^()\n]+\): \S",
    re.DOTALL,
)
# What Ansible puts before the message of a module or an action.
PREFIXES = re.compile(r"\A(?:(?:Task|Action|Module) failed:\s*)+")
# Messages that only say that there was an error.
EMPTY_MESSAGES = re.compile(
    r"\A(?:non-zero return code\.?|MODULE FAILURE\b.*|All items completed|One or more items failed"
    r"|Unknown error\.?|Action failed\.?|Module result deserialization failed.*|)\Z",
    re.DOTALL,
)
SSH_PREFIX = re.compile(r"\A(?:Failed to connect to the host via ssh:\s*)+")


def clean(value: object) -> str:
    """Return `value` as text that a terminal can be given: what a host says cannot move the cursor."""
    if value is None:
        return ""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, default=str)
    # A line that was overwritten by carriage returns is shown as it looked in the end.
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in value.split("\n")]
    return said("\n".join(lines)).strip("\n").rstrip()


def as_lines(value: object) -> list[str]:
    """Return the lines of a string, or of a list of strings (the keys `say` and `hint`, debug's `msg`)."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [line for entry in value for line in clean(entry).splitlines() or [""]]
    if isinstance(value, dict):
        return [f"{key}: {clean(entry)}" for key, entry in value.items()]
    return clean(value).splitlines()


def is_own_error(message: str) -> bool:
    """Whether a paragraph of `message` names variable, value, file and fix: then all of it is shown as it is."""
    return any(OWN_ERROR.match(paragraph) for paragraph in message.split("\n\n"))


def excerpt(text: str) -> list[str]:
    """Return the lines of `text` that matter: all of a short one, the end of a long one, the end of a traceback."""
    lines = [line.rstrip() for line in clean(text).splitlines() if line.strip()]
    if len(lines) <= TAIL_LINES:
        return lines
    start = next((number for number, line in enumerate(lines) if TRACEBACK in line), 0)
    head = lines[: min(start, HEAD_LINES)]
    left_out = len(lines) - len(head) - TAIL_LINES
    if left_out <= 1:
        return lines
    return [*head, f"({left_out} lines left out)", *lines[-TAIL_LINES:]]


def message_of(result: Mapping[str, Any], exception: str = "") -> str:
    """Return the result's own message without Ansible's prefixes, or "" when it only says that there was an error."""
    message, cause = (PREFIXES.sub("", clean(text)) for text in (result.get("msg"), exception))
    if EMPTY_MESSAGES.match(message):
        message = clean(result.get("reason"))
    if message == "Assertion failed" and result.get("assertion"):
        return f"This does not hold: {clean(result['assertion'])}"
    if not message and not output_of(result) and result.get("rc") is None:
        return cause
    if message and cause and cause not in message and not is_own_error(message):
        return f"{message.rstrip('.')}: {cause}"
    return message


def output_of(result: Mapping[str, Any]) -> str:
    """Return what the failed command or module wrote: stderr, else stdout."""
    for key in ("stderr", "module_stderr", "stdout", "module_stdout"):
        text = clean(result.get(key))
        if text.strip():
            return text
    return ""


def why(result: Mapping[str, Any], exception: str = "") -> list[str]:
    """Return the lines that say why a result failed.

    The message when it says something, else how the command ended and the end of what it wrote, else the exception.

    Args:
        result: the result of the task, or of one item of its loop.
        exception: the text of the exception that ended the task, if any.
    """
    if result.get("censored"):
        return [HIDDEN]
    message = message_of(result, exception)
    if message:
        return excerpt(message) if not is_own_error(message) else message.splitlines()
    lines = excerpt(output_of(result))
    if result.get("cmd") and result.get("rc") is not None:
        ending = f"`{command_of(result['cmd'])}` ended with code {result['rc']}"
        if result["rc"] == 0:
            ending += ", but the step's own condition for success does not hold"
        return [ending + (":" if lines else " and wrote nothing."), *lines]
    return lines or ["The step gave no reason."]


def command_of(command: object) -> str:
    """Return a command (string or list of words) as one short line."""
    text = shlex.join(map(str, command)) if isinstance(command, (list, tuple)) else clean(command)
    return label(text, COMMAND_LETTERS)


def label(value: object, letters: int = LABEL_LETTERS) -> str:
    """Return `value` as one short line, for instance an item of a loop: a mapping by its name, key or path."""
    if isinstance(value, dict):
        for key in ("name", "key", "path", "dest", "id"):
            if isinstance(value.get(key), str):
                value = value[key]
                break
    text = " ".join(clean(value).split())
    return text if len(text) <= letters else text[: letters - 3] + "..."


def items(labels: list[str]) -> str:
    """Return the items of a loop as `(a, b, c and 4 more)`, or "" when there are none."""
    if not labels:
        return ""
    named = ", ".join(labels[:ITEMS_NAMED])
    more = len(labels) - ITEMS_NAMED
    return f" ({named} and {more} more)" if more > 0 else f" ({named})"


@dataclass(frozen=True)
class Section:
    """Some lines of a paragraph, after a head such as `  Why:   `."""

    head: str
    lines: list[str]


@dataclass(frozen=True)
class Reason:
    """Why a result, or one item of its loop, failed."""

    label: str
    lines: list[str]
    result: Mapping[str, Any]

    @property
    def own(self) -> bool:
        """Whether the reason is one of our own errors, which say what to write instead."""
        return is_own_error("\n".join(self.lines))


def failure(reasons: list[Reason], where: str) -> list[Section]:
    """Return the paragraph of a failure: why, where and what to do.

    Args:
        reasons: at least one; more when several items of a loop failed.
        where: file and line of the task, "" when unknown.
    """
    sections = []
    for reason in reasons[:ITEMS_NAMED]:
        item = f"{reason.label}: " if reason.label else ""
        lines = [item + reason.lines[0], *reason.lines[1:]]
        # Our own errors stand as they are: they say all of it.
        sections += [Section("  ", [line]) for line in lines] if reason.own else [Section("  Why:   ", lines)]
    if len(reasons) > ITEMS_NAMED:
        sections.append(Section("         ", [f"{len(reasons) - ITEMS_NAMED} more items failed too."]))
    hints = dict.fromkeys(hint for reason in reasons for hint in to_do(reason, where))
    return [*sections, *([Section("  Where: ", [where])] if where else []), Section("  To do: ", list(hints))]


def to_do(reason: Reason, where: str) -> list[str]:
    """Return the lines that say what to do: the result's own `hint`, the remedy of a known cause, or general advice.

    Args:
        reason: why the result failed.
        where: file and line of the task, "" when unknown.
    """
    if reason.result.get("censored"):
        return [
            f"Read {where or 'this step'} to see what it does. Where the secrets do not matter (dev, rehearsal) put "
            "`no_log: false` there for one run to see its output; running it again is safe."
        ]
    hint = as_lines(reason.result.get("hint"))
    if hint or reason.own:
        return hint
    # Of a step that is not ours
    return [advice("\n".join(reason.lines)) or SAFE_AGAIN]


def unreachable(result: Mapping[str, Any], command: str, where: str) -> list[Section]:
    """Return the paragraph of a host that cannot be reached.

    Args:
        result: what the connection said.
        command: the ssh command that tries the same by hand.
        where: file and line of the task, "" when unknown.
    """
    check = f"Check that the machine is up and that this works from here: {command}"
    lines = ssh_reason(result)
    own = is_own_error("\n".join(lines))
    advice = [check, "Then run the same command again: that is safe."]
    return [
        *([Section("  ", [line]) for line in lines] if own else [Section("  Why:   ", lines)]),
        *([Section("  Where: ", [where])] if where else []),
        Section("  To do: ", as_lines(result.get("hint")) or ([] if own else advice)),
    ]


def debug_lines(result: Mapping[str, Any]) -> list[str]:
    """Return the lines of a debug task that Ansible has stripped to what it shows: its msg, or `name = value`."""
    if "msg" in result:
        return as_lines(result["msg"])
    other = {
        "failed_when_result",
        "false_condition",
        "warnings",
        "deprecations",
        result.get("ansible_loop_var", "item"),
    }
    return [
        f"{name} = {clean(value)}" for name, value in result.items() if not name.startswith("_") and name not in other
    ]


def ssh_reason(result: Mapping[str, Any]) -> list[str]:
    """Return the lines in which ssh (or another connection) says why a host cannot be reached."""
    if result.get("censored"):
        return [HIDDEN]
    message = SSH_PREFIX.sub("", PREFIXES.sub("", clean(result.get("msg"))))
    if is_own_error(message):
        return message.splitlines()
    lines = [line for line in excerpt(message) if not line.startswith("Warning: Permanently added")]
    return lines or ["The connection gave no reason."]


def ssh_command(host: str, variables: Mapping[str, Any]) -> str:
    """Return the ssh command that tries by hand what Ansible tried.

    Args:
        host: the inventory's name of the host.
        variables: the host's variables as the inventory gives them; a value that still is a template is left out.
    """

    known = {name: value for name, value in variables.items() if "{{" not in str(value) and "{%" not in str(value)}
    return shlex.join(Target.of(known, host).argv())
