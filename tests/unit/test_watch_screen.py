"""How hosts are, on one screen."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.plugin_utils.answers import AnswerError
from plugins.plugin_utils.release.answers import checked
from plugins.plugin_utils.watch.answers import STATUS
from plugins.plugin_utils.watch.screen import CODES, Environment, Host, Screen, as_data, worst
from tests.support.statuses import answer, counted, finding, host


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (host(), "well"),
        (host(disk=[finding("note")]), "well"),
        (host(disk=[finding("yellow")]), "degraded"),
        (host(disk=[finding("red")]), "degraded"),
        (host(site=[finding("red")]), "down"),
        (host(site=[finding("yellow")]), "degraded"),
        (Host("web1", trouble="no answer"), "unknown"),
        (Host("dev1", trouble="no answer", absent=True), "well"),
    ],
)
def test_states_and_what_it_leaves_with(one: Host, state: str) -> None:
    environments = [Environment("staging", [host(), one]), Environment("production")]
    assert (one.state, worst(environments)) == (state, state)
    assert CODES[state] == {"well": 0, "degraded": 1}.get(state, 2)
    assert as_data(environments)["environments"]["staging"]["state"] == state


def test_a_line_for_each_section_and_what_mends_it() -> None:
    lines = list(Screen().lines([Environment("staging", [host(disk=[finding("red")])])]))
    assert lines[0] == "staging: degraded"
    assert [line.split()[:3] for line in lines[1:]] == [
        ["web1", "site", "ok"],
        ["web1", "release", "ok"],
        ["web1", "disk", "RED"],
    ]
    assert lines[-1].endswith("it is so (for 2 min); mend: ./samestack provision staging")


def test_of_all_environments_what_is_well_is_one_line() -> None:
    environments = [Environment("staging", [host(), host(disk=[finding("yellow")])])]
    assert [" ".join(line.split()) for line in Screen(whole=False).lines(environments)] == [
        "staging: degraded",
        "web1 all ok release is well",
        "web1 disk YELLOW it is so (for 2 min); mend: ./samestack provision staging",
        "web1 the rest ok release is well",
    ]


def test_who_says_nothing_is_a_line_as_well() -> None:
    one = Host("web1", trouble="it cannot be asked: refused", mend="./samestack provision staging")
    (_, line) = Screen().lines([Environment("staging", [one])])
    assert "RED" in line
    assert line.endswith("mend: ./samestack provision staging")
    assert list(Screen().lines([Environment("production")])) == ["production: no machine"]


def test_nothing_that_a_host_says_reaches_the_terminal_as_it_is() -> None:
    hostile = "\x1b[2Jowned\nstaging: well"
    one = host(disk=[finding("red", text=hostile, mend=hostile)])
    lines = list(Screen().lines([Environment("staging", [one])]))
    assert len(lines) == 4
    assert "\x1b" not in "".join(lines)
    assert "\x1b[31m" in "".join(Screen(colour=True).lines([Environment("staging", [one])]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sections": [{"name": "../x", "words": "", "findings": []}]},
        {"sections": [{"name": "disk", "words": "", "findings": [{**finding("red"), "level": "green"}]}]},
        {"time": "now"},
        {"sections": "all"},
        {"series": {"day": {"load": ["<b>"]}}},
        {"marks": [{"time": 1, "verb": "x" * 100, "result": "ok", "release": ""}]},
    ],
)
def test_what_is_no_answer_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AnswerError):
        checked(STATUS, {**answer(), **wrong}, "web1")


def test_numbers_of_a_day_and_a_week_are_taken() -> None:
    assert host(more=counted()).answer["series"]["week"]["load"][0] == 32.5
