"""Section `venv`: every distribution in the live release's environment, with its version and a digest of its files."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from typing import TYPE_CHECKING

from ...common.folders import read_file
from ...common.held_folder import ANYBODY, PathError
from ..reading.live import no_release
from ..section import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..reading.live import Live, Tree
    from ..reading.machine import Host, Section

METADATA = re.compile(r"(lib/python[^/]*/site-packages)/([^/]+)\.(?:dist|egg)-info/METADATA$")
DIGITS = 16
#: What an installer writes about itself says nothing of the distribution.
NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def name_and_version(metadata: str) -> tuple[str, str]:
    """Return a distribution's normalised name (PEP 503) and its version."""
    fields = dict(re.findall(r"^(Name|Version): *(.*)$", metadata.split("\n\n", 1)[0], re.MULTILINE))
    return re.sub(r"[-_.]+", "-", fields.get("Name", "?")).lower(), fields.get("Version", "?")


def recorded(record: str) -> list[str]:
    """Return the paths that a RECORD lists."""
    return [row[0] for row in csv.reader(record.splitlines()) if row]


def digest_of(files: Iterable[str], tree: Tree) -> str:
    """Return a digest of the files' names and bytes; what an installer or Python makes of them is left out."""
    digest = hashlib.sha256()
    for path in sorted(files):
        if "__pycache__" not in path and os.path.basename(path) not in NOTES:
            digest.update(f"{path} {' '.join(tree.get(path, ('missing', '')))}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:DIGITS]


def collect(host: Host, live: Live) -> Section:
    """Return the section; raises MissingError where no release is live."""
    if not live.id:
        raise no_release(host)
    section: Section = {}
    known: set[str] = set()
    for path in [path for path in live.venv_tree if METADATA.match(path)]:
        name, version = name_and_version(read_text(os.path.join(live.venv, path)))
        folder = os.path.dirname(path)
        files = {os.path.normpath(os.path.join(os.path.dirname(folder), one)) for one in files_of(live, folder)}
        known |= files
        section[name] = f"{version} sha256:{digest_of(files, live.venv_tree)}"
    others = [path for path in live.venv_tree if "/site-packages/" in path and path not in known and is_code(path)]
    section["(of no distribution)"] = sorted(others)
    return section


def files_of(live: Live, folder: str) -> list[str]:
    """Return the files of the distribution whose metadata are in a folder, relative to what holds that."""
    try:
        return recorded(read_text(os.path.join(live.venv, folder, "RECORD")))
    except (OSError, PathError):
        return []


def read_text(path: str) -> str:
    """Return a file's text; raises OSError and PathError."""
    return read_file(path, ANYBODY).decode("utf-8", "surrogateescape")


def is_code(path: str) -> bool:
    """Return whether Python reads a file by itself."""
    return path.endswith((".py", ".pth", ".so")) and "__pycache__" not in path


SECTIONS = (Collector("venv", collect, after="release"),)
