"""Which Python a project asks for, and which it gets: the host's own, or a build of CPython. Nothing is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ...module_utils.release.interpreter import Interpreter
from ..errors import DecisionError
from ..text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from .packages import Packages

#: The decision that takes the host's own, whatever the project asks for in passing
OWN = "host"
#: Files that name one version: pyenv's and uv's, Heroku's, asdf's
FILES = (".python-version", "runtime.txt", ".tool-versions")
VERSION = re.compile(r"(?:c?python)?[-@ ]?v?(\d+\.\d+(?:\.\d+)?)")
MIRRORED = "https://github.com/astral-sh/python-build-standalone/releases/download"


@dataclass(frozen=True)
class Build:
    """A build of CPython that can be had: version (3.12.16), architecture (x86_64), its archive."""

    version: str
    architecture: str
    url: str
    sha256: str

    @property
    def interpreter(self) -> Interpreter:
        """Return it as hosts know it."""
        key = f"cpython-{self.version}-linux-{self.architecture}-gnu"
        return Interpreter(key, ".".join(self.version.split(".")[:2]), self.sha256)


@dataclass(frozen=True)
class Asked:
    """What a project asks for.

    `version` is what one of FILES names (3.12 or 3.12.4), `specifier` what the file that lists the packages says
    (>=3.12); "" where there is none. `file` and `listed` are those files, and `note` is what could not be understood.
    """

    version: str = ""
    file: str = ""
    specifier: str = ""
    listed: str = ""
    note: str = ""

    @property
    def words(self) -> str:
        """Return it in words, for people."""
        parts = [f"{self.version} ({self.file})"] if self.version else []
        parts += [f"{self.specifier} ({self.listed})"] if self.specifier else []
        return " and ".join(parts)

    def fits(self, version: str) -> bool:
        """Return whether a version is what is asked for; a later patch of the version that a file names is."""
        same = version.split(".")[:2] == self.version.split(".")[:2]
        named = not self.version or (same and Version(version.rstrip("+")) >= Version(self.version))
        return named and allows(self.specifier, version)


def allows(specifier: str, version: str) -> bool:
    """Return whether a version fits a specifier; one that is not understood takes any."""
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def asked_by(root: Path, directory: str, packages: Packages) -> Asked:
    """Return what a project asks for: by the file nearest to its manage.py, and by its lock or pyproject.toml."""
    # What is locked says it itself.
    beside = (root / packages.file).parent / "pyproject.toml"
    says = packages.file if packages.kind in ("uv", "pylock", "pipenv") else beside.relative_to(root).as_posix()
    start = root / directory
    for folder in [start, *(parent for parent in start.parents if parent == root or root in parent.parents)]:
        for name in FILES:
            path = folder / name
            if path.is_file():
                version, note = named_in(path)
                file = path.relative_to(root).as_posix()
                if version or note:
                    return Asked(version, file, packages.python, says, note and f"{file}: {note}")
    return Asked("", "", packages.python, says)


def named_in(path: Path) -> tuple[str, str]:
    """Return (the version that a file names, what is to be said of it)."""
    lines = [re.sub(r"#.*", "", line).strip() for line in path.read_text(errors="replace").splitlines()]
    words = [line for line in lines if line]
    if path.name == ".tool-versions":
        words = [line.split(maxsplit=1)[1] for line in words if re.match(r"python\s+\S", line)]
        words = [line.split()[0] for line in words]
    if not words or words[0] in ("3", "python3", "system"):
        return "", ""
    match = VERSION.fullmatch(words[0])
    return (match[1], "") if match else ("", f"{one_line(words[0], 40)} is no version of CPython, and is passed over")


def choose(
    decision: str, asked: Asked, own: str, architecture: str, builds: Callable[[], Iterable[Build]]
) -> Build | None:
    """Return the build of CPython that a project gets, None for the host's own; raises DecisionError.

    Args:
        decision: app_python.
        asked: what the project asks for.
        own: version of the host's Python (3.13.5).
        architecture: the host's (x86_64).
        builds: gives what can be had, and is asked only where the host's own is not taken.
    """
    if decision == OWN:
        if not allows(asked.specifier, own):
            raise wanted_by_project(asked, f"the project wants Python {asked.specifier}, the host has {own}")
        return None
    if not decision and asked.fits(own):
        return None
    found = [one for one in builds() if one.architecture == architecture]
    if decision:
        if decision.count(".") > 1 and not allows(asked.specifier, decision):
            raise DecisionError("app_python", decision, f"the project wants {asked.words}", "Write one that fits it")
        chosen = newest(found, Asked(version=decision, specifier=asked.specifier), exact=True)
        what = f"there is no such build of Python for {architecture}" + also(asked)
    else:
        chosen = newest(found, asked, near=own)
        what = f"the project asks for Python {asked.words}, the host has {own}, and there is no such build"
    if not chosen:
        raise DecisionError("app_python", decision, what, advice(found))
    return chosen


def newest(builds: Iterable[Build], asked: Asked, near: str = "", *, exact: bool = False) -> Build | None:
    """Return the newest patch of the version nearest to the host's own, or the very patch that is named."""
    fitting = [one for one in builds if asked.fits(one.version)]
    named = [one for one in fitting if one.version == asked.version]
    if named or (exact and asked.version.count(".") > 1):
        return named[0] if named else None

    def distance(build: Build) -> tuple[int, int]:
        minor, patch = map(int, build.version.split(".")[1:3])
        return -abs(minor - int(near.split(".")[1])) if near else 0, patch

    return max(fitting, key=distance, default=None)


def also(asked: Asked) -> str:
    """Return what else a build has to fit, in words."""
    return f" that is {asked.specifier} ({asked.listed})" if asked.specifier else ""


def advice(builds: Iterable[Build]) -> str:
    """Return what can be written instead."""
    by_minor: dict[tuple[int, ...], str] = {}
    for build in builds:
        number = tuple(map(int, build.version.split(".")))
        if number[:2] not in by_minor or number > tuple(map(int, by_minor[number[:2]].split("."))):
            by_minor[number[:2]] = build.version
    listed = ", ".join(by_minor[minor] for minor in sorted(by_minor, reverse=True))
    known = f"The list has {listed} and their earlier patches" if listed else "The list has none for these hosts"
    return f'{known}. Write app_python: "3.13" for the newest 3.13, or app_python: {OWN} for what the hosts have'


def wanted_by_project(asked: Asked, problem: str) -> DecisionError:
    """Return the error about hosts whose own Python a project does not take."""
    fix = 'Widen it in the project, or set app_python: "" to have a Python that fits'
    return DecisionError("requires-python", asked.specifier, problem, fix, file=asked.listed)
