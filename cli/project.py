"""The folders of a run, the environments, and what this computer knows about them without asking anybody."""

from __future__ import annotations

import os
import re
from pathlib import Path

#: Playbooks, roles and plugins
ENGINE = Path(__file__).resolve().parents[1]
#: An archive of a release, and none of its packages
ARCHIVE = re.compile(r"(?P<app>.+?)(?<!-venv)-(?P<id>[0-9a-f]{12})\.tar\.gz")


def find_project(start: Path) -> Path:
    """Return the project's folder: the next one upwards with ansible.cfg and inventories, else the engine's own."""
    for folder in (start, *start.parents):
        if (folder / "ansible.cfg").is_file() and (folder / "inventories").is_dir():
            return folder
    return ENGINE


PROJECT = find_project(Path(os.environ.get("SAMESTACK_CALLED_FROM") or Path.cwd()))
STATE = PROJECT / ".samestack"


def inventory_of(environment: str, *, rehearsal: bool = False) -> str:
    """Return the inventory file of an environment, relative to the project."""
    return f"inventories/{'rehearsal' if rehearsal and environment != 'dev' else environment}.yml"


def known_releases() -> list[str]:
    """Return the ids of the releases whose archives this computer has kept, newest first."""
    files = sorted((STATE / "releases").glob("*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
    return list(dict.fromkeys(found["id"] for file in files if (found := ARCHIVE.fullmatch(file.name))))


def known_hosts(environment: str, *, rehearsal: bool = False) -> list[str]:
    """Return the hosts that the inventory of an environment names; ranges are left as they are written."""
    import yaml

    try:
        content = yaml.safe_load((PROJECT / inventory_of(environment, rehearsal=rehearsal)).read_text("utf-8"))
    except (OSError, yaml.YAMLError):
        return []
    names: list[str] = []

    def walk(node: object) -> None:
        if not isinstance(node, dict):
            return
        for key, below in node.items():
            if key == "hosts" and isinstance(below, dict):
                names.extend(str(name) for name in below)
            walk(below)

    walk(content)
    # What a shell is given to complete with are names.
    return [name for name in dict.fromkeys(names) if re.fullmatch(r"[\w\[][\w.:\[\]-]*", name)]
