"""What a release and its environment are called: digests over what decides what is in them. And where they can run."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ...module_utils.release.files.contents import read_tree
from ...module_utils.release.interpreter import Interpreter
from ..project.pinning import of_lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..project.detect import Project
    from ..project.repository import Source

# A change of what a release contains, by our own doing, changes every id.
LAYOUT = 3
ID_LENGTH = 12


def digest(value: Any) -> str:
    """Return the sha256 of plain data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def platform_of(machine: Mapping[str, Any]) -> str:
    """Return what a machine is, as far as it decides which programs run there, like debian-13-x86_64."""
    release = machine.get("release") or machine.get("codename") or ""
    return "-".join(filter(None, (machine.get("os", ""), release, machine["architecture"])))


def python_of(machine: Mapping[str, Any]) -> str:
    """Return the version of a machine's Python that installed packages depend on, like 3.13."""
    return ".".join(machine["python"].split(".")[:2])


def platform_problem(inputs: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    """Return why a release cannot run on a machine, "" when it can."""
    made, has = (inputs["platform"], inputs["python"]), (platform_of(machine), python_of(machine))
    if brought := Interpreter.of(inputs["python"]):
        # It comes with the release.
        made, has = (made[0], brought.minor), (has[0], brought.minor)
    if made == has:
        return ""
    return f"it is {has[0]} with Python {has[1]}, and the release is built for {made[0]} with Python {made[1]}"


def inputs_of(
    args: Mapping[str, Any], source: Source, project: Project, tree: Path, python: Interpreter | None = None
) -> dict[str, Any]:
    """Return everything that decides what the release contains, with no secret and no environment's value in it.

    `python` is None for the machine's own.
    """
    machine = args["machine"]
    build_env = args.get("build_env") or {}
    return {
        "layout": LAYOUT,
        # Not the commit alone: what was fetched for it, byte for byte
        "source": {**source.identity, "tree": source.listed.sha256},
        "packages": {name: file_digest(tree / name) for name in project.packages.inputs}
        | {f"{name}/": folder_digest(tree / name) for name in project.packages.local},
        "requirements": [*project.added, *(args.get("extra_requirements") or [])],
        "extras": [*project.packages.extras, *project.packages.groups],
        "build_commands": args.get("build_commands") or [],
        # A release that has none is called as ever.
        **({"writable_paths": list(args["writable_paths"])} if args.get("writable_paths") else {}),
        # Values may be tokens: only their digest is kept.
        "build_env": digest(build_env) if build_env else "",
        "collectstatic": bool(args.get("collectstatic", True)),
        "directory": project.directory,
        "settings": project.settings,
        "application": project.application,
        "interface": project.interface,
        "server": args.get("server") or "gunicorn",
        "overlay": bool(args.get("overlay", True)),
        "python": python.name if python else python_of(machine),
        "platform": platform_of(machine),
    }


def venv_id(inputs: Mapping[str, Any], project: Project) -> str:
    """Return the environment's id: releases with the same packages share it.

    One with packages that are not pinned by content belongs to its release alone.
    """
    names = ("layout", "packages", "requirements", "extras", "build_env", "python", "platform")
    decisive = {name: inputs[name] for name in names} | {"file": project.packages.file}
    if "development" in inputs:
        decisive["development"] = inputs["development"]
    is_open = project.packages.unpinned or of_lines(inputs["requirements"]).why
    return digest(inputs if is_open else decisive)[:ID_LENGTH]


def folder_digest(path: Path) -> str:
    """Return a digest of a file, or of a folder's files, with their names."""
    if path.is_file():
        return file_digest(path)
    return digest(read_tree(str(path)))


def file_digest(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
