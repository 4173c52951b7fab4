"""Section `sockets`: what listens on this host, and which program it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..reading.processes import unit_of
from ..section import Collector
from .units import normal_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..reading.live import Live
    from ..reading.machine import Host, Section

PROCESS = re.compile(r'\("([^"]+)",pid=(\d+),')
#: Linux' default range of ports for outgoing connections (ip_local_port_range)
PASSING_PORTS = range(32768, 61000)
#: Sockets of logins, and of processes that come and go
PASSING_PATHS = re.compile(r"^(@|/run/user/|/tmp/|/var/tmp/|\*|/home/|/root/)")


def listening(text: str) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return (protocol, address, [(program, pid)]) of each line of `ss -Hlntup` and `ss -Hlxp`."""
    rows = re.findall(r"^(\S+)\s+\S+\s+\S+\s+\S+\s+(\S+)(.*)$", text, re.MULTILINE)
    return [(protocol, address, PROCESS.findall(rest)) for protocol, address, rest in rows]


def place(protocol: str, address: str, own: Iterable[str]) -> str:
    """Return what a socket is called: its own addresses by one name, passing ports by another."""
    host, _, port = address.rpartition(":")
    bare = re.sub(r"%.*$", "", host).strip("[]")
    if bare in own:
        host = "<address>"
    if protocol == "udp" and port.isdigit() and int(port) in PASSING_PORTS:
        port = "passing"
    return f"{protocol} {host}:{port}"


def addresses(text: str) -> set[str]:
    """Return this host's own addresses but for the loopback's, of `ip -o address`."""
    found = set(re.findall(r"\binet6? ([0-9a-f.:]+)", text))
    return {one for one in found if not one.startswith("127.") and one != "::1"}


def collect(host: Host, live: Live) -> Section:
    """Return the section; raises MissingError."""
    app = host.config["app"]
    own = addresses(host.ask("ip", "-o", "address")[1])
    section: dict[str, set[str]] = {}
    for protocol, address, processes in listening(host.run("ss", "-Hlntup")):
        name = place(protocol, address, own)
        programs = {f"{program} ({normal_name(unit_of(host, pid), app, live.id)})" for program, pid in processes}
        section.setdefault(name, set()).update(programs or {"(the kernel)"})
    for _kind, address, processes in listening(host.run("ss", "-Hlxp")):
        if PASSING_PATHS.match(address) or address.startswith("/run/systemd/"):
            continue
        name = re.sub(rf"^/run/{re.escape(app)}/web/{re.escape(live.id)}(-2)?\.sock$", f"/run/{app}/live.sock", address)
        # systemd holds a socket until its unit takes it over.
        programs = {program for program, _pid in processes if program != "systemd"} or {
            program for program, _pid in processes
        }
        section.setdefault(f"unix {name}", set()).update(programs)
    return {name: sorted(programs) for name, programs in section.items()}


SECTIONS = (Collector("sockets", collect),)
