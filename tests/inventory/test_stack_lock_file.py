"""A broken stack lock is one clear error, before a host is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.inventory.project_copy import Project

GOOD = """\
---
debian-13-amd64:
  snapshot: "20261125T151252Z"
  packages:
    acl: "2.3.2-2+b1"
    nginx: "1.26.3-3+deb13u10"
"""
# What replaces what in it, and what the error must say
CASES = {
    "no YAML": ("  packages:", "  packages", ("stack.lock.yml:4", "is no YAML")),
    "left by a merge": (
        "    acl",
        "<<<<<<< HEAD\n    acl",
        ("stack.lock.yml:", "is no YAML", "./samestack lock-stack"),
    ),
    "a list": (GOOD, "- acl\n", ("stack.lock.yml:1", "the stack lock")),
    "empty": (GOOD, "---\n", ("stack.lock.yml (in stack.lock.yml)", "is empty", "delete the file")),
    "twice": ("    nginx", "    acl", ("stack.lock.yml:6", "`acl` a second time, after line 5")),
    "a number": ('"2.3.2-2+b1"', "2.3", ("debian-13-amd64.packages.acl = 2.3 (in stack.lock.yml:5)", "quotes")),
    "no version": ('"2.3.2-2+b1"', '"latest"', ("packages.acl = latest (in stack.lock.yml:5)", "no version")),
    "a command": ('"2.3.2-2+b1"', '"1; reboot"', ("packages.acl", "no version of a package")),
    "an empty version": ('"2.3.2-2+b1"', "", ("packages.acl", "stack.lock.yml:5", "a version is text")),
    "no name": ("    acl", "    -acl", ("packages.-acl", "stack.lock.yml:5", "no package's name")),
    "no section": ("debian-13-amd64", "trixie", ("trixie", "stack.lock.yml:2", "debian-13-amd64")),
    "no packages": (GOOD, "debian-13-amd64:\n  packages: {}\n", ("debian-13-amd64", "has no packages")),
    "a section of nothing": (GOOD, "debian-13-amd64:\n", ("debian-13-amd64", "has no packages")),
    "another key": ("  snapshot", "  snapshots", ("debian-13-amd64.snapshots", "no such key", "snapshot, packages")),
    "a day": ("20261125T151252Z", "2026-11-25", ("debian-13-amd64.snapshot = 2026-11-25", "stack.lock.yml:3", "UTC")),
}


@pytest.mark.parametrize("case", CASES)
def test_one_error_with_file_and_line(project: Project, case: str) -> None:
    old, new, says = CASES[case]
    assert old in GOOD
    (project.root / "stack.lock.yml").write_text(GOOD.replace(old, new), encoding="utf-8")
    problems = project.check()
    assert len(problems) == 1, problems
    for part in says:
        assert part in problems[0]


def test_many_broken_lines_are_one_error(project: Project) -> None:
    broken = "".join(f"    package{number}: {number}\n" for number in range(99))
    (project.root / "stack.lock.yml").write_text(GOOD + broken, encoding="utf-8")
    assert len(project.check()) == 1


@pytest.mark.parametrize("text", [GOOD, GOOD.replace('  snapshot: "20261125T151252Z"\n', "")])
def test_a_good_one_is_no_problem(project: Project, text: str) -> None:
    (project.root / "stack.lock.yml").write_text(text, encoding="utf-8")
    assert project.check() == []
