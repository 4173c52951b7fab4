"""Which operating systems are supported, and what one look at a host says. Pure; the control node uses it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

# id of os-release → release → name; Debian's testing has no VERSION_ID, only the code name.
SUPPORTED: Mapping[str, Mapping[str, str]] = {
    "ubuntu": {"22.04": "jammy", "24.04": "noble", "26.04": "resolute"},
    "debian": {"12": "bookworm", "13": "trixie", "14": "forky"},
}
SUPPORTED_TEXT = "Ubuntu 22.04, 24.04, 26.04; Debian 12, 13, 14"
MARK = "samestack-look"
# One round trip: the system, python3, who we are, and whether sudo asks for a password. Nothing in it needs python3.
LOOK = (
    f"echo {MARK}; cat /etc/os-release; echo PYTHON3=$(command -v python3); echo USER_ID=$(id -u); "
    "if sudo -n true 2>/dev/null; then echo SUDO=yes; else echo SUDO=no; fi"
)


class Look(NamedTuple):
    """What one look at a host says; `release` is the code name where os-release has no number (Debian's testing)."""

    system: str
    release: str
    name: str
    python: str
    is_root: bool
    sudo: bool


def parse_look(output: str) -> Look:
    """Return what LOOK printed; raises ValueError where that is missing (a log-in shell that talks or ends first)."""
    if MARK not in output:
        raise ValueError("the host's shell did not run a plain command")
    pairs = (line.strip().split("=", 1) for line in output.partition(MARK)[2].splitlines() if "=" in line)
    values = {key: " ".join(shlex.split(value)) for key, value in pairs}
    return Look(
        system=values.get("ID", ""),
        release=values.get("VERSION_ID") or values.get("VERSION_CODENAME", ""),
        name=values.get("PRETTY_NAME", "an unknown system"),
        python=values.get("PYTHON3", ""),
        is_root=values.get("USER_ID") == "0",
        sudo=values.get("SUDO") == "yes",
    )


def is_supported(look: Look) -> bool:
    """Tell whether a host's release is one that the roles are made and tested for."""
    releases = SUPPORTED.get(look.system, {})
    return look.release in releases or look.release in releases.values()
