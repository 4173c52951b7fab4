"""People have their keys in one place: each of them gets in, and whoever is taken out does not."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machines import Machine
    from tests.support.team import Team


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A key of each person."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "ben"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} at home", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    return {name: folder / name for name in ("ada", "ben")}


def gets_in(machine: Machine, key: Path, user: str) -> bool:
    """Return whether a key lets somebody in who can become root."""
    options = ["-F", "none", "-i", str(key), "-p", "2222", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    options += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentityAgent=none"]
    command = ["ssh", *options, f"{user}@{machine.address}", "sudo -n true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_people_come_and_go(machine: Machine, team: Team, keys: dict[str, Path]) -> None:
    public = {name: key.with_suffix(".pub").read_text(encoding="utf-8").strip() for name, key in keys.items()}
    folder = team.clone.folder / "keys"
    folder.mkdir(exist_ok=True)
    (folder / "ben.pub").write_text(public["ben"], encoding="utf-8")
    team.clone.decide(security_people={"ada": {"keys": [public["ada"]]}, "ben": {"keys": ["keys/ben.pub"]}})
    # The hardened sshd lets two people in by name, and these are others.
    said = team.refuses("provision", "staging")
    assert "sshd there does not let ada, ben in (AllowUsers vagrant anna, in /etc/ssh/sshd_config:" in said
    machine.run("sed -i /^AllowUsers/d /etc/ssh/sshd_config")
    team.samestack("provision", "staging")
    for name, key in keys.items():
        assert gets_in(machine, key, name), name
        assert gets_in(machine, key, "vagrant"), name
    assert not gets_in(machine, keys["ada"], "ben")
    # Every verb works for the second person, and the ledger says who it was.
    config = team.clone.folder / ".samestack" / "ssh_config"
    mine = config.read_text(encoding="utf-8")
    theirs = re.sub(r'IdentityFile ".*"', f'IdentityFile "{keys["ben"]}"', mine)
    config.write_text(theirs, encoding="utf-8")
    try:
        status = team.clone.run(
            "./samestack", "accept", "staging", "--rehearsal", SAMESTACK_WHO="Ben <ben@example.org>", SSH_AUTH_SOCK=""
        )
        assert status == 0, team.clone.output[-2000:]
    finally:
        config.write_text(mine, encoding="utf-8")
    assert team.ledger("staging")[-1]["who"] == "Ben <ben@example.org>"
    team.clone.decide(security_people={"ada": {"keys": [public["ada"]]}})
    team.samestack("provision", "staging")
    assert gets_in(machine, keys["ada"], "ada")
    assert not gets_in(machine, keys["ben"], "ben")
    assert not gets_in(machine, keys["ben"], "vagrant")
    assert machine.run("getent passwd ben").strip().endswith("/usr/sbin/nologin")
    assert "Nothing changed" in team.samestack("provision", "staging")
