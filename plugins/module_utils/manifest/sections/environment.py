"""Section `environment`: the variables that the application is given, and what its processes run with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...common.secrets import URL_PASSWORD, assignments, is_secret_name
from ..reading.machine import MissingError, NotHereError
from ..reading.processes import environment, main_processes
from ..section import Collector

if TYPE_CHECKING:
    from ..reading.machine import Host, Section


def learn(host: Host) -> dict[str, str]:
    """Return the application's variables, after the host has learnt which of them are secret."""
    found = assignments(host.text(f"/etc/{host.config['app']}/env"))
    # The owner of the database has a password of its own.
    others = assignments(host.text(f"/etc/{host.config['app']}/owner.env"))
    for name, value in [*found.items(), *others.items()]:
        if is_secret(host, name, value):
            host.secrets.learn(name, value)
    return found


def is_secret(host: Host, name: str, value: str) -> bool:
    """Return whether a variable is secret: declared so, named so, or with a password in it."""
    return name in host.config["secrets"] or is_secret_name(name) or bool(URL_PASSWORD.search(value))


def collect(host: Host) -> Section:
    """Return the section; raises MissingError."""
    if "app" not in host.config["functions"]:
        raise NotHereError("the application does not run on this host")
    found = learn(host)
    if not found:
        raise MissingError(f"/etc/{host.config['app']}/env is not there")
    section: Section = {}
    for name, value in found.items():
        section[name] = host.keyed(value) if is_secret(host, name, value) else value
    section["(not taken up yet)"] = sorted(
        {name for pid in main_processes(host).values() for name in differing(host, found, pid)}
    )
    return section


def differing(host: Host, found: dict[str, str], pid: str) -> list[str]:
    """Return the variables that a running process has otherwise than the file."""
    running = environment(host, pid)
    if not running:
        return []
    # The release's own file comes after this one, and may set the same names.
    own = ("STATIC_ROOT", "DJANGO_SETTINGS_MODULE", "PATH", "PYTHONPATH", "VIRTUAL_ENV")
    return [name for name, value in found.items() if name not in own and running.get(name) != value]


SECTIONS = (Collector("environment", lambda host, _live: collect(host), learn=learn),)
