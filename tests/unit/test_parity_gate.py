"""The gate of a promotion: what stops it, what mends it, and how single differences are accepted."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.plugin_utils.parity.compare import Comparison, compare
from plugins.plugin_utils.parity.gate import Verdict, gates, judge, names_of, notes, ways_out
from tests.support.manifests import envelope

PLANTED = {"packages": {"cowsay": "1"}, "schema": {"function:f(a, b)": "aa"}}


def planted() -> Comparison:
    return compare([envelope("staging"), envelope("production", PLANTED)])


def verdict(accept: Any = "", reason: str = "") -> Verdict:
    return judge(planted(), accept, reason)


def stopping(found: Verdict) -> list[str]:
    return [one.name for one in found.stopping]


def test_what_is_explained_stops_nothing() -> None:
    found = judge(compare([envelope("staging"), envelope("production")]), "", "")
    assert found == Verdict((), (), ())
    assert ways_out(found) == ""


def test_another_release_is_what_a_promotion_is_for() -> None:
    newer = {"release": {"id": "ffffffffffff"}, "venv": {"distribution0": "9"}, "schema": {"table.new": "text"}}
    newer["postgresql"] = {"extension:pg_trgm": "1.6 in public"}
    assert stopping(judge(compare([envelope("staging", before=newer), envelope("production")]), "", "")) == []


def test_an_extension_of_the_same_release_is_asked_about() -> None:
    """No migration made it, then: somebody did, or production has not been provisioned."""
    more = {"postgresql": {"extension:pg_trgm": "1.6 in public"}}
    found = judge(compare([envelope("staging", before=more), envelope("production")]), "", "")
    assert stopping(found) == ["postgresql/extension:pg_trgm"]


def test_each_difference_is_listed_with_what_mends_it() -> None:
    found = verdict()
    assert stopping(found) == ["packages/cowsay", "schema/function:f(a, b)"]
    listed = dict(gates(found, planted()))
    assert listed["packages/cowsay is drift: staging has (not there), production has 1"] == (
        "`on production1: sudo apt-get remove cowsay`"
    )
    assert "`--accept packages/cowsay --accept 'schema/function:f(a, b)' --reason" in ways_out(found)


@pytest.mark.parametrize(
    "accept",
    ["packages/cowsay,schema/function:f(a, b)", "schema/function:f(a,b) , packages/cowsay".replace("a,b", "a, b"),
     ["packages/cowsay", "schema/function:f(a, b)"]],
)  # fmt: skip
def test_the_very_keys_are_accepted_with_a_reason(accept: Any) -> None:
    found = verdict(accept, "the fair is on")
    assert (stopping(found), found.mistakes) == ([], ())
    kept = notes(found, "the fair is on")
    assert sorted(kept["differences_accepted"]) == ["packages/cowsay", "schema/function:f(a, b)"]
    assert kept["differences_reason"] == "the fair is on"


def test_what_is_not_named_still_stops() -> None:
    assert stopping(verdict("packages/cowsay", "why")) == ["schema/function:f(a, b)"]


@pytest.mark.parametrize(
    ("accept", "said"),
    [
        ("packages/cow*", "by key or by section"),
        ("*/*", "by key or by section"),
        ("all", "by key or by section"),
        ("kernel/*", "nothing in this section"),
        ("packages/cowsey", "Write packages/cowsay"),
        ("sockets/tcp:1", "nothing of that name differs. Leave it out"),
        ("environment/SECRET_KEY", "explained and needs no acceptance"),
    ],
)
def test_an_acceptance_that_names_nothing_is_an_error(accept: str, said: str) -> None:
    found = verdict(accept, "why")
    assert said in found.mistakes[0]
    assert "packages/cowsay" in stopping(found)
    assert any(said.partition(". ")[0] in wrong + mend for wrong, mend in gates(found, planted()))


def test_a_reason_is_required() -> None:
    assert "parity_reason" in verdict("packages/cowsay").mistakes[0]


def test_names_are_told_apart_also_where_they_hold_commas() -> None:
    known = ["schema/function:f(a, b)", "packages/x"]
    assert names_of("packages/x, schema/function:f(a, b),typo", known) == [*known[::-1], "typo"]


def test_a_section_is_accepted_by_its_name() -> None:
    found = verdict("packages/*", "removed on Monday")
    assert stopping(found) == ["schema/function:f(a, b)"]
    assert notes(found, "x")["differences_accepted"] == ["packages/cowsay"]
    many = {"packages": dict.fromkeys(["a", "b", "c"], "1"), "schema": {"view:x": "a"}}
    said = ways_out(judge(compare([envelope("staging"), envelope("production", many)]), "", ""))
    assert "`--accept-section packages --accept schema/view:x --reason '…'`" in said


UNITS = {"units": {"active:nginx.service": "active"}}
WORKER = {
    "units": {"active:site-worker-queue@live.service": "failed"},
    "environment": {"(not taken up yet)": ["A"]},
}


def test_what_a_promotion_replaces_on_production_is_not_judged() -> None:
    def stops(staging: Any, production: Any) -> list[str]:
        both = [envelope("staging", staging, before=UNITS), envelope("production", production, before=UNITS)]
        return stopping(judge(compare(both), "", ""))

    assert stops({}, WORKER) == []
    # On staging it is what was looked at, and accepted.
    assert stops(WORKER, {}) == ["environment/(not taken up yet)", "units/active:site-worker-queue@live.service"]
    assert stops({}, {"units": {"active:nginx.service": "failed"}}) == ["units/active:nginx.service"]
