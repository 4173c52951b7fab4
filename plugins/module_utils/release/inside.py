"""Programs of ours for the application's own Python: their text, and what they answer."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

from ..inside_app import check, database, loader, migrate, models, program, reverse, schema, settings
from .application import run_as_app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .place import Place

PROGRAMS = (program, schema, database, check, migrate, models, reverse, settings)


def inside_source(call: str, given: Mapping[str, Any] | None = None) -> str:
    """Return the text of a program that Python reads from its standard input.

    It holds all files of `inside_app` under their names, and calls one function (`check.describe`) with `given`, which
    may be longer than an argument can be. What is not imported is not compiled.
    """
    sources = {module.__name__.rsplit(".", 1)[-1]: inspect.getsource(module) for module in PROGRAMS}
    asked = {"sources": sources, "call": call, "given": dict(given or {})}
    return f"{inspect.getsource(loader)}\n\nstart({json.dumps(asked)!r})\n"


def inside_answer(output: str) -> dict[str, Any] | None:
    """Return what that program answered, None when it did not get that far."""
    for line in reversed(output.splitlines()):
        if line.startswith(program.MARK):
            answer: dict[str, Any] = json.loads(line[len(program.MARK) :])
            return answer
    return None


def run_inside(
    place: Place, account: Mapping[str, Any], call: str, given: Mapping[str, Any]
) -> tuple[int, dict[str, Any] | None, str]:
    """Call `program.function` in a release's own Python, as the application, in its real environment.

    Returns (exit code, its answer or None, what it printed about errors).
    """
    python = [place.path("venv", "bin", "python"), "-"]
    code, out, err = run_as_app(place, account, python, stdin=inside_source(call, given))
    answer = inside_answer(out)
    return code or int(answer is None), answer, err or out
