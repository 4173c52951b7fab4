"""Measures what the stack promises, each figure against its floor in the same run.

bench/run [PART …] [--rounds N]      (two rounds of site.yml and the script, unless N says otherwise)
    provision   site.yml on a bare, booted host, against a plain shell script that does the same
    noop        site.yml with nothing to change, against the same work written one task a file
    requests    requests per second of the example's database page, against the plain way to serve it
    switch      failed requests and slow ones over 20 deployments, 5 rollbacks and a provision, under constant load
    manifest    what is on a machine, written down, against asking the same programs by hand
    memory      what the provisioned stack takes at rest
    compare     manifests that are saved: three environments, and 200 hosts
    backups     backup, restore and drill of a database of 2 GB, against copies of its files; what is lost; idle cost
    up          `./samestack up` from a fresh clone, the box being built, against the same shell script
    all         all of these (the default)

Takes the machines away in the end. Figures go to .samestack/bench.json, logs to .samestack/bench/.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import backups, building, comparing, make_up, memory, recording, serving, switching
from bench.figures import Report
from bench.targets import REPO, STATE, BenchError, Play, Target, play
from plugins.plugin_utils.inventory.environment import ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

RESULT = REPO / ".samestack" / "bench.json"
PARTS = ("provision", "noop", "memory", "requests", "switch", "compare", "manifest", "backups", "up")
LIMIT_SECONDS = 2400
#: How many of the differences between two machines stand in the line about them
SHOWN = 3
#: A load average above this means that something else is at work.
QUIET_LOAD = 0.7

COMPARE_SECONDS, MANY_SECONDS, COMPARE_RATIO = 1, 10, 1.5
MANIFEST_SECONDS, MANIFEST_RATIO, ADDED_SECONDS = 3, 1, 1
FRESH_RATIO, NOOP_SECONDS, NOOP_RATIO, UP_RATIO, REQUEST_RATIO, MEMORY_MIB = 1.15, 10, 0.15, 2.5, 10, 250


def note(text: str) -> None:
    """Say what goes on."""
    print(text, file=sys.stderr, flush=True)


class Bench:
    """One run: machines are made when a part first needs them."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.report = Report()
        self.targets: list[Target] = []
        self._built: tuple[Target, Play, dict[str, Any]] | None = None
        self._floor: float | None = None

    def machine(self, label: str) -> Target:
        """Return a bare, booted machine."""
        target = Target(label)
        self.targets.append(target)
        target.up()
        return target

    def site(self) -> tuple[Target, Play, dict[str, Any]]:
        """Return the machine that site.yml has built, how that went, and what it was given."""
        if self._built is None:
            target = self.machine("site")
            note("site.yml on a bare host …")
            fresh = play(target, building.SITE, "fresh")
            self._built = target, fresh, building.plan_of(target, fresh)
            self.report.details["slowest steps of a fresh run"] = building.slowest(fresh.steps)
        return self._built

    def floor(self) -> float:
        """Return the seconds of the plain script on a bare machine, which must be the same machine in the end."""
        if self._floor is None:
            site, _, plan = self.site()
            payload = building.floor_payload(site, plan)
            target = self.machine("floor")
            note("the plain script on a bare host …")
            self._floor = building.run_floor(target, payload)
            self.report.details["steps of the floor"] = building.floor_steps(target)
            self.same(site, target, plan)
        return self._floor

    def same(self, ours: Target, theirs: Target, plan: dict[str, Any]) -> None:
        """Note it when two machines that were built in two ways differ: the comparison would be worth less."""
        found = building.differences(ours, theirs, plan)
        if found:
            listed = theirs.tree / "differences"
            listed.write_text("".join(f"{line}\n" for line in found.values()))
            names = ", ".join([*list(found)[:SHOWN], *(["…"] if len(found) > SHOWN else [])])
            what = f"{len(found)} {'file or unit differs' if len(found) == 1 else 'files or units differ'}: {names}"
            self.report.failures[f"{theirs.label}: the same machine"] = f"{what} (all of it in {listed})"

    def provision(self) -> None:
        """Measure a fresh run against the floor."""
        site, fresh, plan = self.site()
        seconds, floor = [fresh.seconds], [self.floor()]
        for _ in range(1, self.rounds):
            note("both once more, on bare hosts …")
            payload = building.floor_payload(site, plan)
            floor.append(building.run_floor(self.machine("floor"), payload))
            seconds.append(play(self.machine("again"), building.SITE, "fresh").seconds)
        self._floor = min(floor)
        # What else is at work on the computer can only make a run longer: the shortest ones are compared.
        self.report.details["fresh"] = {"site": seconds, "floor": floor}
        self.report.add("site.yml on a bare host", min(seconds), "s")
        self.report.add("the same by a plain shell script (the floor)", self._floor, "s")
        self.report.add("  site.yml / floor", min(seconds) / self._floor, "x", FRESH_RATIO)
        self.report.add("  remote tasks", building.remote_calls(fresh.steps), "tasks")

    def noop(self) -> None:
        """Measure a run that has nothing to do against the same one written one task a file."""
        site, _, plan = self.site()
        idiomatic = self.machine("idiomatic")
        note("one task a file, on a bare host …")
        asked = ("-e", json.dumps({"recorder_archive": building.recorder_archive(site, plan)}))
        first = play(idiomatic, building.IDIOMATIC, "fresh", *asked, env=building.OTHER_ROLES)
        self.same(site, idiomatic, plan)
        note("both, with nothing to change …")
        ours = [play(site, building.SITE, "noop")]
        theirs = play(idiomatic, building.IDIOMATIC, "noop", *asked, env=building.OTHER_ROLES)
        ours.append(play(site, building.SITE, "noop"))
        for run, changed in ((ours[-1], "site.yml"), (theirs, "idiomatic/site.yml")):
            if building.changed_steps(run.steps):
                self.report.failures[f"{changed}: nothing to change"] = "; ".join(building.changed_steps(run.steps))
        # One before and one after theirs: what else the computer does falls on both.
        seconds = sum(run.seconds for run in ours) / len(ours)
        self.report.details["noop"] = {
            "site": [run.seconds for run in ours],
            "idiomatic": theirs.seconds,
            "slowest steps": building.slowest(ours[-1].steps),
        }
        self.report.add("site.yml with nothing to change", seconds, "s", NOOP_SECONDS)
        self.report.add("  remote tasks", building.remote_calls(ours[-1].steps), "tasks")
        self.report.add("one task a file, fresh", first.seconds, "s")
        self.report.add("one task a file, with nothing to change", theirs.seconds, "s")
        self.report.add("  remote tasks", building.remote_calls(theirs.steps), "tasks")
        self.report.add("  site.yml / one task a file", seconds / theirs.seconds, "x", NOOP_RATIO)

    def memory(self) -> None:
        """Measure the memory of the stack at rest."""
        site, _, plan = self.site()
        used = memory.memory_of(site, plan["app"])
        self.report.details["memory in MiB"] = {"mapped files": used.files, **used.units}
        self.report.add("memory at rest, without the application", used.total, "MiB", MEMORY_MIB)

    def requests(self) -> None:
        """Measure requests per second against the plain way on the same machine."""
        site, _, plan = self.site()
        note("the example, deployed and loaded …")
        loads = serving.compare(site, plan)
        plain, names = loads["plain"], {"gunicorn": "the stack (gunicorn)", "granian": "the stack (granian)"}
        self.report.details["requests"] = {name: vars(load) for name, load in loads.items()}
        self.report.add("the plain way: sync workers, TCP, a connection a request", plain.rate, "req/s")
        for server, name in names.items():
            if server in loads:
                goal = REQUEST_RATIO if server == "gunicorn" else None
                self.report.add(name, loads[server].rate, "req/s")
                self.report.add(f"  {server} / plain", loads[server].rate / plain.rate, "x", goal, at_least=True)
            else:
                self.report.failures[server] = "it could not be deployed; see .samestack/bench/site/*granian.log"

    def switch(self) -> None:
        """Measure what visitors notice of changes."""
        site, _, plan = self.site()
        note(f"{switching.DEPLOYMENTS} deployments, {switching.ROLLBACKS} rollbacks and a provision, under load …")
        switching.measure(site, plan, self.report)

    def compare(self) -> None:
        """Measure how long comparing takes; the work of 200 hosts against that of three is the ratio."""
        with tempfile.TemporaryDirectory(prefix="samestack-bench-") as folder:
            three, many = comparing.measure(Path(folder))
        hosts = comparing.MANY / len(ENVIRONMENTS)
        self.report.add("three environments compared, from saved manifests", three, "s", COMPARE_SECONDS)
        self.report.add(f"{comparing.MANY} hosts compared", many, "s", MANY_SECONDS)
        self.report.add("  a host among many / a host of three", many / three / hosts, "x", COMPARE_RATIO)

    def manifest(self) -> None:
        """Measure what it costs to write down what is on a machine."""
        site, _, plan = self.site()
        note("a machine writes down what is on it …")
        found = recording.measure(site, plan)
        self.report.add("a manifest, nothing being known of before", found.cold, "s", MANIFEST_SECONDS)
        self.report.add("  the same programs asked, one after the other", found.asked, "s")
        self.report.add("  manifest / asked", found.cold / found.asked, "x", MANIFEST_RATIO)
        self.report.add("a manifest where nothing has changed", found.warm, "s")
        self.report.add("  what it adds to an idle site.yml", found.provision - found.without, "s", ADDED_SECONDS)

    def backups(self) -> None:
        """Measure backups, on a machine of their own and one that keeps them."""
        site, keeper = self.machine("backed-up"), self.machine("keeper")
        note("site.yml on a bare host …")
        plan = building.plan_of(site, play(site, building.SITE, "fresh"))
        note(f"backups, restores and a drill of {backups.GIGABYTES} GB …")
        backups.measure(site, keeper, plan, self.report)

    def up(self) -> None:
        """Measure `./samestack up` against the floor."""
        if make_up.in_use():
            raise BenchError("a development machine is up on this computer. `./samestack destroy` first")
        floor = self.floor()
        note("`./samestack up` in a fresh clone …")
        seconds = make_up.seconds_up()
        self.report.add("./samestack up, the box being built", seconds, "s")
        self.report.add("  ./samestack up / floor", seconds / floor, "x", UP_RATIO)

    def take_away(self) -> None:
        """Remove the machines."""
        for target in self.targets:
            target.down()


def measure(bench: Bench, parts: list[str]) -> None:
    """Run the parts; one that fails is reported, and the others go on while there is time."""
    began = time.monotonic()

    def out_of_time(signum: int, frame: FrameType | None) -> None:
        raise BenchError(f"out of time: the whole run may take {LIMIT_SECONDS} s")

    signal.signal(signal.SIGALRM, out_of_time)
    for part in parts:
        left = LIMIT_SECONDS - (time.monotonic() - began)
        if left < 1:
            bench.report.failures[part] = f"out of time: the whole run may take {LIMIT_SECONDS} s"
            continue
        signal.alarm(int(left))
        work: Callable[[], None] = getattr(bench, part)
        try:
            work()
        except BenchError as problem:
            bench.report.failures[part] = str(problem)
        finally:
            signal.alarm(0)


def main() -> int:
    """Measure, print the table, and return 1 when something could not be measured."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw, usage=argparse.SUPPRESS)
    parser.add_argument("parts", nargs="*", default=["all"], choices=[*PARTS, "all"], metavar="PART")
    parser.add_argument("--rounds", type=int, default=2, help="measure site.yml and its floor N times; the best counts")
    options = parser.parse_args()
    chosen = [part for part in PARTS if part in options.parts or "all" in options.parts]
    STATE.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    if load > QUIET_LOAD:
        note(f"Something else is at work on this computer (load {load:.1f}): seconds will be long, and ratios rough.")
    bench = Bench(options.rounds)
    bench.report.details |= {"processors": os.cpu_count(), "load at the start": load}
    began = time.monotonic()
    try:
        measure(bench, chosen)
    finally:
        bench.take_away()
    bench.report.details["seconds of this run"] = time.monotonic() - began
    bench.report.write(RESULT)
    print(bench.report.table())
    for what, why in bench.report.failures.items():
        print(f"\nNot measured as it should be: {what}: {why}")
    return 1 if bench.report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
