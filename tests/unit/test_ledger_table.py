"""The ledger as people read it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from plugins.plugin_utils.release.ledger_table import short_label, table

A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
STATE: dict[str, Any] = {
    "live": {"release": B, "label": "v2"},
    "kept": [A, B, C],
    "frozen": {},
    "holder": {},
    "maintenance": {},
    "lines": [
        {"time": "2026-11-20T08:00:00Z", "verb": "deploy", "who": "Eve <e@x.org>", "release": A, "to": A,
         "commits": 3, "label": "v1", "seconds": 12.3, "migrations": ["shop.0001"], "result": "ok",
         "traffic": {"before": None, "after": {"requests": 0, "errors": 0, "p95": None}, "worse": []}},
        {"time": "2026-11-20T08:30:00Z", "verb": "accept", "who": "Bob", "release": A, "result": "ok"},
        {"time": "2026-11-21T08:00:00Z", "verb": "deploy", "who": "Eve", "release": B, "from": A, "to": B,
         "commits": ["one", "two"], "label": "v2", "seconds": 4.0, "result": "ok",
         "traffic": {"before": {"requests": 9000, "errors": 9, "p95": 0.08},
                     "after": {"requests": 400, "errors": 30, "p95": 0.3}, "worse": ["errors", "p95"]}},
        {"time": "2026-11-21T09:00:00Z", "verb": "deploy", "who": "Eve", "release": C, "from": B,
         "seconds": 8.0, "result": "failed", "reason": "it answers 500\nTraceback"},
    ],
}  # fmt: skip


def test_the_table() -> None:
    lines = table(STATE, "staging", 20, 200)
    assert lines[0] == f"staging serves {B} (v2)"
    head, newest, *rest = lines[2:]
    assert re.split("  +", head) == [
        "When (UTC)", "Verb", "Who", "From → to", "Commits", "Time", "Migrations", "Errors", "p95", "Result",
    ]  # fmt: skip
    assert newest.split()[:4] == ["2026-11-21", "09:00", "deploy", "Eve"]
    assert newest.endswith("(failed) it answers 500")
    assert rest[0].endswith("0.1 % → 7.5 %  80 ms → 300 ms  ok (current) (worse)")
    assert f"{A} → {B}" in rest[0]
    assert "2, v2" in rest[0]
    assert re.search(r"  1 +ok \(accepted\)$", rest[2])
    assert "Eve <" not in rest[2]
    assert lines[-1] == f"Kept on the host: {A} (./samestack rollback --to …)"


def test_the_table_of_a_troubled_environment() -> None:
    state = STATE | {
        "frozen": {"who": "Bob", "since": 0, "message": "sale"},
        "maintenance": {"message": "back at 8", "since": 0},
        "holder": {"who": "Eve", "verb": "deploy", "since": 5},
        "dirty": ["source/shop/views.py"],
    }
    text = "\n".join(table(state, "staging", 2, 200))
    for part in (
        "Frozen by Bob at 1970-01-01 00:00:00 UTC: sale",
        "maintenance page since 1970",
        "At work: Eve, deploy",
        "Changed on the host since it was built: source/shop/views.py",
        "ok (current) (dirty)",
    ):
        assert part in text
    assert "2026-11-20" not in text, "only as many lines as wanted"
    assert all(len(line) <= 60 for line in table(STATE, "staging", 20, 60)[2:7])


@pytest.mark.parametrize(
    ("label", "short"),
    [
        ("git git@github.com:you/yours.git, v1.2 is 1f2e3d4c5b6a", "v1.2"),
        ("path ../my, site, 41 files", "../my, site"),
        ("v1.2", "v1.2"),
        ("", ""),
    ],
)
def test_what_people_call_a_release(label: str, short: str) -> None:
    assert short_label(label) == short


def test_the_table_of_nothing() -> None:
    state = STATE | {"live": {}, "kept": [], "lines": []}
    assert table(state, "staging", 20, 200)[0] == "staging serves nothing yet"
