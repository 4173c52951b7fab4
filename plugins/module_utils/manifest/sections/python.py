"""Section `python`: the interpreter that the application runs on, and what is installed beside the distribution's."""

from __future__ import annotations

import glob
import os
import platform
import re
from typing import TYPE_CHECKING

from ..section import Collector

if TYPE_CHECKING:
    from ..reading.machine import Host, Section

PYTHON = "/usr/bin/python3"
UV = "/opt/samestack/uv/bin/uv"
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


def collect(host: Host) -> Section:
    """Return the section."""
    version, implementation, build = host.cache.finding("python", interpreter(host), lambda: ask(host))
    section: Section = {"version": version, "implementation": implementation, "build": build}
    section["compiler"] = platform.python_compiler()
    if os.access(host.path(UV), os.X_OK):
        section["uv"] = host.cache.finding("uv", host.cache.digest(host.path(UV)), lambda: uv_version(host))
    for pattern in LOCAL:
        for folder in sorted(glob.glob(host.path(pattern))):
            for name, number in distributions(sorted(os.listdir(folder))).items():
                section[f"local:{name}"] = number
    return section


def interpreter(host: Host) -> str:
    """Return what is another for another interpreter."""
    return f"{host.cache.digest(host.path(PYTHON))} {os.path.realpath(host.path(PYTHON))}"


def ask(host: Host) -> list[str]:
    """Ask the interpreter for its version, implementation and build."""
    version, implementation, *build = host.run(PYTHON, "-I", "-S", "-c", ASK).splitlines()
    return [version, implementation, " ".join(build)]


def uv_version(host: Host) -> str:
    """Return the version of the installer of packages."""
    words = host.run(UV, "--version").split()
    return words[1] if len(words) > 1 else ""


SECTIONS = (Collector("python", lambda host, _live: collect(host)),)
