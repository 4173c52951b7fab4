"""What a release and its environment are called: digests over what decides what is in them. And where they can run."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from ...module_utils.release.interpreter import Interpreter
from ..project.packages import read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..project.detect import Project
    from ..project.repository import Source

# A change of what a release contains, by our own doing, changes every id.
LAYOUT = 2
ID_LENGTH = 12
# Lines of a requirements file that install from the source itself
LOCAL_LINE = re.compile(
    r"^\s*(-e\b|--editable\b|\.{0,2}/|\.($|\[)|file:|[\w.-]+(\[[^\]]*\])?\s*@\s*file:)", re.MULTILINE
)
LOCAL_SOURCES = {"directory", "editable", "path", "file"}


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
        "source": source.identity,
        "packages": {name: file_digest(tree / name) for name in project.packages.inputs},
        "requirements": [*project.added, *(args.get("extra_requirements") or [])],
        "extras": [*project.packages.extras, *project.packages.groups],
        "build_commands": args.get("build_commands") or [],
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


def venv_id(inputs: Mapping[str, Any], project: Project, tree: Path) -> str:
    """Return the environment's id: releases with the same packages share it.

    Packages that come from the source itself belong to that one release.
    """
    names = ("layout", "packages", "requirements", "extras", "build_env", "python", "platform")
    decisive = {name: inputs[name] for name in names} | {"file": project.packages.file}
    if "development" in inputs:
        decisive["development"] = inputs["development"]
    return digest(inputs if has_local_packages(project, tree) else decisive)[:ID_LENGTH]


def has_local_packages(project: Project, tree: Path) -> bool:
    """Return whether a file that lists packages leads to folders or files of the source itself."""
    packages = project.packages
    texts = [(tree / name).read_text(encoding="utf-8", errors="replace") for name in packages.inputs]
    if packages.kind == "requirements":
        return any(LOCAL_LINE.search(text) for text in texts)
    if packages.kind == "pipenv":
        return any(re.search(r'"(path|file)":', text) for text in texts)
    if packages.kind == "pyproject":
        declared = read_toml(tree / packages.file).get("tool", {}).get("uv", {}).get("sources", {})
        return any(LOCAL_SOURCES & set(one) for one in declared.values() if isinstance(one, dict))
    return any(map(is_local, listed_packages(tree / packages.file)))


def listed_packages(file: Path) -> list[dict[str, Any]]:
    """Return the packages of a lock in TOML."""
    content = read_toml(file)
    return [*content.get("package", []), *content.get("packages", [])]


def is_local(package: Mapping[str, Any]) -> bool:
    """Return whether a lock's package is a folder or file of the source; the project itself is never installed."""
    source = package.get("source", {})
    if source.get("type") in LOCAL_SOURCES or LOCAL_SOURCES & {*package, *package.get("archive", {})}:
        return True
    return any(source.get(kind) not in (None, ".") for kind in LOCAL_SOURCES)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
