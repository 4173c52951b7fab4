"""What is wrong with this computer, and for each the command that mends it. Nothing is changed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from box import trust
from box.blocks import written
from box.common import LXC_PATH, MACHINES, as_root, is_there, project_id
from box.connections import HOSTS, MARKED, has_connection, names_of
from box.containers import names as containers
from box.laptops import UNKNOWN, this_computer
from box.machines import CONTAINER, marked_folders
from box.places import COMPUTER, PROJECT, STATE
from box.providers import addresses_of, maker, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the first machine takes, base box and tools included
LEAST_SPACE = 4 << 30
#: Where this looks for one, too: left to itself, ssh-keygen asks the list of accounts where home is
NEW_KEY = "mkdir -p -m 700 ~/.ssh && ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519"
#: The programs that no machine of ours brings, and Debian's packages of them
PROGRAMS = {"git": "git", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}
SSH_SECONDS = 5


class Finding(NamedTuple):
    """Something that is not as it should be, and what to type; "" where only a person knows."""

    what: str
    mend: str


def findings() -> Iterator[Finding]:
    """Yield what is wrong, the most general first."""
    yield from programs()
    yield from room()
    yield from leftovers()
    yield from machines()
    yield from authority()
    yield from secrets()


def by_root(*command: str) -> str:
    """Return a command line that runs as root."""
    return shlex.join(as_root(command))


def programs() -> Iterator[Finding]:
    """Yield what is not installed."""
    if sys.platform.startswith("linux") and this_computer() is UNKNOWN:
        yield Finding("This release of Linux was never tried (docs/laptops.md lists those that were)", "")
    missing = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if missing:
        packages = sorted(missing)
        yield Finding(f"Not installed: {', '.join(packages)}", by_root("apt-get", "install", *packages))
    if not any(Path.home().glob(".ssh/*.pub")) and not os.environ.get("SSH_AUTH_SOCK"):
        yield Finding("There is no ssh key to log in to servers with", NEW_KEY)


def room() -> Iterator[Finding]:
    """Yield the disks that are full."""
    places = [path for path in (PROJECT, COMPUTER.parent, LXC_PATH) if path.exists()]
    for path in {os.stat(path).st_dev: path for path in reversed(places)}.values():
        free = shutil.disk_usage(path).free
        if free < LEAST_SPACE:
            needed = f"a local machine and what it is made from take up to {LEAST_SPACE >> 30}"
            yield Finding(f"{path} has {free / (1 << 30):.1f} GiB free; {needed}", "")


def leftovers() -> Iterator[Finding]:
    """Yield what projects have left that are gone."""
    gone = {folder for folder in {*written(), *marked_folders()} if not is_there(folder)}
    for line in HOSTS.read_text(encoding="utf-8").splitlines():
        found = MARKED.fullmatch(line)
        if found and found["folder"] in gone:
            # As it stands there, in a pattern of sed's
            mark = re.sub(r"[][\\.*^$|]", r"\\\g<0>", line[line.index("# samestack: ") :])
            command = by_root("sed", "-i", rf"\|{mark}$|d", str(HOSTS))
            yield Finding(f"{HOSTS} has names of {found['name']} of {found['folder']}, which is gone", command)
    by_id = {project_id(Path(folder)): folder for folder in gone}
    for name in sorted(containers()) if by_id and LXC_PATH.is_dir() else ():
        match = CONTAINER.fullmatch(name)
        if match and match["project"] in by_id:
            what = f"The machine {match['name']} of {by_id[match['project']]} is there, and its project is gone"
            yield Finding(what, by_root("lxc-destroy", "-f", "-n", name))


def machines() -> Iterator[Finding]:
    """Yield what is wrong with the project's own machines."""
    known = recorded()
    if not known:
        return
    for name in (one for one in MACHINES if has_connection(one)):
        if not maker().is_running(name):
            yield Finding(f"{name} is halted", f"./samestack up {name}")
        elif not answers(addresses_of(known)[name]):
            again = f"./samestack down {name} && ./samestack up {name}"
            yield Finding(f"{name} runs, and does not answer by ssh", again)
        elif missing := set(names_of(name)) - names_here():
            what = f"{HOSTS} does not lead to {name} for {', '.join(sorted(missing))}"
            yield Finding(what, f"./samestack up {name}")


def answers(address: str) -> bool:
    """Return whether somebody listens there for ssh."""
    try:
        socket.create_connection((address, 22), SSH_SECONDS).close()
    except OSError:
        return False
    return True


def names_here() -> set[str]:
    """Return the names that /etc/hosts knows."""
    lines = HOSTS.read_text(encoding="utf-8").splitlines()
    return {word for line in lines for word in line.split("#")[0].split()[1:]}


def authority() -> Iterator[Finding]:
    """Yield who does not trust the certificates of the local machines."""
    if not trust.AUTHORITY.is_file():
        return
    if not trust.can_write_browsers():
        yield Finding(trust.CERTUTIL_MISSING, trust.install_certutil())
    stores: list[trust.Store] = [trust.system(), *(trust.browsers() if shutil.which("certutil") else [])]
    without = [store.name for store in stores if not store.has()]
    if without:
        who = f"{', '.join(dict.fromkeys(without))} {'do' if len(set(without)) > 1 else 'does'} not trust them"
        yield Finding(f"Certificates of local machines: {who}", "./samestack trust")


def secrets() -> Iterator[Finding]:
    """Yield passwords that others on this computer can read."""
    for file in sorted(STATE.glob("vault-password-*")):
        if file.stat().st_mode & 0o077:
            path = shlex.quote(os.path.relpath(file, PROJECT))
            yield Finding(f"{path} can be read by others on this computer", f"chmod 600 {path}")
