"""The folders of a run, the environments, and what this computer knows about them without asking anybody."""

from __future__ import annotations

import functools
import re

from box.places import ENGINE, PROJECT, STATE, find_project

__all__ = ["ENGINE", "PROJECT", "STATE", "find_project", "inventory_of", "known_hosts", "known_releases"]

#: An archive of a release, and none of its packages
ARCHIVE = re.compile(r"(?P<app>.+?)(?<!-venv)-(?P<id>[0-9a-f]{12})\.tar\.gz")


def inventory_of(environment: str, *, rehearsal: bool = False) -> str:
    """Return the inventory file of an environment, relative to the project."""
    return f"inventories/{'rehearsal' if rehearsal and environment != 'dev' else environment}.yml"


@functools.cache
def left_out() -> list[str]:
    """Return the stand-ins that no run is about: not made, because there is nothing for them to do."""
    from box.connections import idle

    return idle()


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
