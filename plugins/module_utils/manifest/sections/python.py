"""Section `python`: the host's interpreter, the one that the app brings, what is installed beside packages."""

from __future__ import annotations

import glob
import os
import platform
import re
from typing import TYPE_CHECKING

from ...release.files.contents import Contents
from ...release.interpreter import SYSTEM, Interpreter, brought_by
from ..reading.live import differences, read_tree
from ..section import Collector

if TYPE_CHECKING:
    from ..reading.live import Live
    from ..reading.machine import Host, Section

UV = "/opt/samestack/uv/bin/uv"
#: As many changed files are named.
NAMED = 100
#: Where `pip install` puts what it is made to install outside of an environment.
LOCAL = (
    "/usr/local/lib/python3*/dist-packages",
    "/usr/local/lib/python3*/site-packages",
    "/root/.local/lib/python3*/*",
)
ASK = "import platform, sys; print(platform.python_version(), platform.python_implementation(), sys.version, sep='\\n')"


def distributions(names: list[str]) -> dict[str, str]:
    """Return {name: version} of the names of `*.dist-info` and `*.egg-info` folders."""
    found = [re.fullmatch(r"(.+?)-(\d[^-]*?)(-py[\d.]+)?\.(dist|egg)-info", name) for name in names]
    return {one[1].lower().replace("_", "-"): one[2] for one in found if one}


def collect(host: Host, live: Live | None = None) -> Section:
    """Return the section."""
    version, implementation, build = host.cache.finding("python", key(host, SYSTEM), lambda: ask(host, SYSTEM))
    section: Section = {"version": version, "implementation": implementation, "build": build}
    section["compiler"] = platform.python_compiler()
    if live and live.id and (brought := Interpreter.of(brought_by(live.place.finished))):
        python = brought.program
        version, _, build = host.cache.finding("app's python", key(host, python), lambda: ask(host, python))
        section |= {"app: name": brought.name, "app: version": version, "app: build": build}
        section["app: changed"] = changed(host, brought)
    if os.access(host.path(UV), os.X_OK):
        section["uv"] = host.cache.finding("uv", host.cache.digest(host.path(UV)), lambda: uv_version(host))
    for pattern in LOCAL:
        for folder in sorted(glob.glob(host.path(pattern))):
            for name, number in distributions(sorted(os.listdir(folder))).items():
                section[f"local:{name}"] = number
    return section


def key(host: Host, python: str) -> str:
    """Return what is another for another interpreter."""
    return f"{host.cache.digest(host.path(python))} {os.path.realpath(host.path(python))}"


def changed(host: Host, brought: Interpreter) -> list[str]:
    """Return the files of a Python that a release brought which are not what was unpacked, in words."""
    folder = host.path(brought.folder)
    listed = Contents.read(folder + ".contents")
    if not listed:
        return ["contents (missing)"]
    return differences(read_tree(host, os.path.join(folder, brought.key), set()), listed)[:NAMED]


def ask(host: Host, python: str) -> list[str]:
    """Ask the interpreter for its version, implementation and build."""
    version, implementation, *build = host.run(python, "-I", "-S", "-c", ASK).splitlines()
    return [version, implementation, " ".join(build)]


def uv_version(host: Host) -> str:
    """Return the version of the installer of packages."""
    words = host.run(UV, "--version").split()
    return words[1] if len(words) > 1 else ""


SECTIONS = (Collector("python", collect, slow=True),)
