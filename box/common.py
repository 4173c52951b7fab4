"""What the programs in this folder share: paths, output, commands as root, the local network."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, NoReturn

from box.places import COMPUTER, PROJECT, STATE
from plugins.plugin_utils.text import last_lines, without_logins

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Shared by all projects on this computer
BOXES = COMPUTER / "box"
SSH_KEY = COMPUTER / "ssh_key"
#: The project's own key of an earlier version, which its machines may know alone
OLD_SSH_KEY = STATE / "box" / "ssh_key"

#: LXC's own bridge. Its first address is the host's side, where dnsmasq answers names.
BRIDGE = "lxcbr0"
LXC_PATH = Path("/var/lib/lxc")

#: The local machines of a project
MACHINES = ("dev1", "staging1", "production1", "backup1")


def project_id(folder: Path) -> str:
    """What tells the machines of the project in `folder` from those of others on this computer."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:6]


PROJECT_ID = project_id(PROJECT)


def is_there(folder: str) -> bool:
    """Whether there is a folder; one that somebody else on this computer keeps closed may well be there."""
    try:
        return stat.S_ISDIR(os.stat(folder).st_mode)
    except PermissionError:
        return True
    except OSError:
        return False


class SetupError(Exception):
    """Something the user can put right. The text is the whole message."""


def say(text: str) -> None:
    """Print a result, at once also into a pipe."""
    print(text, flush=True)


def note(text: str) -> None:
    """Tell what is going on, beside the results that `say` prints for programs to read."""
    print(text, file=sys.stderr, flush=True)


def stop(text: str) -> NoReturn:
    """Print `text` as the one error of this run and leave with status 1."""
    print(text, file=sys.stderr, flush=True)
    sys.exit(1)


def as_root(command: Sequence[str]) -> list[str]:
    """`command`, run as root: as it is for root, through sudo for anybody else."""
    return list(command) if os.geteuid() == 0 else ["sudo", "--", *command]


def run(
    command: Sequence[str],
    *,
    root: bool = False,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
    cwd: Path = PROJECT,
) -> str:
    """Run `command` quietly and return what it wrote to standard output.

    Raises `SetupError` with the last lines of its output when it fails or is not installed.
    """
    full = as_root(command) if root else list(command)
    given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(full, capture_output=True, text=True, check=False, env=env, cwd=cwd, **given)
    except FileNotFoundError as missing:
        raise SetupError(f"{full[0]} is not installed. Run `./samestack up`, which installs it.") from missing
    if done.returncode != 0:
        said = indent(last_lines(done.stderr or done.stdout, 12), "  ")
        raise SetupError(without_logins(f"`{shlex.join(full)}` failed ({done.returncode}):\n{said}"))
    return done.stdout


def container_name(machine: str, project: str = PROJECT_ID) -> str:
    """The LXC name of `machine` (for example `dev1`) of this project, or of the one that has the id `project`."""
    return f"samestack-{project}-{machine}"


def bridge_address() -> str | None:
    """The host's IPv4 address on LXC's bridge, or None while the bridge is down."""
    shown = subprocess.run(
        ["ip", "-4", "-o", "addr", "show", "dev", BRIDGE],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"inet (\d+\.\d+\.\d+\.\d+)/", shown.stdout)
    return found.group(1) if found else None
