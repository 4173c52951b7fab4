"""A Python that a release can bring, from uv's own kind of list: an archive that a test packs.

It holds a machine's own Python under another patch's version: what is fetched, compared, unpacked, sealed, built with
and served from is the real path, whatever the network has.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machines import Machine

PACK = """
cd /usr
minor=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
tar -c --dereference --transform 's,^,python/,' --exclude '*/__pycache__' --exclude '*/config-*' --exclude '*/test' \
    --exclude '*/sitecustomize.py' "bin/python$minor" "lib/python$minor" | gzip -1 | base64 -w 0
"""
PATCH = 99


def pack(machine: Machine, folder: Path) -> tuple[str, str]:
    """Write an archive, and `list.json` that leads to it, into a folder; returns the version and the digest."""
    minor = ".".join(machine.facts["python"].split(".")[:2])
    version, architecture = f"{minor}.{PATCH}", machine.facts["architecture"]
    path = folder / f"cpython-{version}-20261101-{architecture}-unknown-linux-gnu-install_only_stripped.tar.gz"
    path.write_bytes(base64.b64decode(machine.run(PACK)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = {
        "name": "cpython", "arch": {"family": architecture, "variant": None}, "os": "linux", "libc": "gnu", "major": 3,
        "minor": int(minor.split(".")[1]), "patch": PATCH, "prerelease": "", "url": f"file://{path}", "sha256": digest,
        "variant": None, "build": "20261101",
    }  # fmt: skip
    listed = {f"cpython-{version}-linux-{architecture}-gnu": entry}
    (folder / "list.json").write_text(json.dumps(listed), encoding="utf-8")
    return version, digest
