"""Throw-away test machines, straight from the base box: a writable layer over it, up in seconds.

box/host up NAME [RELEASE]       make and start it, wait for ssh, print its address
box/host laptop NAME [RELEASE]   the same for a computer that makes machines itself
box/host down NAME               stop it and take it away
box/host stop NAME               power off, as a halted machine keeps its disk
box/host kill NAME               pull the plug
box/host start NAME              and on again
box/host freeze NAME             let it answer nobody, as a machine that hangs
box/host thaw NAME               and go on
box/host list                    name, address and state of each
"""

from __future__ import annotations

import fcntl
import re
import sys

from box import build, containers
from box.common import BOXES, MACHINES, SetupError, bridge_address, container_name, run, say, stop
from box.containers import Settings, address_of, boot, delete, halt, make_layer
from box.network import answers, start_bridge

#: Test machines' last numbers on the bridge
NUMBERS = range(100, 200)


def test_container(name: str) -> str:
    """The LXC name of the test machine `name`. Raises `SetupError` when it cannot be one's name."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name):
        raise SetupError(
            f"{name}: not a machine's name. Write up to 41 small letters, digits and hyphens, a letter first."
        )
    if name in MACHINES:
        raise SetupError(f"{name}: this name belongs to a local machine. Take another.")
    return container_name(name)


def free_address() -> str:
    """An address on the bridge that no container has. Raises `SetupError` when all are taken."""
    network = (bridge_address() or "10.0.3.1").rsplit(".", 1)[0]
    taken = set(re.findall(r"ipv4\.address\s*=\s*([0-9.]+)", containers.all_settings()))
    for number in NUMBERS:
        address = f"{network}.{number}"
        if address not in taken and not answers(address):
            return address
    raise SetupError(f"All {len(NUMBERS)} addresses for test machines are taken. `box/host list` shows by what.")


def start(name: str, *, unified: bool = False) -> str:
    """Start the machine `name`, wait for ssh and return its address."""
    container = test_container(name)
    start_bridge()
    if container not in containers.names(running=True):
        boot(container, unified=unified)
    return address_of(container)


def up(name: str, release: str = "", *, laptop: bool = False) -> str:
    """Make the machine `name` of `release` unless it exists, start it and return its address."""
    container = test_container(name)
    start_bridge()
    box = build.get(release, laptop=laptop)
    # One at a time: two machines must not take the same address.
    with (BOXES / "hosts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if container not in containers.names():
            Settings(container, free_address(), make_layer(container, box), laptop=laptop).write()
    return start(name, unified=laptop)


def show() -> None:
    """Print the machines of this clone."""
    prefix = container_name("")
    for container in sorted(containers.names()):
        name = container.removeprefix(prefix)
        if container.startswith(prefix) and name not in MACHINES:
            state = run(["lxc-info", "-n", container, "-sH"], root=True).strip().lower()
            say(f"{name}\t{address_of(container)}\t{state}")


def main(arguments: list[str]) -> None:
    """Do what the arguments ask for."""
    match arguments:
        case ["up", name, *release] if len(release) <= 1:
            say(up(name, *release))
        case ["laptop", name, *release] if len(release) <= 1:
            say(up(name, *release, laptop=True))
        case ["down", name]:
            delete(test_container(name))
        case ["start", name]:
            say(start(name))
        case ["stop", name]:
            halt(test_container(name))
        case ["kill", name]:
            halt(test_container(name), kill=True)
        case ["freeze" | "thaw" as what, name]:
            run(["lxc-freeze" if what == "freeze" else "lxc-unfreeze", "-n", test_container(name)], root=True)
        case ["list"]:
            show()
        case _:
            stop((__doc__ or "").strip())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as problem:
        stop(str(problem))
