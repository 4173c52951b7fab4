"""The program that tries `init` on public projects: what it says of one that does not serve, and its recipes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.corpus.__main__ import edited, recipes, run, take_over, why

if TYPE_CHECKING:
    from pathlib import Path

SAID = """Play: Prepare the release

Failed on dev1: release : Build the release
  Why:   Release live-code could not be built: `npm ci` failed.
         npm ERR! code ENOENT
  Where: roles/release/tasks/build.yml:3
  To do: Mend this.

Stopped by a failure after 29 s, 3 remote tasks.
"""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (SAID, "Release live-code could not be built: `npm ci` failed. npm ERR! code ENOENT"),
        ("one\nno end within 5 s\n", "no end within 5 s"),
        ("", "it said nothing"),
    ],
)
def test_the_reason_is_one_line(said: str, reason: str) -> None:
    assert why(said) == reason


def test_an_edited_line_takes_nothing_away_from_what_is_there() -> None:
    decided = {"app_env": {"A": "1", "B": "2"}, "app_system_packages": ["gcc"], "app_redis": True}
    changed = {"app_env": {"B": "3"}, "app_system_packages": ["npm", "gcc"], "app_python": "host"}
    assert edited(decided, changed) == {
        "app_env": {"A": "1", "B": "3"}, "app_system_packages": ["gcc", "npm"], "app_redis": True,
        "app_python": "host",
    }  # fmt: skip


def test_no_recipe_has_more_than_two_edited_lines() -> None:
    every = recipes()
    assert len(every) >= 30
    assert not [one.name for one in every if len(one.variables) > 2]
    assert not [one.name for one in every if len(one.commit) != 40]


def test_what_takes_too_long_ends_with_all_that_it_started(tmp_path: Path) -> None:
    script = "echo begun; (sleep 4; touch late) & wait"
    status, said = run("sh", "-c", script, cwd=tmp_path, seconds=1, log=tmp_path / "log")
    assert (status, said.split("\n", 1)[0]) == (1, "begun")
    assert why(said) == "no end within 1 s"
    time.sleep(4)
    assert not (tmp_path / "late").exists()


def test_a_machine_is_taken_over_without_the_engine_of_before(tmp_path: Path) -> None:
    before, project = tmp_path / "before", tmp_path / "kept"
    for path in ("ssh_config", "engine/1/.venv/python", "engine/1/galaxy.yml", "secrets/dev.yml"):
        (before / ".samestack" / path).parent.mkdir(parents=True, exist_ok=True)
        (before / ".samestack" / path).write_text("before")
    (project / ".samestack/engine/1").mkdir(parents=True)
    take_over(before, project)
    found = sorted(path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file())
    assert found == [".samestack/engine/1/.venv/python", ".samestack/secrets/dev.yml", ".samestack/ssh_config"]
    assert not before.exists()
