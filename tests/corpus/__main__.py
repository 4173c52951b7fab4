"""The corpus: public projects that `samestack init` is tried on, as recipes (recipes.yml), never their code.

    samestack corpus -- [NAME…]              fetch them, read them, print what is decided and how long it took
    samestack corpus -- --mirrors FOLDER     from FOLDER/<owner>+<name>/repo, for a computer without the address
    samestack corpus -- --up [NAME…]         and run each on a local machine: init, up, its page, destroy; what `up`
                                             says is in NAME.log beside the fetched project

Leaves with 1 where a project that could be fetched neither is read nor ends with a word on why.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from plugins.plugin_utils.adoption.adopt import adopt
from plugins.plugin_utils.errors import DecisionError

REPO = Path(__file__).resolve().parents[2]
RECIPES = Path(__file__).with_name("recipes.yml")
#: Outside of Samestack: `init` writes no project into it.
STATE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "samestack-corpus"
#: What machines are made of may be said for all of them.
PASSED_ON = ("SAMESTACK_BOX_RELEASE", "SAMESTACK_BOX_MIRROR")
#: `init` promises it
READ_SECONDS = 60
UP_SECONDS = 1800


@dataclass(frozen=True)
class Recipe:
    """One project: where it is, which commit, and what has to be decided beyond what `init` finds."""

    name: str
    address: str
    commit: str
    shape: str
    variables: dict[str, Any] = field(default_factory=dict)


def recipes() -> list[Recipe]:
    """Return all of them."""
    return [Recipe(name, **given) for name, given in yaml.safe_load(RECIPES.read_text(encoding="utf-8")).items()]


def run(*command: object, cwd: Path, seconds: float = 600, log: Path | None = None, **more: str) -> tuple[int, str]:
    """Run a program without a terminal; returns its status and what it said, which is in `log` meanwhile."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("SAMESTACK_") or name in PASSED_ON}
    words = [str(word) for word in command]
    with log.open("w+b") if log else tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            words, cwd=cwd, env=own | more, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                # With all that it has started
                os.killpg(process.pid, signal.SIGTERM)
                said.write(f"\nno end within {seconds:.0f} s\n".encode())
                status = 1
        said.seek(0)
        return status, said.read().decode(errors="replace")


def fetch(recipe: Recipe, mirrors: Path | None) -> Path | None:
    """Return the folder with the project at its commit, None where it cannot be had."""
    folder = STATE / recipe.name
    if (folder / ".fetched").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    STATE.mkdir(parents=True, exist_ok=True)
    owner, name = recipe.address.rstrip("/").split("/")[-2:]
    # Of large files the pointers do.
    checkout = (
        "-c",
        "filter.lfs.smudge=",
        "-c",
        "filter.lfs.required=false",
        "checkout",
        "-q",
        "--detach",
        recipe.commit,
    )
    if mirrors:
        status, _said = run("git", "clone", "-qsn", mirrors / f"{owner}+{name}" / "repo", folder, cwd=STATE)
        # A mirror may lack large files: all others are there.
        run("git", *checkout, cwd=folder if not status else STATE)
    else:
        folder.mkdir()
        run("git", "init", "-q", cwd=folder)
        fetching = ("fetch", "-q", "--depth", "1", recipe.address, recipe.commit)
        status, _said = run("git", *fetching, cwd=folder, GIT_TERMINAL_PROMPT="0")
        status = status or run("git", *checkout, cwd=folder)[0]
    if status:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    (folder / ".fetched").touch()
    return folder


def read(folder: Path) -> str:
    """Return what `init` decides, or why it does not, in one line."""
    began = time.monotonic()
    try:
        adoption = adopt(folder, lambda _question, _choices, best: best)
    except DecisionError as error:
        return f"stops: {error.problem.what}"
    seconds = time.monotonic() - began
    slow = f", SLOWER THAN {READ_SECONDS} s" if seconds > READ_SECONDS else ""
    problems = [f"{one.what} {one.value}" for one in adoption.problems]
    missing = f"; not ours: {', '.join(problems)}" if problems else ""
    return f"{seconds:.1f} s{slow}; {len(adoption.findings)} findings, {', '.join(adoption.decisions)}{missing}"


def up(recipe: Recipe, folder: Path, limit: float, *, keep: bool) -> str:
    """Return whether the project serves on a local machine after `init`, and how long it took."""
    project = STATE / ("kept" if keep else f"{recipe.name}-machines")
    before = STATE / "before"
    if keep and project.is_dir():
        project.rename(before)
    elif (project / "samestack").exists():
        run(project / "samestack", "destroy", cwd=project)
    shutil.rmtree(project, ignore_errors=True)
    began = time.monotonic()
    status, said = run(REPO / "samestack", "init", folder, "--into", project, "--yes", cwd=REPO)
    if before.is_dir():
        take_over(before, project)
    if status:
        return f"init: {said.strip().splitlines()[-1]}"
    file = project / "inventories/group_vars/all/app.yml"
    decided = edited(yaml.safe_load(file.read_text(encoding="utf-8")), recipe.variables)
    file.write_text(yaml.safe_dump(decided, sort_keys=False), encoding="utf-8")
    status, said = run(project / "samestack", "up", cwd=project, seconds=limit, log=STATE / f"{recipe.name}.log")
    seconds = time.monotonic() - began
    if not keep:
        run(project / "samestack", "destroy", cwd=project)
    lines = f", {len(recipe.variables)} edited" if recipe.variables else ""
    return f"{'does not serve' if status else 'SERVES'}, {seconds:.0f} s{lines}{'; ' + why(said) if status else ''}"


def edited(decided: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    """Return decisions with those of a recipe in them; of a mapping and of a list, what is there stays beside it."""
    both = dict(variables)
    for name, value in variables.items():
        there = decided.get(name)
        if isinstance(value, dict) and isinstance(there, dict):
            both[name] = there | value
        elif isinstance(value, list) and isinstance(there, list):
            both[name] = there + [one for one in value if one not in there]
    return decided | both


def take_over(before: Path, project: Path) -> None:
    """Give a project what another one's runs have left, and with it the machine that is known by this folder."""
    for left in [*before.glob(".samestack/*"), *before.glob(".samestack/engine/*/.venv")]:
        place = project / left.relative_to(before)
        if left.name != "engine" and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            left.rename(place)
    shutil.rmtree(before)


def why(said: str) -> str:
    """Return the reason that `up` gives, in one line; its last words where there is none."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reasons = [at for at, line in enumerate(lines) if line.startswith("Why:")]
    if not reasons:
        return lines[-1] if lines else "it said nothing"
    told = itertools.takewhile(lambda line: not line.startswith("Where:"), lines[reasons[-1] :])
    return " ".join(told).removeprefix("Why:").strip()


def main() -> int:
    """Go through the recipes."""
    parser = argparse.ArgumentParser(prog="samestack corpus")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--mirrors", type=Path)
    parser.add_argument("--up", action="store_true")
    parser.add_argument("--keep", action="store_true", help="all on one machine, which stays")
    parser.add_argument("--seconds", type=float, default=UP_SECONDS, help="how long one `up` may take")
    given = parser.parse_args()
    known = recipes()
    unknown = set(given.names) - {recipe.name for recipe in known}
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: there is no such recipe in {RECIPES}")
    failed = 0
    for recipe in known:
        if given.names and recipe.name not in given.names:
            continue
        folder = fetch(recipe, given.mirrors)
        if not folder:
            said = "cannot be fetched"
        elif given.up:
            said = up(recipe, folder, given.seconds, keep=given.keep)
        else:
            try:
                said = read(folder)
            except Exception as error:
                said, failed = f"FAILED: {type(error).__name__}: {error}", 1
        sys.stdout.write(f"{recipe.name:24} {said}\n")
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())
