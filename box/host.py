"""Throw-away test machines, straight from the base box: a writable layer over it, up in seconds.

box/host up NAME [RELEASE]     make and start it, wait for ssh, print its address
box/host down NAME             stop it and take it away
box/host stop NAME             power off, as a halted machine keeps its disk
box/host kill NAME             pull the plug
box/host start NAME            and on again
box/host list                  name, address and state of each
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import sys
import tempfile
import time
from pathlib import Path

from box.build import build, choose
from box.common import BOXES, LXC_PATH, SSH_KEY, SetupError, bridge_address, container_name, run, say, stop
from box.network import answers, start_bridge

HERE = Path(__file__).resolve().parent
#: Test machines' last numbers on the bridge; Vagrant's machines have .10, .20 and .30.
NUMBERS = range(100, 200)
SSH_SECONDS = 60
VAGRANT_MACHINES = ("dev1", "staging1", "production1")


def configs() -> str:
    """The text of all LXC containers' settings on this computer."""
    return run(["sh", "-c", f"cat {LXC_PATH}/*/config 2>/dev/null || true"], root=True)


def test_container(name: str) -> str:
    """The LXC name of the test machine `name`. Raises `SetupError` when it cannot be one's name."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name):
        raise SetupError(
            f"{name}: not a machine's name. Write up to 41 small letters, digits and hyphens, a letter first."
        )
    if name in VAGRANT_MACHINES:
        raise SetupError(f"{name}: this name belongs to a machine of Vagrant's. Take another.")
    return container_name(name)


def exists(container: str) -> bool:
    """Whether LXC knows `container`."""
    return container in run(["lxc-ls", "-1"], root=True).split()


def free_address() -> str:
    """An address on the bridge that no container has. Raises `SetupError` when all are taken."""
    network = (bridge_address() or "10.0.3.1").rsplit(".", 1)[0]
    taken = set(re.findall(r"ipv4\.address\s*=\s*([0-9.]+)", configs()))
    for number in NUMBERS:
        address = f"{network}.{number}"
        if address not in taken and not answers(address):
            return address
    raise SetupError(f"All {len(NUMBERS)} addresses for test machines are taken. `box/host list` shows by what.")


def address_of(container: str) -> str:
    """The fixed address in the settings of `container`. Raises `SetupError` when there is none."""
    text = run(["cat", str(LXC_PATH / container / "config")], root=True)
    found = re.search(r"ipv4\.address\s*=\s*([0-9.]+)", text)
    if not found:
        raise SetupError(f"{container} has no address in its settings. Run `box/host down` for it and then `up`.")
    return found.group(1)


def card_of(address: str) -> str:
    """A network card's number that follows from `address`.

    With a new one at each start, the host would send to the old one for half a minute (its ARP cache).
    """
    return "00:16:3e:53:{:02x}:{:02x}".format(*(int(part) for part in address.split(".")[2:]))


def wait_for_ssh(address: str) -> None:
    """Return when the ssh server at `address` greets. Raises `SetupError` after a minute."""
    deadline = time.monotonic() + SSH_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, 22), timeout=1) as connection:
                connection.settimeout(5)
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise SetupError(f"{address} gave no ssh within {SSH_SECONDS} s. `sudo lxc-ls -f` shows the machine's state.")


def write_container(container: str, box: Path, address: str) -> None:
    """Write the settings of `container`: the tree of `box` below, its own layer above."""
    home = LXC_PATH / container
    layer = home / "layer"
    text = (HERE / "lxc-config").read_text() + "\n".join(
        (
            f"lxc.net.0.ipv4.address = {address}/24",
            f"lxc.net.0.hwaddr = {card_of(address)}",
            f"lxc.uts.name = {name_of(container)}",
            f"lxc.rootfs.path = overlay:{box / 'rootfs'}:{layer}",
            "",
        )
    )
    run(["mkdir", "-p", str(layer)], root=True)
    with tempfile.NamedTemporaryFile("w") as config:
        config.write(text)
        config.flush()
        run(["install", "-m", "0644", config.name, str(home / "config")], root=True)


def name_of(container: str) -> str:
    """The machine's name inside a container's."""
    return container.split("-", 2)[2]


def prepare(container: str, box: Path) -> None:
    """Give the layer of `container` its identity, through the very overlay that LXC mounts."""
    home = LXC_PATH / container
    mounted, work = home / "mounted", home / "olwork"
    nameserver = bridge_address() or "10.0.3.1"
    run(["mkdir", "-p", str(mounted), str(work)], root=True)
    options = f"lowerdir={box / 'rootfs'},upperdir={home / 'layer'},workdir={work}"
    run(["mount", "-t", "overlay", "overlay", "-o", options, str(mounted)], root=True)
    try:
        key = str(SSH_KEY.with_suffix(".pub"))
        run([str(box / "prepare"), str(mounted), name_of(container), nameserver, key], root=True)
    finally:
        run(["umount", str(mounted)], root=True)
        run(["rm", "-rf", str(mounted), str(work)], root=True)


def start(name: str) -> str:
    """Start the machine `name`, wait for ssh and return its address."""
    container = test_container(name)
    start_bridge()
    if run(["lxc-info", "-n", container, "-sH"], root=True).strip() != "RUNNING":
        run(["lxc-start", "-n", container, "-d"], root=True)
    address = address_of(container)
    wait_for_ssh(address)
    return address


def up(name: str, release: str = "") -> str:
    """Make the machine `name` of `release` unless it exists, start it and return its address."""
    container = test_container(name)
    start_bridge()
    box = build(*choose(release or os.environ.get("SAMESTACK_BOX_RELEASE", "")))
    # One at a time: two machines must not take the same address.
    with (BOXES / "hosts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not exists(container):
            write_container(container, box, free_address())
            prepare(container, box)
    return start(name)


def down(name: str) -> None:
    """Stop the machine `name` at once and take it away; nothing happens when there is none."""
    container = test_container(name)
    if not exists(container):
        return
    if run(["lxc-info", "-n", container, "-sH"], root=True).strip() != "STOPPED":
        run(["lxc-stop", "-n", container, "--kill"], root=True)
    run(["rm", "-rf", "--one-file-system", str(LXC_PATH / container)], root=True)


def show() -> None:
    """Print the machines of this clone."""
    prefix = container_name("")
    for container in run(["lxc-ls", "-1"], root=True).split():
        if container.startswith(prefix) and name_of(container) not in VAGRANT_MACHINES:
            state = run(["lxc-info", "-n", container, "-sH"], root=True).strip().lower()
            say(f"{name_of(container)}\t{address_of(container)}\t{state}")


def main(arguments: list[str]) -> None:
    """Do what the arguments ask for."""
    match arguments:
        case ["up", name, *release] if len(release) <= 1:
            say(up(name, *release))
        case ["down", name]:
            down(name)
        case ["start", name]:
            say(start(name))
        case ["stop", name]:
            run(["lxc-stop", "-n", test_container(name), "-t", "30"], root=True)
        case ["kill", name]:
            run(["lxc-stop", "-n", test_container(name), "--kill"], root=True)
        case ["list"]:
            show()
        case _:
            stop((__doc__ or "").strip())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as problem:
        stop(str(problem))
