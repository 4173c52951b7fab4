"""Writes the list of Pythons that an application may have from uv's own: `python -m docs.pythons LIST`.

LIST is `download-metadata.json` of the sources of the uv that hosts get (its crate uv-python-managed, in the source
distribution on PyPI). To be run when the version of uv changes.
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


def rows(listed: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[tuple[int, int, str], str]]:
    """Yield (what sorts it, its line) of each build that a server could run."""
    for entry in listed.values():
        plain = entry["name"] == "cpython" and not (entry["variant"] or entry["prerelease"] or entry["arch"]["variant"])
        address = ADDRESS.fullmatch(entry["url"])
        if plain and address and entry["sha256"] and entry["minor"] >= OLDEST:
            version = f"{entry['major']}.{entry['minor']}.{entry['patch']}"
            date, architecture, flavour = address.groups()
            yield (
                (-entry["minor"], -entry["patch"], architecture),
                f"{version} {architecture} {date} {flavour} {entry['sha256']}\n",
            )


def main() -> None:
    """Write the table."""
    found = re.search(r'^UV_VERSION = "([^"]+)"', (ROOT / "box/setup.py").read_text(encoding="utf-8"), re.MULTILINE)
    listed = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    lines = [line for _order, line in sorted(rows(listed))]
    TABLE.write_text(HEAD.format(uv=found[1] if found else "?") + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
