"""What visitors notice of deployments, rollbacks and a provision, and what a deployment takes: under constant load."""

from __future__ import annotations

import calendar
import json
import shutil
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.targets import REPO, STATE, BenchError, other_computer, play
from tests.support import versions
from tests.support.load import Load, Visitors

if TYPE_CHECKING:
    from pathlib import Path

    from bench.figures import Report
    from bench.targets import Target
    from tests.support.load import Figures

PLAYBOOKS = REPO / "playbooks"
DEPLOYMENTS, ROLLBACKS = 20, 5
#: Before each change: its p99 is compared with what visitors met just then, whatever else this computer does that hour.
QUIET_SECONDS = 4
#: A switch as the ledger's steps have it
SWITCH_STEPS = ("start", "probe", "warm up", "switch", "verify", "workers", "drain")
P99_RATIO, DEPLOY_RATIO = 2, 2
#: So often is the floor of a deployment measured
FLOORS = 5
#: Steps that go to the host without a module
PLAIN = ("deploy_lock", "machine_facts", "reach_host")
FAST, KEPT, SLOW = "fast", "kept", "slow"
#: So many wait for a page that takes 2 s, for so long, and others want a quick one meanwhile.
WAITING, WAITING_SECONDS, WAITING_RATIO = 8, 10, 3
VISITORS = (
    Visitors(FAST, "/db/", 4),
    Visitors(KEPT, "/db/", 6, keep=True),
    Visitors(SLOW, "/slow/", 2),
)
QUICK = Visitors(KEPT, "/db/", 2, keep=True)


@dataclass
class Run:
    """One change: what it was, when (time.monotonic), the steps that Ansible took, and what the ledger says of it."""

    verb: str
    began: float
    ended: float
    tasks: Path
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

    def __init__(self, target: Target, plan: dict[str, Any], group: Path) -> None:
        self.target = target
        self.group = group
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
        time.sleep(QUIET_SECONDS)
        began = time.monotonic()
        name = f"switching-{len(self.runs):02}-{verb}"
        done = play(self.target, PLAYBOOKS / playbook, name, "-e", json.dumps(source | extra), group=self.group)
        run = Run(verb, began, time.monotonic(), done.steps)
        self.runs.append(run)
        return run

    def read_ledger(self) -> None:
        """Give every deployment and rollback its line: in the end, so that nobody logs in while others measure."""
        switches = [run for run in self.runs if run.verb in ("deploy", "rollback")]
        lines = [json.loads(line) for line in self.target.run("cat /var/lib/samestack/ledger.jsonl").splitlines()]
        lines = [line for line in lines if line["verb"] in ("deploy", "rollback")][-len(switches) :]
        for run, line in zip(switches, lines, strict=True):
            run.line = line

    def deploy(self) -> Run:
        """Deploy a version that differs in one page, and that nobody has built before."""
        versions.touch(self.folder)
        return self.change("deploy", "deploy.yml")

    def all(self) -> float:
        """Do everything under load; returns the seconds of as many steps of plain Ansible that do nothing."""
        self.deploy()
        self.runs.clear()
        with self.load:
            for _ in range(DEPLOYMENTS):
                self.deploy()
            nothing = self.nothing(self.runs[-1].tasks)
            for _ in range(ROLLBACKS):
                self.change("rollback", "rollback.yml")
            self.change("provision", "site.yml", app_env={"BENCH": "another"}, web_upload_limit="26m")
            time.sleep(1)
        self.read_ledger()
        return nothing

    def waiting(self) -> tuple[Figures, Figures]:
        """Return what came of requests for a quick page while nobody waits for a slow one, and while some do."""
        others = Visitors(SLOW, "/slow/", WAITING, pause=0)
        found = []
        for visitors in ((QUICK,), (QUICK, others)):
            with Load(self.load.name_asked, self.load.address, REPO / ".samestack" / "ca.crt", *visitors) as load:
                began = time.monotonic()
                time.sleep(WAITING_SECONDS)
                found.append(load.figures(began + 1, began + WAITING_SECONDS, KEPT))
        return found[0], found[1]

    def nothing(self, tasks: Path) -> float:
        """Return the seconds of a playbook of plain Ansible that has as many steps as a run had, and does nothing."""
        playbook = self.target.tree / "nothing.yml"
        steps = [idle_task(json.loads(line)) for line in tasks.read_text().splitlines()]
        playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "become": True, "tasks": steps}]))
        runs = [play(self.target, playbook, f"nothing-{turn}", group=self.group) for turn in range(FLOORS)]
        return float(statistics.median(run.seconds for run in runs))


def idle_task(step: dict[str, Any]) -> dict[str, Any]:
    """Return a task that does nothing in the way of a step: on the control node, by a plain command, or by a module."""
    if not step["remote_calls"]:
        return {"ansible.builtin.debug": {}, "when": False}
    return {"ansible.builtin.raw": "true"} if step["action"] in PLAIN else {"ansible.builtin.ping": None}


def measure(target: Target, plan: dict[str, Any], report: Report) -> None:
    """Add the figures of the switch to the report. Raises `BenchError` when something could not be deployed."""
    if not (PLAYBOOKS / "rollback.yml").exists():
        raise BenchError("there is no rollback to measure")
    with other_computer() as group:
        course = Course(target, plan, group)
        nothing = course.all()
        quiet, busy = course.waiting()
    load, runs = course.load, course.runs
    everything = load.figures()
    report.add("requests while all of that went on", everything.requests, "requests")
    report.add("  failed", len(everything.failures), "requests", 0)
    report.add("  refused connections", everything.refused, "requests", 0)
    report.add("  idle connections that were closed", load.idle_closes, "connections")
    switches = [run for run in runs if run.line]
    for kind in (FAST, KEPT):
        before = statistics.median(load.figures(run.began - QUIET_SECONDS, run.began, kind).p99 for run in switches)
        during = statistics.median(load.figures(*run.switch(), kind=kind).p99 for run in switches)
        report.add(f"p99 before a switch, {kind} requests (the median of all)", before, "ms")
        report.add("  during one", during, "ms")
        report.add("  during / before", during / before, "x", P99_RATIO)
    report.add("p99 of a quick page, nobody waiting", quiet.p99, "ms")
    report.add(f"  {WAITING} visitors waiting for a slow one", busy.p99, "ms")
    report.add("  waiting / nobody waiting", busy.p99 / quiet.p99, "x", WAITING_RATIO)
    deployments = [run for run in runs if run.verb == "deploy"]
    seconds = statistics.median(run.ended - run.began for run in deployments)
    steps = statistics.median(run.steps for run in deployments)
    report.add("a deployment with an unchanged lock, under load", seconds, "s")
    report.add("  the sum of its steps", steps, "s")
    report.add("  deployment / steps", seconds / steps, "x", DEPLOY_RATIO)
    report.add("  as many steps of plain Ansible that do nothing", nothing, "s")
    report.add("  deployment / (its steps and these)", seconds / (steps + nothing), "x")
    report.add("a rollback", statistics.median(run.ended - run.began for run in runs if run.verb == "rollback"), "s")
    report.details["switching"] = {
        "failures": everything.failures[:20],
        "slowest in ms": everything.slowest,
        "runs": [{**run.line, "verb": run.verb, "seconds": run.ended - run.began} for run in runs],
    }
