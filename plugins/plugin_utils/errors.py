"""What people are told when something cannot work: the family of errors on the control node, and their one shape.

A problem names the variable, its value, the place where it is set, what is wrong, and what to write instead. On hosts
`module_utils/common/errors.py` has the counterpart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    # `run` of an action plugin: (itself, tmp, task_vars)
    Run = Callable[[Any, Any, dict[str, Any] | None], dict[str, Any]]

# Where most decisions about the application stand
APP_FILE = "inventories/group_vars/all/app.yml"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: variable (with the path inside it), where, what, and what to write instead."""

    variable: str
    place: str
    what: str
    fix: str
    # The value as it is shown; None where there is none to show
    value: str | None = None

    def __str__(self) -> str:
        """Return the paragraph that people read."""
        value = "" if self.value is None else f" = {self.value}"
        return f"{self.variable}{value} (in {self.place}): {_sentence(self.what)} {_sentence(self.fix)}".strip()


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?:" else f"{text}."


class SamestackError(Exception):
    """A step cannot be done; the text is for people, `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Take the message, and advice where there is any."""
        super().__init__(message)
        self.hint = hint

    def as_result(self) -> dict[str, Any]:
        """Return the result of an action that failed for it."""
        return {"failed": True, "msg": str(self), **({"hint": self.hint} if self.hint else {})}


class DecisionError(SamestackError):
    """A decision that cannot work; carries the problem, whose text is the message."""

    def __init__(self, variable: str, value: Any, what: str, fix: str, file: str = APP_FILE) -> None:
        """Take the variable's name, its value, what is wrong with it, what to write instead, and where it stands."""
        self.problem = Problem(variable, file, what, fix, '""' if value == "" else str(value))
        super().__init__(str(self.problem))


class SecretError(SamestackError):
    """The secrets of an environment cannot be had; carries the problem, whose text is the message."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        self.problem = problem
        super().__init__(str(problem))


def failing(run: Run) -> Run:
    """Decorate `run` of an action plugin: an error of this family becomes the result that failed, in its own words."""

    @wraps(run)
    def guarded(action: Any, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            return run(action, tmp, task_vars)
        except SamestackError as error:
            return error.as_result()

    return guarded
