"""Errors on the control node have one shape, and one place that makes them results."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.plugin_utils.errors import DecisionError, Problem, SamestackError, SecretError, failing


def run_raising(error: Exception) -> dict[str, Any]:
    @failing
    def run(_action: Any, _tmp: Any = None, _task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        raise error

    return run(None, None, {})


@pytest.mark.parametrize(
    ("value", "fix", "text"),
    [
        ("", "Name it", 'app_name = "" (in app.yml): it is empty. Name it.'),
        (None, "Name it.", "app_name = None (in app.yml): it is empty. Name it."),
        (7, "", "app_name = 7 (in app.yml): it is empty."),
    ],
)
def test_a_decision_is_named_with_its_value_and_its_file(value: Any, fix: str, text: str) -> None:
    assert str(DecisionError("app_name", value, "it is empty", fix, "app.yml")) == text
    assert run_raising(DecisionError("app_name", value, "it is empty", fix, "app.yml")) == {"failed": True, "msg": text}


def test_a_hint_is_shown_apart() -> None:
    found = run_raising(SamestackError("It cannot be.", "Do something else."))
    assert found == {"failed": True, "msg": "It cannot be.", "hint": "Do something else."}


def test_a_secret_that_is_missing_is_a_problem_without_value() -> None:
    problem = Problem("vault password", "vault/staging.yml", "it is wrong", "Give the right one")
    assert run_raising(SecretError(problem))["msg"] == (
        "vault password (in vault/staging.yml): it is wrong. Give the right one."
    )


def test_what_is_a_fault_of_ours_stays_one() -> None:
    with pytest.raises(KeyError):
        run_raising(KeyError("release"))
