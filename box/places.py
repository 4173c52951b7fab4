"""The folders of a run: Samestack's own, the project's, and what this computer has for all projects."""

from __future__ import annotations

import os
from pathlib import Path

from plugins.plugin_utils.computer import computer_folder

#: Playbooks, roles, plugins and the tools that run them
ENGINE = Path(__file__).resolve().parents[1]
#: What a project pins its engine with; a clone, which is a project too, has none
LOCK = "samestack.lock"


def is_own(path: Path) -> bool:
    """Return whether something is this user's, or of whoever the engine is of, whose code runs anyway."""
    try:
        return path.lstat().st_uid in {os.geteuid(), ENGINE.stat().st_uid}
    except OSError:
        return False


def find_project(start: Path) -> Path:
    """Return the project's folder: the next one upwards with ansible.cfg and inventories, else the engine's own.

    Ends the run where it is somebody else's: anybody may put one above this folder, into /tmp for one.
    """
    for folder in (start, *start.parents):
        marks = (folder / "ansible.cfg", folder / "inventories")
        if marks[0].is_file() and marks[1].is_dir():
            if folder != ENGINE and not all(map(is_own, marks)):
                raise SystemExit(
                    f"{folder} is a project of somebody else's (its ansible.cfg or inventories). Work in a "
                    f"folder of your own, or as the owner of that one."
                )
            return folder
    return ENGINE


def project_of(environment: dict[str, str] | os._Environ[str], current: Path) -> Path:
    """Return the project of a run: the one whose own command was typed, or that of the folder it was typed in."""
    if named := environment.get("SAMESTACK_PROJECT"):
        return Path(named).resolve()
    return find_project(Path(environment.get("SAMESTACK_CALLED_FROM") or current))


PROJECT = project_of(os.environ, Path.cwd())
#: What runs leave in the project
STATE = PROJECT / ".samestack"
#: What the tools leave beside them
TOOLS = ENGINE / ".samestack"
COMPUTER = computer_folder()
