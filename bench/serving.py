"""Requests per second of the example's database page: the stack and the plain way, on one machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.targets import REPO, BenchError, checked, play

if TYPE_CHECKING:
    from bench.targets import Target

DEPLOY = REPO / "playbooks" / "deploy.yml"
SITE = REPO / "playbooks" / "site.yml"
PAGE = "/db/"
PLAIN_NAME = "plain.test"
CONNECTIONS = 16
WARM_UP_SECONDS = 2
LOAD_SECONDS = 5
#: Each way is measured this often, in turns, and the best counts: what else runs on the computer can only slow it down.
ROUNDS = 2
#: What the page shows instead of a notice when it finds none.
EMPTY = "Nothing yet"


@dataclass
class Load:
    """What a load tool saw: requests per second, and the latency in milliseconds that 99 % stayed below."""

    rate: float
    slow_ms: float


def need_wrk() -> None:
    """Install the load tool where it is missing."""
    if shutil.which("wrk") is None:
        sudo = [] if os.geteuid() == 0 else ["sudo", "--"]
        checked([*sudo, "apt-get", "-qq", "-y", "--no-install-recommends", "install", "wrk"])


def milliseconds(number: str, unit: str) -> float:
    """Return a duration that wrk wrote (`812.00us`, `3.14ms`, `1.02s`) in milliseconds."""
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def load(target: Target, name: str, seconds: int) -> Load:
    """Load the page under a server name. Raises `BenchError` when an answer is an error: it makes the figure void."""
    command = [
        "wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", "--latency",
        "--script", str(REPO / "bench" / "address.lua"), f"https://{name}{PAGE}",
    ]  # fmt: skip
    environment = {**os.environ, "BENCH_ADDRESS": target.address}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=seconds + 30)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    bad = re.search(r"Non-2xx.*|Socket errors:.*", done.stdout)
    if not rate or not slow or bad:
        raise BenchError(f"{name} did not serve the page: {bad.group(0) if bad else done.stdout + done.stderr}")
    return Load(float(rate.group(1)), milliseconds(slow.group(1), slow.group(2)))


def best(target: Target, names: list[str]) -> dict[str, Load]:
    """Return the best of several rounds for each server name."""
    found: dict[str, list[Load]] = {name: [] for name in names}
    for name in names:
        load(target, name, WARM_UP_SECONDS)
    for _ in range(ROUNDS):
        for name in names:
            found[name].append(load(target, name, LOAD_SECONDS))
    return {name: max(loads, key=lambda one: one.rate) for name, loads in found.items()}


def answers(target: Target, name: str) -> None:
    """Wait until the page comes, and make sure that it is the database's. Raises `BenchError` when it is not."""
    page = checked(
        [
            "curl", "-sSk", "--fail", "--max-time", "20", "--retry", "10", "--retry-delay", "1", "--retry-all-errors",
            "--connect-to", f"{name}:443:{target.address}:443", f"https://{name}{PAGE}",
        ]
    )  # fmt: skip
    if EMPTY in page or "<h1>" not in page:
        raise BenchError(f"https://{name}{PAGE} shows nothing of the database: {page[-300:]}")


def compare(target: Target, plan: dict[str, Any]) -> dict[str, Load]:
    """Deploy the example on `target` (built), set the plain way up beside it, load both.

    Returns the figures of `plain`, `gunicorn` and, where it can be deployed, `granian`.
    """
    need_wrk()
    domain, app = plan["domain"], plan["app"]
    play(target, DEPLOY, "deploy")
    target.run(f"exec {app}-manage seed")
    script = (REPO / "bench" / "plain.sh").read_bytes()
    target.run(f"exec sh -s {app} {domain} {PLAIN_NAME} {plan['processes']}", stdin=script)
    for name in (domain, PLAIN_NAME):
        answers(target, name)
    found = best(target, [PLAIN_NAME, domain])
    figures = {"plain": found[PLAIN_NAME], "gunicorn": found[domain]}
    try:
        figures["granian"] = with_granian(target, app, domain)
    except BenchError as problem:
        print(f"granian: {problem}", file=sys.stderr)
    return figures


def with_granian(target: Target, app: str, domain: str) -> Load:
    """Serve the same code by granian instead and load that. Raises `BenchError`."""
    choice = ("-e", "app_server=granian")
    # The release that runs has no granian in it, and must not be restarted by it.
    target.run(f"systemctl stop '{app}-web@*' plain-web.service")
    play(target, SITE, "site-granian", *choice)
    play(target, DEPLOY, "deploy-granian", *choice)
    answers(target, domain)
    return best(target, [domain])[domain]
