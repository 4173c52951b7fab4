"""Machines of a scenario, and the copy of the project that leads to them: `machines.py create`, `machines.py destroy`.

Read from Molecule's environment: SAMESTACK_MACHINES (`name=release …`) and, where the scenario has machines in other
roles than the project's rehearsal inventory, SAMESTACK_INVENTORY (a file). The copy has a `.samestack/` of its own:
connections, secrets and certificates of tests never meet those of the machines that people use.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from box.connections import part_of
from box.containers import ssh_options
from tests.support.project import copy_project, link_collection

PROJECT = Path(__file__).resolve().parents[2]
COPY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "project"
SCENARIO = os.environ["MOLECULE_SCENARIO_NAME"]
HOST = PROJECT / "box" / "host"
NOBODY_ELSE = "Host *\n  ProxyCommand false\n"


def machines() -> dict[str, str]:
    """Return the release of each machine, by its inventory name."""
    return dict(word.split("=", 1) for word in os.environ["SAMESTACK_MACHINES"].split())


def box_name(name: str) -> str:
    """Return the name of a machine among those of `box/host`."""
    return f"{SCENARIO}-{name}"


def up(name: str, release: str) -> str:
    """Make a machine anew and return its address."""
    subprocess.run([str(HOST), "down", box_name(name)], check=True)
    done = subprocess.run([str(HOST), "up", box_name(name), release], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def write_inventory(addresses: dict[str, str]) -> None:
    """Write the copy's rehearsal: the scenario's own, or the project's with the machines that there are.

    Where there are several, each is told where the others find it.
    """
    file = COPY / "inventories" / "rehearsal.yml"
    groups = yaml.safe_load(file.read_text(encoding="utf-8"))
    own = os.environ.get("SAMESTACK_INVENTORY")
    wanted = yaml.safe_load(Path(own).read_text(encoding="utf-8")) if own else groups
    # Groups that an inventory need not have
    groups |= {name: {} for name in wanted if name not in groups}
    for name, group in groups.items():
        hosts = wanted.get(name, {}).get("hosts") or {}
        group["hosts"] = {host: values for host, values in hosts.items() if host in machines()}
    stand_ins = groups["rehearsal"]["hosts"]
    if len(stand_ins) > 1:
        groups["rehearsal"]["hosts"] = {name: {"machine_address": addresses[name]} for name in stand_ins}
    if not groups.get("backup", {}).get("hosts"):
        go_without_backups()
    file.write_text(yaml.safe_dump(groups, sort_keys=False), encoding="utf-8")


def go_without_backups() -> None:
    """Decide that production has none, in a scenario whose tests are about something else."""
    file = COPY / "inventories/group_vars/rehearsal/differences.yml"
    decided = {"backup_repositories": [], "backup_none_because": "this scenario has no machine for them"}
    file.write_text(file.read_text(encoding="utf-8") + yaml.safe_dump(decided), encoding="utf-8")


def lend_tools(state: Path) -> None:
    """Let the verbs work in the copy with the tools of this clone."""
    (COPY / ".venv").symlink_to(PROJECT / ".venv")
    for name in ("tools", "dev"):
        (state / name).symlink_to(PROJECT / ".samestack" / name)


def create() -> None:
    """Make the copy, with changes that are not committed yet, and the machines."""
    copy_project(PROJECT, COPY)
    with ThreadPoolExecutor() as pool:
        addresses = dict(zip(machines(), pool.map(up, machines(), machines().values()), strict=True))
    write_inventory(addresses)
    state = COPY / ".samestack"
    state.mkdir(mode=0o700)
    lend_tools(state)
    link_collection(COPY)
    known = state / "known_hosts"
    parts = [part_of(name, ssh_options(address), known) for name, address in addresses.items()]
    (state / "ssh_config").write_text("\n".join([*parts, NOBODY_ELSE]), encoding="utf-8")


def destroy() -> None:
    """Take machines and copy away."""
    for name in machines():
        subprocess.run([str(HOST), "down", box_name(name)], check=True)
    shutil.rmtree(COPY, ignore_errors=True)


if __name__ == "__main__":
    {"create": create, "destroy": destroy}[sys.argv[1]]()
