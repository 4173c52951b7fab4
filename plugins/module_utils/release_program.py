"""Runs one of our functions inside a release's own Python, as the application, in its real environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.module_utils import (
    release_host,
    release_inside_check,
    release_inside_database,
    release_inside_lint,
    release_inside_migrate,
    release_inside_reverse,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# What each function needs beside its own file
PROGRAMS = {
    "check": (release_inside_database, release_inside_lint, release_inside_check),
    "describe": (release_inside_database, release_inside_lint, release_inside_check),
    "plan": (release_inside_database, release_inside_lint, release_inside_reverse),
    "migrate": (release_inside_database, release_inside_migrate),
    "reverse": (release_inside_database, release_inside_migrate),
}


def run_inside(
    place: release_host.Place, account: Mapping[str, Any], call: str, given: Mapping[str, Any]
) -> tuple[int, dict[str, Any] | None, str]:
    """Call one of PROGRAMS; returns (exit code, its answer or None, what it printed about errors)."""
    program = release_host.inside_source(*PROGRAMS[call], call=call, given=given)
    python = [place.path("venv", "bin", "python"), "-", "database"]
    code, out, err = release_host.run_as_app(place, account, python, stdin=program)
    answer = release_host.inside_answer(out)
    return code or int(answer is None), answer, err or out
