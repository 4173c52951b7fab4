"""The words and figures of the callback, without starting Ansible."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from plugins.plugin_utils.console import progress, report
from plugins.plugin_utils.console import run as events

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3725, "1 h 2 min"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(0, "1 s"), (14.6, "15 s"), (16, "20 s"), (58, "1 min 0 s")])
def test_time_left_is_rounded_up_to_stay_calm(seconds: float, words: str) -> None:
    assert progress.time_left(seconds) == f"about {words} left"


def test_forecast_follows_the_last_run() -> None:
    forecast = progress.Forecast([("a", 10), ("b", 20), ("c", 30)])
    forecast.start("a")
    assert forecast.total == 3
    assert forecast.left(4) == pytest.approx(56)
    assert forecast.left(100) == pytest.approx(50)
    forecast.finish(10)
    forecast.start("c")  # b is left out this time
    assert (forecast.done, forecast.total) == (1, 2)
    assert forecast.left(0) == pytest.approx(30)


def test_forecast_follows_the_pace_of_this_run_and_counts_new_steps_on_top() -> None:
    forecast = progress.Forecast([("a", 60), ("b", 60)])
    forecast.start("a")
    forecast.finish(3)
    assert forecast.left(0) < 10
    forecast.start("new")
    assert forecast.total == 3
    forecast.finish(500)
    forecast.start("b")
    assert forecast.left(0) < 10
    forecast.finish(1)
    assert (forecast.total, forecast.left(0)) == (3, 0)


def test_timings_are_kept_bounded_and_bad_files_count_as_none(tmp_path: Path) -> None:
    for number in range(progress.MAX_FILES + 3):
        file = tmp_path / "timings" / f"{number}.json"
        progress.save_timings(file, [("step", 1.0)] * (progress.MAX_STEPS + 1))
        os.utime(file, (number, number))
    left = {file.name for file in (tmp_path / "timings").iterdir()}
    assert len(left) == progress.MAX_FILES
    assert f"{progress.MAX_FILES + 2}.json" in left and "0.json" not in left
    assert len(progress.load_timings(file)) == progress.MAX_STEPS
    for bad in ("", "{}", "[]", '{"steps": [1]}', '{"steps": [["a", "x"]]}', "null"):
        file.write_text(bad)
        assert progress.load_timings(file) == []
    assert progress.load_timings(tmp_path / "none") == []


@pytest.mark.parametrize("columns", [20, 40, 59, 60, 80, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_the_progress_line_never_reaches_the_last_column(columns: int, unicode: bool) -> None:
    forecast = progress.Forecast([("a", 100)] * 120)
    forecast.start("a")
    pieces = progress.progress_line(forecast, "ein Schritt 日本語 " * 20, columns, (1, 2), unicode=unicode)
    assert progress.text_width("".join(pieces)) < columns
    assert bool(pieces[0] + pieces[1]) == (columns >= progress.BAR_MIN_LINE)


def test_clean_takes_out_what_moves_a_cursor() -> None:
    assert report.clean("\x1b[31mred\x1b[0m\x07 \x1b]0;title\x07x\x9b\r\n10%\r50%\r100%\n") == "red x\n100%"
    assert report.clean({"a": [1]}) == '{"a": [1]}'
    assert report.clean(None) == ""


def test_own_errors_are_known_by_their_shape() -> None:
    assert report.is_own_error("app_domains[0] = 'a b' (in inventories/x.yml): holds a space. Write one name.")
    assert report.is_own_error("app_nmae (in inventories/x.yml): there is no such variable. Write app_name.")
    assert report.is_own_error("dev1, ansible_host = 10.0.3.10 (in inventories/dev.yml): nobody answers. Start it.")
    for what in ("vault password", "secrets of staging"):
        assert report.is_own_error(f"{what} (in inventories/vault/staging.yml): it is not there. Give it.")
    assert not report.is_own_error("Could not find the requested service x (in y): z")
    assert not report.is_own_error("x = 1: broken")


@pytest.mark.parametrize(
    ("result", "first"),
    [
        ({"msg": "Task failed: Module failed: no such file"}, "no such file"),
        (
            {"msg": "non-zero return code", "rc": 2, "cmd": ["a", "b c"]},
            "`a 'b c'` ended with code 2 and wrote nothing.",
        ),
        (
            {"msg": "", "rc": 0, "cmd": "a", "stdout": "x"},
            "`a` ended with code 0, but the step's own condition for success does not hold:",
        ),
        (
            {"msg": "MODULE FAILURE: see stderr", "module_stderr": "sudo: a password is required"},
            "sudo: a password is required",
        ),
        ({"msg": "Assertion failed", "assertion": "a == b"}, "This does not hold: a == b"),
        ({"reason": "no such role"}, "no such role"),
        ({"msg": ["one", "two"]}, '["one", "two"]'),
        ({}, "The step gave no reason."),
        ({"censored": "…", "msg": "secret"}, report.HIDDEN),
    ],
)
def test_why(result: dict[str, object], first: str) -> None:
    assert report.why(result)[0] == first


def test_why_falls_back_on_the_exception() -> None:
    assert report.why({"msg": ""}, "Task failed: division by zero") == ["division by zero"]


def test_a_traceback_is_shown_short_with_the_words_before_it() -> None:
    text = "\n".join(["Applying 0004", report.TRACEBACK + ":", *(f"  frame {n}" for n in range(50)), "ValueError: bad"])
    lines = report.excerpt(text)
    assert lines[:2] == ["Applying 0004", "(40 lines left out)"]
    assert lines[2:] == [*(f"  frame {n}" for n in range(39, 50)), "ValueError: bad"]


def test_many_failed_items_are_named_up_to_five_and_counted() -> None:
    reasons = [report.Reason(f"item {n}", ["taken"], {}) for n in range(8)]
    sections = report.failure(reasons, "a.yml:3")
    assert [section.lines for section in sections[4:6]] == [["item 4: taken"], ["3 more items failed too."]]
    assert sections[-1].lines == [report.SAFE_AGAIN]
    assert report.items([str(n) for n in range(8)]) == " (0, 1, 2, 3, 4 and 3 more)"


def test_the_ssh_command_leaves_out_what_is_not_known() -> None:
    given = {
        "ansible_ssh_common_args": "-F .samestack/ssh_config",
        "ansible_host": "{{ somewhere }}",
        "ansible_port": 22,
    }
    assert report.ssh_command("dev1", given) == "ssh -F .samestack/ssh_config -p 22 dev1"
    assert report.ssh_command("dev1", {}) == "ssh dev1"


def test_a_run_without_hosts_or_changes_says_so() -> None:
    assert "No host was matched" in events.closing_changes({}, check=False)[0][0][0]
    hosts = {"dev1": Counter(), "staging1": Counter()}
    assert text(events.closing_changes(hosts, check=False)) == ["Nothing changed on dev1, staging1."]
    assert text(events.closing_changes(hosts, check=True)) == ["Nothing would change on dev1, staging1."]
    hosts["dev1"].update(nginx=2, host=1)
    assert text(events.closing_changes(hosts, check=False)) == ["Changed on dev1: nginx 2, host 1"]


def text(lines: list[list[events.Part]]) -> list[str]:
    return ["".join(words for words, _ in parts) for parts in lines]


def test_several_own_errors_are_all_shown_with_the_space_between_them() -> None:
    message = "\n\n".join(f"app_{n} = {n} (in app.yml): is wrong. Write 1." for n in range(20))
    assert "\n".join(report.why({"msg": message})) == message
    sections = report.failure([report.Reason("", report.why({"msg": message}), {})], "")
    assert "\n".join(section.head.strip() + line for section in sections for line in section.lines) == message


def test_an_unreachable_host_that_is_explained_already_gets_no_second_advice() -> None:
    own = "dev1, ansible_host = 10.0.3.10 (in inventories/dev.yml): nobody answers. Start it."
    assert [section.lines for section in report.unreachable({"msg": own}, "ssh dev1", "")] == [[own], []]
    sections = report.unreachable(
        {"msg": "Task failed: Failed to connect to the host via ssh: no route"}, "ssh dev1", ""
    )
    assert sections[0].lines == ["no route"]
    assert "works from here: ssh dev1" in sections[1].lines[0]
