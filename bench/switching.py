"""What visitors notice of deployments, rollbacks and a provision, and what a deployment takes: under constant load."""

from __future__ import annotations

import calendar
import json
import shutil
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from targets import REPO, STATE, BenchError, play

sys.path.append(str(REPO / "tests"))

from support import versions
from support.load import Load, Visitors

if TYPE_CHECKING:
    from figures import Report
    from targets import Target

PLAYBOOKS = REPO / "playbooks"
DEPLOYMENTS, ROLLBACKS = 20, 5
QUIET_SECONDS = 10
#: A switch as the ledger's steps have it
SWITCH_STEPS = ("start", "probe", "warm up", "switch", "verify", "workers", "drain")
P99_RATIO, DEPLOY_RATIO = 2, 2
FAST, KEPT, SLOW = "fast", "kept", "slow"
VISITORS = (
    Visitors(FAST, "/db/", 4),
    Visitors(KEPT, "/db/", 6, keep=True),
    Visitors(SLOW, "/slow/", 2),
)


@dataclass
class Run:
    """One change: what it was, when (time.monotonic), and what the ledger says of it."""

    verb: str
    began: float
    ended: float
    line: dict[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> float:
        """The seconds of its steps."""
        return float(sum(self.line.get("steps", {}).values()))

    def switch(self) -> tuple[float, float]:
        """When it switched (time.monotonic): the ledger's time is to the second, and the machine shares our clock."""
        wall = calendar.timegm(time.strptime(self.line["time"], "%Y-%m-%dT%H:%M:%SZ"))
        ended = wall - time.time() + time.monotonic()
        seconds = sum(self.line["steps"].get(name, 0.0) for name in SWITCH_STEPS)
        return ended - seconds - 0.5, ended + 1


class Course:
    """The application that is deployed again and again on one machine, and those who use it meanwhile."""

    def __init__(self, target: Target, plan: dict[str, Any]) -> None:
        self.target = target
        self.folder = STATE / "switching-application"
        self.runs: list[Run] = []
        shutil.rmtree(self.folder, ignore_errors=True)
        versions.noticeboard(self.folder)
        versions.slow_view(self.folder)
        self.load = Load(plan["domain"], target.address, REPO / ".samestack" / "ca.crt", *VISITORS)

    def change(self, verb: str, playbook: str, **extra: object) -> Run:
        """Run a playbook; returns when, and the line that it left in the ledger."""
        # So many that all rollbacks have somewhere to go
        source = {"app_source": {"type": "path", "path": str(self.folder)}, "release_keep": ROLLBACKS + 2}
        began = time.monotonic()
        name = f"switching-{len(self.runs):02}-{verb}"
        play(self.target, PLAYBOOKS / playbook, name, "-e", json.dumps(source | extra), aside=True)
        run = Run(verb, began, time.monotonic())
        if verb in ("deploy", "rollback"):
            run.line = json.loads(self.target.run("tail -n 1 /var/lib/samestack/ledger.jsonl"))
        self.runs.append(run)
        return run

    def deploy(self, word: str) -> Run:
        """Deploy a version that differs in one page."""
        versions.home(self.folder, word)
        return self.change("deploy", "deploy.yml")

    def all(self) -> float:
        """Do everything under load; returns when the quiet time before it ended."""
        self.deploy("first")
        self.runs.clear()
        with self.load:
            time.sleep(QUIET_SECONDS)
            quiet = time.monotonic()
            for turn in range(DEPLOYMENTS):
                self.deploy(f"version {turn}")
            for _ in range(ROLLBACKS):
                self.change("rollback", "rollback.yml")
            self.change("provision", "site.yml", app_env={"BENCH": "another"}, web_upload_limit="26m")
            time.sleep(1)
        return quiet


def measure(target: Target, plan: dict[str, Any], report: Report) -> None:
    """Add the figures of the switch to the report. Raises `BenchError` when something could not be deployed."""
    if not (PLAYBOOKS / "rollback.yml").exists():
        raise BenchError("there is no rollback to measure")
    course = Course(target, plan)
    quiet = course.all()
    load, runs = course.load, course.runs
    everything = load.figures()
    report.add("requests while all of that went on", everything.requests, "requests")
    report.add("  failed", len(everything.failures), "requests", 0)
    report.add("  refused connections", everything.refused, "requests", 0)
    report.add("  idle connections that were closed", load.idle_closes, "connections")
    worst = {kind: [load.figures(*run.switch(), kind=kind) for run in runs if run.line] for kind in (FAST, KEPT)}
    for kind, during in worst.items():
        before = load.figures(quiet - QUIET_SECONDS, quiet, kind)
        slow = statistics.median(figures.p99 for figures in during)
        report.add(f"p99 before a switch, {kind} requests", before.p99, "ms")
        report.add("  during one (the median of all)", slow, "ms")
        report.add("  during / before", slow / before.p99, "x", P99_RATIO)
    deployments = [run for run in runs if run.verb == "deploy"]
    seconds = statistics.median(run.ended - run.began for run in deployments)
    steps = statistics.median(run.steps for run in deployments)
    report.add("a deployment with an unchanged lock, under load", seconds, "s")
    report.add("  the sum of its steps", steps, "s")
    report.add("  deployment / steps", seconds / steps, "x", DEPLOY_RATIO)
    report.add("a rollback", statistics.median(run.ended - run.began for run in runs if run.verb == "rollback"), "s")
    report.details["switching"] = {
        "failures": everything.failures[:20],
        "slowest in ms": everything.slowest,
        "runs": [{"verb": run.verb, "seconds": run.ended - run.began, **run.line} for run in runs],
    }
