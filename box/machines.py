"""The local machines, for the command and for Vagrant's triggers.

box/machines up NAME…        boot what does not run yet
box/machines connect NAME    write how to reach it (.samestack/ssh_config, /etc/hosts)
box/machines welcome NAME    say where the site is and what one can do
box/machines down [NAME…]    halt them, or all
box/machines destroy         take all of them away, with what they left on this computer
box/machines before NAME     see that nothing stands in the way of its start
box/machines forget NAME     take out what `connect` wrote
box/machines list            the machines of all projects on this computer: project, machine, state, address
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

from box.blocks import registered
from box.common import (
    LXC_PATH,
    MACHINES,
    SetupError,
    container_name,
    is_there,
    note,
    project_id,
    run,
    say,
    stop,
)  # fmt: skip
from box.connections import (
    HOSTS,
    MARKED,
    add_hosts_lines,
    check_hosts_names,
    forget,
    has_connection,
    live_folder_of,
    names_of,
    write_connection,
)
from box.containers import Containers, names
from box.containers import address_of as container_address
from box.network import MARK, answers, stop_bridge
from box.places import PROJECT, STATE, is_own
from box.providers import addresses_of, maker, recorded
from box.trust import is_trusted
from box.vagrant import Vagrant, has_machine, remove_boxes, remove_volumes, tidy, vagrant_says
from plugins.plugin_utils.files import write_whole

AGAIN = "run this again"
#: A container of ours, and the project of one that nothing tells
CONTAINER = re.compile(r"samestack-(?P<project>[0-9a-f]{6})-(?P<name>\w+)")
UNKNOWN = "(unknown)"
AUTHORITY = STATE / "ca.crt"
#: The machines that ran before `down`
HALTED = STATE / "halted.json"


def address_of(name: str) -> str:
    """The fixed address of the machine `name`."""
    return maker().addresses[name]


def check_address(name: str) -> None:
    """Raise `SetupError` when something else has the address of `name`, which does not run."""
    address = address_of(name)
    fix = "Stop it, or take it away, and run this again."
    owner = owner_of(address)
    if owner and answers(address):
        machine, folder = owner
        fix = f"Halt it there: `cd {shlex.quote(folder)} && ./samestack down`, then run this again."
        if not is_there(folder):
            fix = f"That folder is gone; stop the machine (`sudo lxc-ls -f --running` lists containers), then {AGAIN}."
        raise SetupError(f"{name} = {address} (of this project): {machine} of {folder} has this address. {fix}")
    if recorded().get("provider") == "lxc":
        pattern = rf"ipv4\.address\s*=\s*{re.escape(address)}/"
        found = run(["sh", "-c", f"grep -lE '{pattern}' {LXC_PATH}/*/config 2>/dev/null || true"], root=True)
        others = {line.split("/")[-2] for line in found.splitlines()} - {container_name(name)}
        for other in sorted(others & names(running=True)):
            raise SetupError(f"{name} = {address} (of this project): the LXC container {other} has this address. {fix}")
    if answers(address):
        raise SetupError(f"{name} = {address} (of this project): another machine has this address. {fix}")


def check_live_folder(name: str) -> None:
    """Raise `SetupError` when the folder that the machine `name` is to serve live does not exist."""
    folder = live_folder_of(name)
    if folder and not Path(folder).is_dir():
        raise SetupError(
            f"app_source = {folder} (in inventories/group_vars/all/app.yml): there is no such folder. Write the path "
            f"of the folder of your project, from the root of this repository or absolute."
        )


def owner_of(address: str) -> tuple[str, str] | None:
    """Return the machine of another clone that was last started at an address, and the clone's folder."""
    lines = HOSTS.read_text(encoding="utf-8").splitlines()
    found = [MARKED.fullmatch(line) for line in lines if line.split()[:1] == [address]]
    others = [match for match in found if match and match["folder"] != str(PROJECT)]
    return (others[-1]["name"], others[-1]["folder"]) if others else None


def halted() -> list[str]:
    """Return the machines that ran before `down` and are there yet."""
    try:
        found = json.loads(HALTED.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in MACHINES if name in found and maker().has(name)]


def up(wanted: list[str]) -> None:
    """Boot the machines that do not run, and those that serve another folder live than they are to, anew.

    What `down` has halted comes back with them, as it was.
    """
    made_by = maker()
    back = [name for name in halted() if name not in wanted]
    if back:
        note(f"{', '.join(back)}: ran before `down`, and {'runs' if len(back) == 1 else 'run'} again.")
    boot(made_by, [*wanted, *back])
    for name in back:
        connect(name)
    HALTED.unlink(missing_ok=True)


def boot(made_by: Vagrant | Containers, wanted: list[str]) -> None:
    """Boot the machines that do not run, and anew those that serve another folder live than they are to."""
    for name in wanted:
        check_live_folder(name)
    running = {name for name in wanted if made_by.is_running(name)}
    for name in sorted(filter(made_by.is_stale, list(running))):
        made_by.halt(name)
        running.remove(name)
    for name in wanted:
        if name not in running:
            forget(name, hosts_file=False)
            if isinstance(made_by, Containers):
                # Vagrant's trigger does it there, for `vagrant up` as well.
                before(name)
                note(f"Machine {name}: an LXC container at {address_of(name)}, starting …")
            made_by.start(name)


def before(name: str) -> None:
    """Check the address and the names of the machine `name`, which is about to start. Raises `SetupError`."""
    made_by = maker()
    if made_by.is_running(name):
        return
    check_hosts_names(name)
    check_address(name)
    if isinstance(made_by, Vagrant) and made_by.provider == "lxc":
        tidy(name)


def connect(name: str) -> None:
    """Write how the running machine `name` is reached, and its names."""
    if not has_connection(name):
        write_connection(name, maker().ssh_config(name))
    add_hosts_lines(name, address_of(name))


def welcome(name: str) -> None:
    """Say where the site is, how to trust its certificate and what to do next."""
    names = names_of(name)
    url = f"https://{names[0]}"
    offered = "`./samestack trust` has this computer and its browsers trust it."
    trusted = "This computer trusts it." if is_trusted() else offered
    lines = [
        "",
        f"  {name} serves {url}",
        "",
        f"  Its certificate comes from this computer's own CA: {AUTHORITY}",
        f"    {trusted}",
        f"    curl --cacert {shlex.quote(str(AUTHORITY))} {url}",
    ]
    environment = name.rstrip("0123456789")
    verb, again = ("", "up") if environment == "dev" else (f" {environment} --rehearsal", "rehearse")
    lines += [
        "",
        f"  In a browser      ./samestack open{verb}",
        *([f"  Its mail          https://mail.{names[0]}"] if f"mail.{names[0]}" in names else []),
        f"  A shell on it     ./samestack shell{verb}          its log   ./samestack logs{verb}",
        f"  Your application  inventories/group_vars/all/app.yml, then `./samestack {again}` again",
        f"  What differs      inventories/group_vars/{environment}/differences.yml",
        "  Everything else   ./samestack --help",
        "",
    ]
    say("\n".join(lines))


def down(wanted: list[str]) -> None:
    """Halt some machines, or every one that there is; who halts some means these to stay so."""
    made_by = maker()
    for name in wanted:
        if made_by.has(name):
            made_by.halt(name)
    if wanted:
        return
    running = [name for name in MACHINES if made_by.is_running(name)]
    if running:
        write_whole(HALTED, json.dumps([name for name in MACHINES if name in {*running, *halted()}]) + "\n")
    for name in MACHINES:
        if made_by.has(name):
            made_by.halt(name)


def destroy() -> None:
    """Take the machines away, with what they left on this computer, and name what stays."""
    HALTED.unlink(missing_ok=True)
    by_vagrant = any(map(has_machine, MACHINES))
    made_by = maker() if recorded() else None
    for name in MACHINES:
        if made_by and made_by.has(name):
            made_by.delete(name)
        forget(name)
    if recorded().get("provider") == "lxc":
        if by_vagrant or (isinstance(made_by, Vagrant) and shutil.which("vagrant")):
            remove_boxes()
        if stop_bridge():
            note("Network: the bridge is stopped.")
        elif MARK.exists():
            note("Network: the bridge stays up, other containers are on it.")
    elif "ssh_key" in recorded() and shutil.which("vagrant"):
        # A box that was built here
        remove_boxes()
        remove_volumes()
    # The last of all: every run of Vagrant makes it again.
    shutil.rmtree(PROJECT / ".vagrant", ignore_errors=True)
    say(
        "Gone: the machines, their names in /etc/hosts, .samestack/ssh_config. "
        "Still here: .venv (tools), .samestack (secrets of the local machines, caches), ~/.local/share/samestack (base "
        "boxes, CA and ssh key for all projects on this computer) and the packages that `./samestack up` installed."
        + (" This computer still trusts its authority; `./samestack untrust` ends that." if is_trusted() else "")
    )


def listed() -> list[str]:
    """Return a line for each machine of each project on this computer, and one for a project that has none."""
    folders = {*registered(), *marked_folders(), *([str(PROJECT)] if recorded() else [])}
    by_id = {project_id(Path(folder)): folder for folder in folders}
    rows = []
    running = names(running=True)
    for container in sorted(names()):
        found = CONTAINER.fullmatch(container)
        if found and found["name"] in MACHINES:
            state = "running" if container in running else "halted"
            rows.append((by_id.get(found["project"], UNKNOWN), found["name"], state, container_address(container)))
    for folder in (one for one in map(Path, folders) if one == PROJECT or is_own(one)):
        known = recorded(folder)
        if known and known["provider"] != "lxc":
            for name in (one for one in MACHINES if has_machine(one, folder)):
                state = "running" if ",state,running" in vagrant_says(folder, name) else "halted"
                rows.append((str(folder), name, state, addresses_of(known)[name]))
    rows += [(folder, "-", "none", "-") for folder in registered() if folder not in {row[0] for row in rows}]
    rows = [("PROJECT", "MACHINE", "STATE", "ADDRESS"), *sorted(rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join([*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[3]]) for row in rows]


def marked_folders() -> set[str]:
    """Return the projects that have names in /etc/hosts: those of earlier versions too, and those that are gone."""
    found = map(MARKED.fullmatch, HOSTS.read_text(encoding="utf-8").splitlines())
    return {match["folder"] for match in found if match}


def main(arguments: list[str]) -> None:
    """Do what the arguments ask for."""
    match arguments:
        case ["up", *wanted] if wanted and set(wanted) <= set(MACHINES):
            up(wanted)
        case ["connect", name] if name in MACHINES:
            connect(name)
        case ["welcome", name] if name in MACHINES:
            welcome(name)
        case ["before", name] if name in MACHINES:
            before(name)
        case ["forget", name] if name in MACHINES:
            forget(name)
        case ["down", *wanted] if set(wanted) <= set(MACHINES):
            down(wanted)
        case ["list"]:
            say("\n".join(listed()))
        case ["destroy"]:
            destroy()
        case _:
            stop((__doc__ or "").strip())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as problem:
        stop(str(problem))
