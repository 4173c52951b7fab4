"""A run is killed, a machine loses power: the old or the new release serves, and the next run finishes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import versions
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.support.team import Team

HOST = Path(__file__).resolve().parents[3] / "box" / "host"
#: The parts of a deployment, its beginning and its end, between which the moments are spread at which it is cut off
FIRST, LAST = 0.15, 1.0
#: The lock goes with the run that held it (seconds).
SOON = 5


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Cut off in the middle of a deployment, or at as many moments as the long tests ask for."""
    if "part" in metafunc.fixturenames:
        count = metafunc.config.getoption("--repeat")
        step = (LAST - FIRST) / count
        metafunc.parametrize("part", [round(FIRST + (turn + 0.5) * step, 3) for turn in range(count)])


def play(team: Team, ref: str) -> subprocess.Popen[bytes]:
    """Start a deployment as Ansible does it, in a session of its own."""
    command = [
        ".venv/bin/ansible-playbook",
        "-i",
        "inventories/rehearsal.yml",
        "--limit",
        "staging",
        "playbooks/deploy.yml",
    ]
    return subprocess.Popen(
        [*command, "-e", json.dumps({"release_ref": ref})], cwd=team.clone.folder, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def serves(team: Team) -> bool:
    return team.machine("staging").browser().get("/").status == 200


def check_converges(team: Team, ref: str, before: str) -> None:
    """See that one of both serves, that the ledger is whole, and that the same run finishes now."""
    site = team.machine("staging")
    wait_for("the site serves", lambda: serves(team), 60)
    lock = "/run/samestack/lock.json"
    wait_for("no lock remains", lambda: not site.host.file(lock).exists, SOON)
    team.ledger("staging")
    after = team.deploy("staging", ref)
    assert after != before
    assert serves(team)
    lines = [line for line in team.ledger("staging") if line.get("release") == after and line["result"] == "ok"]
    assert len(lines) == 1
    left = site.run(f"ls -A /run/samestack /srv/{site.app}/releases").split()
    assert not [name for name in left if name.endswith((".new", ".part")) or name.startswith("run-")]


@pytest.fixture(scope="module")
def seconds(team: Team) -> float:
    """What a deployment takes here and now."""
    team.back_to("v1")
    team.deploy("staging", team.commit("whole", versions.touch))
    team.commit("timed", versions.touch)
    began = time.monotonic()
    with play(team, "timed") as run:
        assert run.wait(120) == 0
    return time.monotonic() - began


def test_the_run_is_killed(team: Team, seconds: float, part: float) -> None:
    name = f"killed-{part}"
    team.commit(name, versions.touch)
    before = team.live("staging")
    with play(team, name) as run:
        time.sleep(part * seconds)
        os.kill(run.pid, signal.SIGKILL)
    check_converges(team, name, before)


def test_the_machine_loses_power(team: Team, seconds: float, part: float) -> None:
    name, machine = f"power-{part}", f"{os.environ['MOLECULE_SCENARIO_NAME']}-staging1"
    team.commit(name, versions.touch)
    before = team.live("staging")
    with play(team, name) as run:
        time.sleep(part * seconds)
        subprocess.run([str(HOST), "kill", machine], check=True)
        run.wait(120)
    subprocess.run([str(HOST), "start", machine], check=True, stdout=subprocess.DEVNULL)
    check_converges(team, name, before)
