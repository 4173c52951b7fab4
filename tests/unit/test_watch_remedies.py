"""A remedy is printed only if a test types it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from plugins.module_utils.watch.remedies import COMMANDS, VERBS, mended

ROOT = Path(__file__).resolve().parents[2]


def typed(path: str) -> set[str]:
    """The names of remedies that the tests of a file say they type."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [getattr(one, "id", "") for one in node.targets] == ["TYPED"]
    ]
    return {name for value in found for name in ast.literal_eval(value)}


def test_each_command_on_a_host_is_typed_by_a_test_on_real_hosts() -> None:
    assert typed("tests/watch/test_faults.py") >= set(COMMANDS)


def test_each_verb_is_typed_by_a_test_on_a_machine_that_serves() -> None:
    assert typed("tests/soak_watch/test_verbs.py") >= set(VERBS)


@pytest.mark.parametrize("name", [*COMMANDS])
def test_words_of_others_are_quoted(name: str) -> None:
    bad = "x; rm -rf /"
    words = dict.fromkeys(("unit", "mount", "port", "pid", "database", "owner"), bad)
    assert f" {bad}" not in mended(name, "staging", "web1", words).replace(f"'{bad}'", "")
