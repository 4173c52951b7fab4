"""Runs commands as the application, in its environment."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from ..common import priority
from ..common.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .place import Place

LOADED = "LoadCredential="
#: What the role django writes for commands that run once
SANDBOX = "/usr/local/lib/samestack/{}-sandbox"


def environment_file_names(path: str) -> set[str]:
    """Return the names that a systemd environment file sets."""
    try:
        with open(path, encoding="utf-8") as handle:
            lines = [line for line in handle if "=" in line and not line.startswith(("#", ";", " "))]
    except OSError:
        return set()
    return {line.split("=", 1)[0].strip() for line in lines}


def sandbox(app: str) -> list[str]:
    """Return what confines the application's own processes on this host, a property of systemd-run each."""
    try:
        with open(SANDBOX.format(app), encoding="utf-8") as handle:
            return [line.strip() for line in handle if line[:1].isupper()]
    except FileNotFoundError:
        # Provisioned by an earlier version
        return []


def told_of_credentials(properties: Iterable[str]) -> list[str]:
    """Return the words before a command that tell it where its secret files are, as the application's units do.

    `%d` stands for their folder in a unit's file alone; in a command line systemd expands what it tells the process.
    """
    loaded = [value[len(LOADED) :].split(":", 1)[0] for value in properties if value.startswith(LOADED)]
    told = [f"{name}_FILE=${{CREDENTIALS_DIRECTORY}}/{name}" for name in loaded]
    return ["/usr/bin/env", *told] if told else []


def app_command(place: Place, account: Mapping[str, Any], command: Sequence[str]) -> list[str]:
    """Return the argument list that runs a command as the application, in its environment.

    `account` holds user, groups (a list) and env_file.
    systemd reads the environment files, so no secret is seen in a list of processes. The command is confined as the
    application's own processes are. Live code belongs to somebody else
    and the database to the application: there the command may write into the folder of live code, and nowhere it could
    not before.
    """
    arguments = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--service-type=exec"]
    properties = [
        *sandbox(os.path.basename(place.root)),
        "User=" + account["user"],
        "Group=" + account["user"],
        "SupplementaryGroups=" + " ".join(account["groups"]),
        "UMask=0022",
        "EnvironmentFile=" + account["env_file"],
        # The later file wins: STATIC_ROOT and DJANGO_SETTINGS_MODULE are the release's.
        "EnvironmentFile=" + place.path("release.env"),
        "WorkingDirectory=" + place.path("app"),
        *priority.inherited(),
    ]
    if place.live_folder:
        writable = [place.live_folder, os.path.join(place.root, "shared")]
        properties += [
            "PrivateUsers=false",
            "CapabilityBoundingSet=CAP_DAC_OVERRIDE",
            "AmbientCapabilities=CAP_DAC_OVERRIDE",
            "ProtectSystem=strict",
            "PrivateTmp=true",
            "ReadWritePaths=" + " ".join(path for path in writable if os.path.isdir(path)),
        ]
    for value in properties:
        arguments += ["--property", value]
    # systemd expands variables in a command line; the shell is meant to.
    return [*arguments, "--", *told_of_credentials(properties), *[part.replace("$", "$$") for part in command]]


def run_as_app(
    place: Place, account: Mapping[str, Any], command: Sequence[str], stdin: str = ""
) -> tuple[int, str, str]:
    """Run a command as the application; returns (exit code, standard output, standard error). Raises HostError."""
    if not os.path.exists(account["env_file"]):
        raise HostError(
            f"{account['env_file']} is not on this machine: an earlier version of Samestack has provisioned it.",
            "Run `./samestack provision` first.",
        )
    done = subprocess.run(
        app_command(place, account, command), input=stdin, capture_output=True, text=True, errors="replace",
        check=False,
    )  # fmt: skip
    if place.live_folder:
        hand_over(place.live_folder, account["user"])
    return done.returncode, done.stdout, done.stderr


def hand_over(folder: str, user: str) -> None:
    """Give what the application's user made in a folder of live code to the folder's owner."""
    # From the folder in which each was found: what is above it may have become a link meanwhile.
    find = ["find", folder, "-xdev", "-user", user, "-execdir", "chown", "-h", "--reference=" + folder, "{}", "+"]
    subprocess.run(find, check=False, capture_output=True)
