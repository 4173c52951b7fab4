"""What the archives of the laptops' releases have: `python -m docs.laptops` writes docs/laptops.md.

    python -m docs.laptops            from docs/laptops.json as it is
    python -m docs.laptops --fetch    reads the indices of Debian's archive into docs/laptops.json first

What is known of Ubuntu's archive comes from the pages of packages.ubuntu.com and is written by hand.
"""

from __future__ import annotations

import datetime
import json
import lzma
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from box.common import run
from box.laptops import ENVIRONMENTS, LAPTOPS, MACHINES
from box.public_boxes import BOXES, CATALOGUE_ENDS

PAGE = Path(__file__).with_suffix(".md")
DATA = Path(__file__).with_suffix(".json")
MIRROR = "http://deb.debian.org/debian"
#: What the table has beside the packages that are installed: what they were chosen from, and what Python runs box/
MORE = ("vagrant", "vagrant-lxc", "vagrant-libvirt", "incus", "python3", "python3.11")
WANTED = [*MACHINES, *ENVIRONMENTS, *dict.fromkeys(key for laptop in LAPTOPS.values() for key in laptop.keys), *MORE]
PACKAGES = """\
# Laptops: packages and boxes

Written by `python -m docs.laptops`; a test compares. The page to read is [the local machine](local-machines.md).

## What the archive of each release has

`./samestack up` installs {installed}, and {environments}
if Python cannot make environments. In the table, "no" means that the archive does not have it, "yes" that it has it
(nobody noted the version), and "?" that nobody looked: such a package is installed only if apt has it.
"""
SOURCES = """
Where this comes from (`python -m docs.laptops --fetch` reads Debian's indices again):
"""
BOXES_HEAD = """
## Boxes for hypervisors

Pinned in `box/public_boxes.py`. The catalogue itself was not asked: the date is that of the published list that has
the entry. No test of this project starts one; `./samestack soak` starts libvirt's from Debian's archive, below.
"""
END = f"""
HashiCorp closes the public catalogue on {CATALOGUE_ENDS}. From then on, or for a box of your own:
`SAMESTACK_BOX_URL=https://boxes.example.org/noble.box ./samestack up`.

With libvirt no catalogue is needed: `SAMESTACK_BOX_URL=archive VAGRANT_DEFAULT_PROVIDER=libvirt ./samestack up` builds
the box on this computer from Debian's archive, Debian 13 or the one in `SAMESTACK_BOX_RELEASE`, for Intel's and AMD's
processors: a disk with Debian's own kernel, which only this computer's ssh key opens. Install what runs it first:
`sudo apt install vagrant vagrant-libvirt libvirt-daemon-system qemu-system-x86`, and `sudo adduser $USER libvirt`. The
live folder comes by virtiofs: files have the same owner inside and outside. Other than in a container, a command that
writes into the project (`makemigrations`) may do so only where everybody may: `chmod o+w board/migrations` before it.
Without KVM the processor is emulated, and all takes ten times as long.
"""


def known() -> dict[str, Any]:
    """Return what docs/laptops.json says, by release: `checked`, `source`, and `packages`, a version for each name.

    A package that the archive does not have is None there; one that was not looked up is missing.
    """
    content: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return content


def index_of(suite: str) -> dict[str, str]:
    """Return the version of every package of a Debian release, from the index of its archive."""
    with tempfile.TemporaryDirectory() as folder:
        got = Path(folder) / "Packages.xz"
        # apt's own client: it knows this computer's proxies.
        address = f"{MIRROR}/dists/{suite}/main/binary-amd64/Packages.xz"
        run(["/usr/lib/apt/apt-helper", "download-file", address, str(got)])
        text = lzma.decompress(got.read_bytes()).decode()
    versions = {}
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line.startswith(("Package: ", "Version: ")))
        if fields:
            versions[fields["Package"]] = fields["Version"]
    return versions


def fetch() -> None:
    """Write into docs/laptops.json what Debian's archive has today."""
    content = known()
    for suite, laptop in LAPTOPS.items():
        if laptop.title.startswith("Debian"):
            index = index_of(suite)
            content[suite] = {
                "checked": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
                "source": f"the index of {MIRROR}",
                "packages": {name: index.get(name) for name in WANTED},
            }
    DATA.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def short(version: str) -> str:
    """Return a version as people say it, without the epoch and what the distribution adds."""
    return re.split("[-+~]", version.rpartition(":")[2])[0]


def cell(packages: dict[str, str | None], name: str) -> str:
    """Return what the table says of a package."""
    if name not in packages:
        return "?"
    version = packages[name]
    return short(version) if version else "no"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table's lines."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def page() -> str:
    """Return the whole page."""
    content = known()
    releases = list(LAPTOPS)
    packages = [
        [f"`{name}`", *(cell(content[suite]["packages"], name) for suite in releases)] for name in sorted(WANTED)
    ]
    sources = [
        f"- {LAPTOPS[suite].title}: {content[suite]['source']}, {content[suite]['checked']}" for suite in releases
    ]
    boxes = [
        [
            f"`{suite}`",
            f"`{box.name}`",
            f"`{box.version}`",
            ", ".join(box.providers),
            ", ".join(box.architectures),
            box.seen,
        ]
        for suite, entries in BOXES.items()
        for box in entries
    ]
    installed, environments = (", ".join(f"`{name}`" for name in names) for names in (MACHINES, ENVIRONMENTS))
    head = ["", *(LAPTOPS[suite].title for suite in releases)]
    return "\n".join(
        [
            PACKAGES.format(installed=installed, environments=environments),
            *table(head, packages),
            SOURCES,
            *sources,
            BOXES_HEAD,
            *table(["release", "box", "version", "for", "processors", "listed"], boxes),
            END,
        ]
    )


if __name__ == "__main__":
    if "--fetch" in sys.argv[1:]:
        fetch()
    PAGE.write_text(page(), encoding="utf-8")
