"""A computer as a person has it: nothing of this project on it but a clone.

It is a container that may make containers itself. What an office gives its computers it has as well: the certificates
that this computer trusts beside the usual ones, without which nothing could be downloaded in such an office.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from box.common import SSH_KEY
from tests.support.clone import PROJECT
from tests.support.project import clone_project

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = PROJECT / "box" / "host"
KEY = SSH_KEY
AUTHORITIES = Path("/usr/local/share/ca-certificates")
#: Longer than the longest command: from nothing to a served page
LIMIT = 1500


class Laptop:
    """The computer, and what a person types in the clone on it, as a user who may use sudo."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.output = ""

    def run(self, command: str, *, stdin: bytes = b"", folder: str = "samestack", seconds: int = LIMIT) -> int:
        """Run a line of shell in a folder of the home; what it said is kept. Returns its exit status."""
        trust = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        argv = ["ssh", "-i", str(KEY), *trust, f"vagrant@{self.address}", f"cd ~/{folder} && {command}"]
        done = subprocess.run(
            argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False
        )
        self.output = done.stdout.decode(errors="replace")
        return done.returncode

    def well(self, command: str, *, stdin: bytes = b"", folder: str = "samestack", seconds: int = LIMIT) -> str:
        """Run a line that must go well; returns what it said."""
        status = self.run(command, stdin=stdin, folder=folder, seconds=seconds)
        assert status == 0, f"{command}: {status}\n{self.output[-6000:]}"
        return self.output

    def refused(self, command: str) -> str:
        """Run a line that must fail; returns what it said in one line of single spaces."""
        assert self.run(command) != 0, self.output[-3000:]
        return re.sub(r"\s+", " ", self.output)


def packed(folder: Path) -> bytes:
    """Return what is in a folder as an archive."""
    return subprocess.run(["tar", "-C", str(folder), "-cf", "-", "."], check=True, capture_output=True).stdout


@contextlib.contextmanager
def fresh(name: str, release: str, folder: Path) -> Iterator[Laptop]:
    """Yield the computer with a clone of what is being tested, and python3 and git; a folder here is for the clone."""
    made = subprocess.run([str(HOST), "laptop", name, release], check=True, stdout=subprocess.PIPE, text=True)
    try:
        found = Laptop(made.stdout.strip())
        if AUTHORITIES.is_dir():
            found.well(f"sudo tar -C {AUTHORITIES} -xf -", stdin=packed(AUTHORITIES), folder="")
            found.well("sudo update-ca-certificates", folder="")
        found.well("sudo apt-get -q update && sudo apt-get -qy install git curl", folder="")
        clone = folder / "samestack"
        clone_project(PROJECT, clone)
        found.well("mkdir samestack && tar -C samestack --no-same-owner -xf -", stdin=packed(clone), folder="")
        yield found
    finally:
        subprocess.run([str(HOST), "down", name], check=True)
