"""What ssh's own words mean, and what to do about them. Pure; the control node uses it."""

from __future__ import annotations

import re
from typing import NamedTuple


class Trouble(NamedTuple):
    """A kind of failed connection: what is wrong, and the fix. `{…}` take the name, address, user and known_hosts."""

    what: str
    fix: str


# In the order of search: what ssh says at the end may be the consequence of what it said first.
TROUBLES: tuple[tuple[str, Trouble], ...] = (
    (
        "remote host identification has changed",
        Trouble(
            "its host key is another one than the one that was pinned: it is a new machine, or somebody stands between",
            "If the machine was built anew, take the old key out with `ssh-keygen -R {entry} -f {known_hosts}` and run "
            "`./samestack provision` again; if it was not, do not connect",
        ),
    ),
    (
        "host key verification failed|no .* host key is known",
        Trouble(
            "its host key is not known yet",
            "Run `./samestack provision` for this environment: it shows the key and pins it",
        ),
    ),
    (
        "permission denied|too many authentication failures|no more authentication methods",
        Trouble(
            "it refuses the log-in of {user}",
            "Check `ansible_user`, and that your ssh key is the one it knows (`ssh-add -l`); on a fresh server "
            "`./samestack provision` makes the user, where root can log in",
        ),
    ),
    (
        "could not resolve hostname|name or service not known",
        Trouble("its name {address} cannot be resolved", "Correct `ansible_host` in the inventory, or your DNS"),
    ),
    (
        "connection refused",
        Trouble("it answers, but no ssh server listens there", "Check the port (`ansible_port`) and that sshd runs"),
    ),
    (
        "timed out|no route to host|network is unreachable|host is down",
        Trouble("it does not answer", "Check that the machine runs and that a firewall lets your address in"),
    ),
    (
        # The second is what the catch-all of .samestack/ssh_config says.
        "can't open user config file|none of the local machines",
        Trouble(
            "the machine has not been made yet",
            "Run `./samestack up` (or `./samestack rehearse` for a rehearsal) first",
        ),
    ),
)
# What is ours to say when ssh's words are none of the known ones.
UNKNOWN = Trouble("it cannot be reached", "Try `ssh {user}@{address}` by hand")
LOCAL = Trouble(
    "the local machine does not answer", "Run `./samestack up` (or `./samestack rehearse` for a rehearsal) first"
)
# Lines that are decoration.
NOISE = re.compile(
    r"warning: permanently added|connection closed by unknown port|debug\d|@+|"
    r"failed to connect to the host via ssh:?\s*$|\s*$",
    re.IGNORECASE,
)


def trouble(said: str, *, local: bool) -> Trouble:
    """Return what the words of a failed ssh mean; `local`: the host is a machine on this computer."""
    for pattern, found in TROUBLES:
        if re.search(pattern, said, re.IGNORECASE):
            return LOCAL if local and found.what in ("it does not answer", "its host key is not known yet") else found
    return LOCAL if local else UNKNOWN


def last_words(said: str) -> str:
    """Return the line of ssh's output that says most: the last one that is no decoration."""
    lines = [line.strip() for line in said.splitlines() if not NOISE.match(line)]
    return (
        re.sub(r"^Failed to connect to the host via ssh:\s*", "", lines[-1])[:200].rstrip(".") if lines else "nothing"
    )
