"""The local machines, for make and for Vagrant's triggers.

box/machines up NAME…        boot what does not run yet
box/machines connect NAME    write how to reach it (.samestack/ssh_config, /etc/hosts)
box/machines welcome NAME    say where the site is and what one can do
box/machines down            halt all of them
box/machines destroy         take all of them away, with what they left on this computer
box/machines before NAME     see that nothing stands in the way of its start
box/machines forget NAME     take out what `connect` wrote
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from box.common import CLONE_ID, LXC_PATH, REPO, STATE, SetupError, container_name, note, run, say, stop
from box.connections import (
    add_hosts_lines,
    check_hosts_names,
    forget,
    has_connection,
    live_folder_of,
    names_of,
    write_connection,
)
from box.network import MARK, answers, start_bridge, stop_bridge
from box.providers import RECORD

LXC_LOG = STATE / "lxc-start.log"
MACHINES = {"dev1": 10, "staging1": 20, "production1": 30}


def recorded() -> dict[str, str]:
    """What `box/setup` wrote down: provider, box, network."""
    if not RECORD.exists():
        raise SetupError("No provider was chosen yet. Run `./samestack up`.")
    content: dict[str, str] = json.loads(RECORD.read_text())
    return content


def vagrant(*arguments: str) -> None:
    """Run Vagrant in the foreground. Leaves with its status when it fails: it has said why, except for LXC's part."""
    LXC_LOG.unlink(missing_ok=True)
    settings = {"SAMESTACK_FROM_MAKE": "1", "VAGRANT_CHECKPOINT_DISABLE": "1", "LXC_START_LOG_FILE": str(LXC_LOG)}
    command = ["vagrant", *arguments]
    done = subprocess.run(command, cwd=REPO, env=os.environ | settings, stdin=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        return
    log = run(["cat", str(LXC_LOG)], root=True) if LXC_LOG.exists() else ""
    errors = [line.split(" ERROR ", 1)[1].strip() for line in log.splitlines() if " ERROR " in line]
    if errors:
        note("LXC says:\n  " + "\n  ".join(errors))
    sys.exit(done.returncode)


def has_machine(name: str) -> bool:
    """Whether Vagrant ever made the machine `name` in this clone and did not destroy it."""
    return any((REPO / ".vagrant" / "machines" / name).glob("*/id"))


def is_running(name: str) -> bool:
    """Whether the machine `name` runs."""
    if not has_machine(name):
        return False
    if recorded()["provider"] == "lxc":
        return container_name(name) in run(["lxc-ls", "--running", "-1"], root=True).split()
    status = run(["vagrant", "status", name, "--machine-readable"])
    return ",state,running" in status


def address_of(name: str) -> str:
    """The fixed address of the machine `name`."""
    return f"{recorded()['network']}.{MACHINES[name]}"


def check_address(name: str) -> None:
    """Raise `SetupError` when something else has the address of `name`, which does not run."""
    address = address_of(name)
    fix = "Stop it, or take it away, and run this again."
    if recorded()["provider"] == "lxc":
        pattern = rf"ipv4\.address\s*=\s*{re.escape(address)}/"
        found = run(["sh", "-c", f"grep -lE '{pattern}' {LXC_PATH}/*/config 2>/dev/null || true"], root=True)
        others = {line.split("/")[-2] for line in found.splitlines()} - {container_name(name)}
        running = run(["lxc-ls", "--running", "-1"], root=True).split()
        for other in sorted(others.intersection(running)):
            raise SetupError(f"{name} = {address} (in Vagrantfile): the LXC container {other} has this address. {fix}")
    if answers(address):
        raise SetupError(f"{name} = {address} (in Vagrantfile): another machine has this address. {fix}")


def up(names: list[str]) -> None:
    """Boot the machines that do not run."""
    if recorded()["provider"] == "lxc":
        start_bridge()
    for name in filter(is_running, names):
        if has_other_folder(name):
            vagrant("halt", name)
    waiting = [name for name in names if not is_running(name)]
    for name in waiting:
        forget(name, hosts_file=False)
        vagrant("up", name, f"--provider={recorded()['provider']}")


def has_other_folder(name: str) -> bool:
    """Whether the machine `name` serves another folder live than app.yml names; folders are mounted at the start."""
    records = (REPO / ".vagrant" / "machines" / name).glob("*/synced_folders")
    kinds = [json.loads(record.read_text()) for record in records]
    folders = [folder for kind in kinds for by_guest_path in kind.values() for folder in by_guest_path.values()]
    mounted = [str(Path(folder["hostpath"]).resolve()) for folder in folders]
    return bool(kinds) and mounted != [live for live in [live_folder_of(name)] if live]


def before(name: str) -> None:
    """Check the address and the names of the machine `name`, which is about to start. Raises `SetupError`."""
    if is_running(name):
        return
    check_hosts_names(name)
    check_address(name)
    if recorded()["provider"] == "lxc":
        tidy(name)


def tidy(name: str) -> None:
    """Take out of the container's settings what vagrant-lxc added for the last start.

    It means to do so itself, but as root it writes the shorter text over the longer one and leaves the rest: the
    address would be there twice, and LXC refuses to start.
    """
    config = LXC_PATH / container_name(name) / "config"
    script = f"[ ! -f {config} ] || sed -i '/^# VAGRANT-BEGIN/,/^# VAGRANT-END/d' {config}"
    run(["sh", "-c", script], root=True)


def connect(name: str) -> None:
    """Write how the running machine `name` is reached, and its names."""
    if not has_connection(name):
        write_connection(name, run(["vagrant", "ssh-config", name]))
    add_hosts_lines(name, address_of(name))


def welcome(name: str) -> None:
    """Say where the site is, how to trust its certificate and what to do next."""
    url = f"https://{names_of(name)[0]}"
    authority = STATE / "ca.crt"
    lines = [
        "",
        f"  {name} serves {url}",
        "",
        f"  Its certificate comes from a CA of this clone's own: {authority}",
        f"    curl            curl --cacert {authority} {url}",
        "    Firefox         Settings > Privacy & Security > View Certificates > Authorities > Import",
        "    Chrome          Settings > Privacy and security > Security > Manage certificates > Authorities > Import",
    ]
    if sys.platform == "darwin":
        keychain = "/Library/Keychains/System.keychain"
        lines.append(f"    this computer   sudo security add-trusted-cert -d -r trustRoot -k {keychain} {authority}")
    else:
        target = "/usr/local/share/ca-certificates/samestack.crt"
        lines.append(f"    this computer   sudo cp {authority} {target} && sudo update-ca-certificates")
    environment = name.rstrip("0123456789")
    verb = "" if environment == "dev" else f" {environment} --rehearsal"
    lines += [
        "",
        f"  A shell on it     ./samestack shell{verb}          its log   ./samestack logs{verb}",
        "  Your application  inventories/group_vars/all/app.yml, then `./samestack up` again",
        f"  What differs      inventories/group_vars/{environment}/differences.yml",
        "  Everything else   ./samestack --help",
        "",
    ]
    say("\n".join(lines))


def down() -> None:
    """Halt every machine that there is."""
    for name in MACHINES:
        if has_machine(name):
            vagrant("halt", name)


def remove_boxes() -> None:
    """Take this project's boxes out of Vagrant's store; the built trees stay in `.samestack/box`."""
    for line in run(["vagrant", "box", "list"]).splitlines():
        if line.startswith(f"samestack-{CLONE_ID}/"):
            run(["vagrant", "box", "remove", "--force", "--all", line.split()[0]])


def destroy() -> None:
    """Take the machines away, with what they left on this computer, and name what stays."""
    for name in MACHINES:
        if has_machine(name):
            vagrant("destroy", "--force", name)
        forget(name)
    if RECORD.exists() and recorded()["provider"] == "lxc":
        remove_boxes()
        if stop_bridge():
            note("Network: the bridge is stopped.")
        elif MARK.exists():
            note("Network: the bridge stays up, other containers are on it.")
    # The last of all: every run of Vagrant makes it again.
    shutil.rmtree(REPO / ".vagrant", ignore_errors=True)
    say(
        "Gone: the machines, their names in /etc/hosts, .samestack/ssh_config. "
        "Still here: .venv (tools), .samestack (base boxes, keys and secrets of the local machines, caches) "
        "and the packages that `./samestack up` installed."
    )


def main(arguments: list[str]) -> None:
    """Do what the arguments ask for."""
    match arguments:
        case ["up", *names] if names and set(names) <= set(MACHINES):
            up(names)
        case ["connect", name] if name in MACHINES:
            connect(name)
        case ["welcome", name] if name in MACHINES:
            welcome(name)
        case ["before", name] if name in MACHINES:
            before(name)
        case ["forget", name] if name in MACHINES:
            forget(name)
        case ["down"]:
            down()
        case ["destroy"]:
            destroy()
        case _:
            stop((__doc__ or "").strip())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as problem:
        stop(str(problem))
