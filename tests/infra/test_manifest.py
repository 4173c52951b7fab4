"""What each machine writes down about itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.manifest.reading.secrets import URL_PASSWORD
from plugins.module_utils.manifest.sections.environment import assignments

if TYPE_CHECKING:
    from tests.support.machines import Machine

FOLDER = "/var/lib/samestack"
#: What is shorter stands in texts by chance.
SHORTEST = 8
#: Sections that every machine has
EVERYWHERE = {
    "accounts", "certificates", "files", "firewall", "kernel", "packages", "python", "sockets", "sources", "system",
    "timers", "units",
}  # fmt: skip
#: Sections by what a machine does
FUNCTIONS = {
    "app": {"environment", "release", "settings", "venv"},
    "cache": {"redis"},
    "db": {"migrations", "postgresql", "schema"},
    "web": {"nginx"},
}


@pytest.fixture(scope="module")
def recorded(machine: Machine) -> dict[str, Any]:
    """What a machine finds; nothing is kept of it."""
    return look(machine)


def look(machine: Machine) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(machine.run("/usr/local/lib/samestack/record --answer --look"))
    return answer


def test_the_same_state_is_the_same_bytes(machine: Machine, recorded: dict[str, Any]) -> None:
    again = look(machine)
    assert again["manifest"] == recorded["manifest"]
    assert again["digest"] == recorded["digest"]


def test_every_section_is_there(machine: Machine, recorded: dict[str, Any]) -> None:
    functions = set(machine.value("parity_functions"))
    wanted = EVERYWHERE.union(*(FUNCTIONS.get(name, set()) for name in functions))
    assert wanted <= set(recorded["manifest"]["sections"])
    # What is not there says why.
    others = set().union(*FUNCTIONS.values()) - wanted
    assert all(recorded["manifest"]["missing"][name] for name in others)
    assert not set(recorded["manifest"]["missing"]) & wanted


def test_no_secret_is_written_down(machine: Machine) -> None:
    """The machine's own secrets, looked for in everything that is kept of manifests."""
    kept = machine.run(f"cd {FOLDER} && cat manifest.json manifests.jsonl recorder/cache.json && zcat manifests/*.gz")
    secrets = [machine.run("cat /etc/samestack/manifest.key").strip()]
    if machine.value("parity_secrets"):
        values = assignments(machine.run(f"cat /etc/{machine.app}/env"))
        secrets += [values[name] for name in machine.value("parity_secrets")]
        secrets += [found["password"] for text in secrets for found in URL_PASSWORD.finditer(text)]
    hashes = machine.run("cut -d: -f2 /etc/shadow").split()
    passwords = machine.run("cat /etc/samestack/redis-password 2>/dev/null || true").split()
    for secret in [*secrets, *hashes, *passwords]:
        # `*` and `!` are no hashes.
        if len(secret) > SHORTEST:
            assert secret not in kept


def test_only_root_reads_them(machine: Machine) -> None:
    paths = [f"{FOLDER}/{name}" for name in ("manifest.json", "manifests.jsonl", "manifests", "recorder")]
    for line in machine.run(f"stat -c '%a %U' {' '.join(paths)} /etc/samestack/manifest.key").splitlines():
        mode, owner = line.split()
        assert (mode[-2:], owner) == ("00", "root")


def test_a_run_of_ours_has_left_one_behind(recorded: dict[str, Any]) -> None:
    assert recorded["baseline"]
    assert recorded["baseline"]["cause"] in ("provision", "deploy", "promote", "rollback", "undo-provision")
    assert recorded["baseline"]["who"]


def test_it_is_recorded_each_night_and_after_apt(machine: Machine) -> None:
    assert machine.run("systemctl is-active samestack-manifest.timer").strip() == "active"
    assert "samestack-manifest@apt" in machine.run("apt-config dump DPkg::Post-Invoke")
