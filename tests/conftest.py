"""For all tests: what came of them, in a file that `tests/run` reads; and which are for `./samestack soak` alone."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

#: In the environment of the long repetitions
SOAK = "SAMESTACK_SOAK"


class Results:
    """Counts tests, and keeps why some failed or were left out. A test fails once, however many of its steps do."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._outcomes: dict[str, str] = {}
        self._reasons: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        known = self._outcomes.get(report.nodeid)
        if report.failed:
            self._failed(report)
        elif report.skipped:
            self._outcomes[report.nodeid] = "skipped"
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self._reasons[report.nodeid] = reason.removeprefix("Skipped: ")
        elif report.when == "call" and known is None:
            self._outcomes[report.nodeid] = "passed"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failed(report)

    def _failed(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        self._outcomes[report.nodeid] = "failed"
        self._reasons[report.nodeid] = report.longreprtext.rstrip().rpartition("\n")[2]

    def pytest_sessionfinish(self) -> None:
        found = list(self._outcomes.values())
        told = {name: f"{name.split('::', 1)[-1]}: {reason}" for name, reason in self._reasons.items()}
        line = {
            "passed": found.count("passed"),
            "failed": found.count("failed"),
            "skipped": [told[name] for name in told if self._outcomes[name] == "skipped"],
            "failures": [told[name] for name in told if self._outcomes[name] == "failed"],
        }
        # Appended, because one part may start pytest several times.
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--repeat", type=int, default=1, help="how often tests are done that take a `turn`")
    parser.addoption("--all-variants", action="store_true", help="render every variant for every release")
    parser.addoption(
        "--accept-on",
        metavar="SSH_ARGUMENTS",
        help="ask the programs of that machine about rendered files, e.g. '-F .samestack/ssh_config dev1'",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "turn" in metafunc.fixturenames:
        metafunc.parametrize("turn", range(metafunc.config.getoption("--repeat")), scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if SOAK not in os.environ:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("soak")])
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
    # What was imported stays to the end: the collector need not look through it again and again.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: one more of a kind, for `./samestack soak` alone")
    file = os.environ.get("SAMESTACK_TEST_RESULTS")
    if file:
        config.pluginmanager.register(Results(Path(file)), "samestack-results")
