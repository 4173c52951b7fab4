"""LXC's own bridge: started where it is not running, stopped only when this project started it."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from box.common import BRIDGE, SetupError, bridge_address, note, run

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where releases have the script that starts the bridge
SCRIPTS = ("usr/libexec/lxc/lxc-net", "usr/lib/*/lxc/lxc-net", "usr/lib/lxc/lxc-net")
SETTINGS = Path("/etc/default/lxc-net")
#: What LXC's script reads before them; Ubuntu 22.04's switches the bridge off here, and on in the settings
DEFAULTS = Path("/etc/default/lxc")
#: Says that this project started the bridge. In /run: it goes with the bridge when the computer restarts.
MARK = Path("/run/samestack-bridge")
START_SECONDS = 10
#: How ss writes a program that listens everywhere.
EVERY_ADDRESS = (str(ipaddress.IPv4Address(0)), "*", "[::]")
SILENCE_SECONDS = 0.4


def script() -> Path:
    """Return LXC's own script for the bridge. Raises `SetupError` where there is none."""
    for pattern in SCRIPTS:
        for found in Path("/").glob(pattern):
            return found
    raise SetupError("LXC has no lxc-net on this computer. Install the package lxc, and run `./samestack up` again.")


def lxc_net(verb: str) -> None:
    """Start or stop the bridge, by systemd where it minds it; inside a container its unit does nothing."""
    managed = Path("/run/systemd/system").is_dir() and not Path("/run/systemd/container").exists()
    if managed:
        run(["systemctl", "restart" if verb == "start" else verb, "lxc-net"], root=True)
    else:
        run([str(script()), verb], root=True)


def wanted_address() -> str:
    """The bridge's address by LXC's settings, 10.0.3.1 unless somebody changed it."""
    text = SETTINGS.read_text() if SETTINGS.exists() else ""
    found = re.search(r'^\s*LXC_ADDR="?([0-9.]+)', text, re.MULTILINE)
    return found.group(1) if found else "10.0.3.1"


def who_has_port_53(address: str) -> str | None:
    """The program that listens on port 53 of `address` or of all addresses, None when it is free."""
    for line in run(["ss", "-Hlntup", "sport = :53"], root=True).splitlines():
        local = re.search(r" (\S+):53 ", line)
        if local and local.group(1) in {*EVERY_ADDRESS, address}:
            found = re.search(r'\("([^"]+)",pid=(\d+)', line)
            return f"{found.group(1)} (process {found.group(2)})" if found else "another program"
    return None


def who_has_network(network: str) -> str | None:
    """The interface that already leads to `network` (for example 10.0.3.0/24), None when there is none."""
    found = re.search(r"\bdev (\S+)", run(["ip", "-4", "route", "show", "root", network]))
    return found.group(1) if found and found.group(1) != BRIDGE else None


def is_switched_off() -> bool:
    """Return whether LXC's settings say that there is to be no bridge. Where there are none yet, LXC writes them."""
    if not SETTINGS.exists():
        return False
    text = "\n".join(path.read_text(encoding="utf-8") for path in (DEFAULTS, SETTINGS) if path.exists())
    said = re.findall(r'^\s*USE_LXC_BRIDGE=["\']?(\w*)', text, re.MULTILINE)
    return bool(said) and said[-1] != "true"


def check_free(address: str) -> None:
    """Raise `SetupError` when something else has the bridge's network or its port for names."""
    network = address.rsplit(".", 1)[0] + ".0/24"
    interface = who_has_network(network)
    if interface:
        also = "" if SETTINGS.exists() else ', and USE_LXC_BRIDGE to "true"'
        raise SetupError(
            f"LXC_NETWORK = {network} (in {SETTINGS}): {interface} has this network already, so the local machines "
            f"cannot have it. Set LXC_ADDR, LXC_NETWORK and LXC_DHCP_RANGE to a free network there{also}."
        )
    program = who_has_port_53(address)
    if program:
        raise SetupError(
            f"LXC_ADDR = {address} (in {SETTINGS}): port 53 of it is taken by {program}, and the local machines look "
            f"up names there. Stop that program or have it listen on its own address only."
        )


@contextmanager
def alone() -> Iterator[None]:
    """Keep other clones on this computer from starting or stopping the bridge meanwhile."""
    # The script itself: every user may read it, and so lock it.
    descriptor = os.open(script(), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def start_bridge() -> None:
    """Make sure that the bridge is up. Raises `SetupError` with what stands in its way."""
    with alone():
        address = bridge_address()
        # A bridge outlives the program that looks up names for the machines on it, when that program is killed.
        if not address or not who_has_port_53(address):
            start_alone()


def start_alone() -> None:
    """Start the bridge, which is down or whose machines find no names; the machines on it stay on it."""
    if is_switched_off():
        raise SetupError(
            f"USE_LXC_BRIDGE is not true (in {SETTINGS}): LXC makes no bridge, and the local machines are on it. "
            f'Write USE_LXC_BRIDGE="true" there.'
        )
    check_free(wanted_address())
    # This mark, left by a start that was cut off, makes lxc-net believe that it is done.
    run(["rm", "-f", "/run/lxc/network_up"], root=True)
    lxc_net("start")
    deadline = time.monotonic() + START_SECONDS
    while not (address := bridge_address()) or not who_has_port_53(address):
        if time.monotonic() > deadline:
            raise SetupError(
                f"The bridge {BRIDGE} did not come up within {START_SECONDS} s. Run `sudo {script()} start` to see why."
            )
        time.sleep(0.2)
    run(["touch", str(MARK)], root=True)
    note(f"Network: {BRIDGE} started ({address}); `./samestack destroy` stops it again.")


def stop_bridge() -> bool:
    """Stop the bridge if this project started it and no container is on it any more; say whether it did."""
    with alone():
        if not MARK.exists() or run(["lxc-ls", "--running", "-1"], root=True).strip():
            return False
        lxc_net("stop")
        run(["rm", "-f", str(MARK)], root=True)
        return True


def is_far(address: str) -> bool:
    """Whether the way to `address` leads through a gateway, which may answer for any address (an office's proxy)."""
    if not shutil.which("ip"):
        return False
    asked = subprocess.run(["ip", "-4", "route", "get", address], capture_output=True, text=True, check=False)
    return " via " in asked.stdout


def answers(address: str) -> bool:
    """Whether a machine on the network has `address`: it accepts or refuses a connection, the others keep silent."""
    if is_far(address):
        return False
    try:
        with socket.create_connection((address, 22), timeout=SILENCE_SECONDS):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
