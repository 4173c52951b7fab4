"""Writes the list of Pythons that an application may have from uv's own: `python -m docs.pythons LIST`.

LIST is `download-metadata.json` of the sources of the uv that hosts get (its crate uv-python-managed, in the source
distribution on PyPI). To be run when the version of uv changes. Builds that uv has replaced by newer ones of the same
version stay: releases that were built with them are promoted and rolled back to.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "plugins/plugin_utils/project/pythons.txt"
HEAD = """\
# Builds of CPython for Linux by python-build-standalone, as uv {uv} knows them; written by `python -m docs.pythons`.
# version, architecture, date of the build, flavour, sha256 of the archive
"""
#: The first that what runs in the application's Python is written for
OLDEST = 9
ADDRESS = re.compile(r".*/(\d{8})/cpython-[\d.]+%2B\1-(x86_64|aarch64)-unknown-linux-gnu-(install_only\w*)\.tar\.gz")


def lines_of(listed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the line of each build that a server could run."""
    for entry in listed.values():
        plain = entry["name"] == "cpython" and not (entry["variant"] or entry["prerelease"] or entry["arch"]["variant"])
        address = ADDRESS.fullmatch(entry["url"])
        if plain and address and entry["sha256"] and entry["minor"] >= OLDEST:
            version = f"{entry['major']}.{entry['minor']}.{entry['patch']}"
            yield " ".join([version, address[2], address[1], address[3], entry["sha256"]])


def order(line: str) -> tuple[list[int], str, str]:
    """Return what sorts a line: newest version first, and of one version the newest build."""
    version, architecture, date, *_ = line.split()
    return [-int(part) for part in version.split(".")], architecture, str(99999999 - int(date))


def merged(text: str, listed: Mapping[str, Mapping[str, Any]], uv: str) -> str:
    """Return the table with what uv lists now, and what it had before."""
    before = [line for line in text.splitlines() if line and not line.startswith("#")]
    lines = sorted({*before, *lines_of(listed)}, key=order)
    return HEAD.format(uv=uv) + "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Write the table."""
    found = re.search(r'^UV_VERSION = "([^"]+)"', (ROOT / "box/setup.py").read_text(encoding="utf-8"), re.MULTILINE)
    listed = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    before = TABLE.read_text(encoding="utf-8") if TABLE.is_file() else ""
    TABLE.write_text(merged(before, listed, found[1] if found else "?"), encoding="utf-8")


if __name__ == "__main__":
    main()
