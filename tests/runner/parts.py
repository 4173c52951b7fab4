"""A part is one command; several run side by side, and each is counted and reported in one line."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
#: Seconds that an interrupted part gets to take its machines away.
GRACE = 60


#: What runs now; each has a session of its own, so a Ctrl-C here does not reach it by itself
_running: set[subprocess.Popen[str]] = set()


@dataclass
class Part:
    """One command of the tests. Where it starts pytest, every test counts; otherwise the command is one test."""

    name: str
    command: list[str]
    folder: Path = REPO
    environment: dict[str, str] = field(default_factory=dict)
    seconds: int = 600


@dataclass
class Outcome:
    """What came of a part."""

    part: Part
    passed: int
    failed: int
    skipped: list[str]
    failures: list[str]
    seconds: float
    output: str


def tool(name: str) -> str:
    """Return a program of the locked tools."""
    return str(REPO / ".venv" / "bin" / name)


def environment(part: Part) -> dict[str, str]:
    """Return a part's environment: the locked tools first, no colours, nothing of the caller's that changes Ansible."""
    own = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("ANSIBLE_", "MOLECULE_", "MAKE", "MFLAGS")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    own["PATH"] = f"{REPO / '.venv' / 'bin'}:{own.get('PATH', '')}:/usr/sbin:/sbin"
    # Byte-code is kept, or every start of a tool would compile it; but not between the sources, which are copied.
    own.update(NO_COLOR="1", PY_COLORS="0", TERM="dumb", PYTHONPYCACHEPREFIX=str(REPO / ".samestack" / "pycache"))
    return own | part.environment


def run(part: Part) -> Outcome:
    """Run a part to its end, or to the end of its time; whatever it started ends with it."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="samestack-tests-") as folder:
        results = Path(folder) / "results"
        process = subprocess.Popen(
            part.command,
            cwd=part.folder,
            env=environment(part) | {"SAMESTACK_TEST_RESULTS": str(results)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        _running.add(process)
        try:
            output, _ = process.communicate(timeout=part.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            try:
                output, _ = process.communicate(timeout=GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
            output += f"\nThis took longer than {part.seconds} s and was stopped."
        finally:
            _running.discard(process)
        passed, failed, skipped, failures = counts(results)
    if process.returncode and not failed:
        failed = 1
    if not passed and not failed:
        passed = 1
    return Outcome(part, passed, failed, skipped, failures, time.monotonic() - start, output)


def stop_all() -> None:
    """Ask every running part to stop, as Ctrl-C does."""
    for process in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)


def counts(results: Path) -> tuple[int, int, list[str], list[str]]:
    """Return passed, failed, what was left out and what failed with the reasons, as `tests/conftest.py` wrote them."""
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []
    skipped, failures = ([reason for line in lines for reason in line[word]] for word in ("skipped", "failures"))
    return sum(line["passed"] for line in lines), sum(line["failed"] for line in lines), skipped, failures


class Report:
    """Collects outcomes, prints them as they come."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._outcomes: list[Outcome] = []
        self._interrupted = False

    def run(self, parts: list[Part], side_by_side: int = 1) -> bool:
        """Run parts, so many at a time; returns whether all passed."""
        outcomes = []
        with ThreadPoolExecutor(max_workers=side_by_side) as pool:
            try:
                for future in as_completed([pool.submit(run, part) for part in parts]):
                    self.add(future.result())
                    outcomes.append(future.result())
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                stop_all()
                raise
        return all(not outcome.failed for outcome in outcomes)

    def add(self, outcome: Outcome) -> None:
        """Print one line for a part, its output when it failed, and what it left out."""
        self._outcomes.append(outcome)
        word = "FAILED" if outcome.failed else "passed"
        tests = f"{outcome.passed:4} passed, {outcome.failed} failed"
        print(f"{word}  {outcome.part.name:<28} {outcome.seconds:6.1f} s  {tests}", flush=True)
        for reason in outcome.skipped:
            print(f"        left out: {reason}", flush=True)
        if outcome.failed:
            width = min(shutil.get_terminal_size().columns, 120)
            print("-" * width, outcome.output.rstrip(), "-" * width, sep="\n", flush=True)

    def interrupted(self) -> None:
        """Note that the run was stopped."""
        self._interrupted = True
        print("Interrupted.", file=sys.stderr)

    def finish(self) -> int:
        """Print the sum; returns the exit status."""
        failed = [outcome for outcome in self._outcomes if outcome.failed]
        if failed:
            # Once more at the end: the output of what failed may be long
            print(f"Failed: {', '.join(outcome.part.name for outcome in failed)}")
        for outcome in failed:
            print(*(f"  {outcome.part.name}: {name}\n" for name in outcome.failures), sep="", end="")
        print(f"{time.monotonic() - self._start:.0f} s in all")
        print(f"{sum(o.passed for o in self._outcomes)} passed, {sum(o.failed for o in self._outcomes)} failed")
        return 1 if failed or self._interrupted or not self._outcomes else 0
