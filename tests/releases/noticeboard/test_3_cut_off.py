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
from support import versions
from support.machines import wait_for

if TYPE_CHECKING:
    from support.team import Team

HOST = Path(__file__).resolve().parents[3] / "box" / "host"
#: Seconds after the start of a deployment at which it is cut off: quiet, it builds, checks, starts, drains then
MOMENTS = (2.0, 3.2, 4.4, 5.4)
#: The lock goes with the run that held it (seconds).
SOON = 5


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


@pytest.fixture
def moment(request: pytest.FixtureRequest, turn: int) -> float:
    """When to cut off: in the long tests each turn a little later."""
    return float(request.param) + turn * 0.1


@pytest.mark.parametrize("moment", MOMENTS, indirect=True)
def test_the_run_is_killed(team: Team, moment: float) -> None:
    name = f"killed-{moment}"
    team.commit(name, versions.touch)
    before = team.live("staging")
    with play(team, name) as run:
        time.sleep(moment)
        os.kill(run.pid, signal.SIGKILL)
    check_converges(team, name, before)


@pytest.mark.parametrize("moment", MOMENTS[2:3], indirect=True)
def test_the_machine_loses_power(team: Team, moment: float) -> None:
    name, machine = f"power-{moment}", f"{os.environ['MOLECULE_SCENARIO_NAME']}-staging1"
    team.commit(name, versions.touch)
    before = team.live("staging")
    with play(team, name) as run:
        time.sleep(moment)
        subprocess.run([str(HOST), "kill", machine], check=True)
        run.wait(120)
    subprocess.run([str(HOST), "start", machine], check=True, stdout=subprocess.DEVNULL)
    check_converges(team, name, before)
