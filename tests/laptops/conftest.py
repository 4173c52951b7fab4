"""A computer as a person has it: its release from SAMESTACK_LAPTOP, nothing of this project on it but a clone.

It is a container that may make containers itself. What an office gives its computers it has as well: the certificates
that this computer trusts beside the usual ones, without which nothing could be downloaded in such an office.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.clone import PROJECT
from tests.support.project import clone_project

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = PROJECT / "box" / "host"
KEY = PROJECT / ".samestack" / "box" / "ssh_key"
AUTHORITIES = Path("/usr/local/share/ca-certificates")
RELEASE = os.environ.get("SAMESTACK_LAPTOP", "trixie")
NAME = f"laptop-{RELEASE}"
#: Longer than the longest command: from nothing to a served page
LIMIT = 1500


class Laptop:
    """The computer, and what a person types in the clone on it, as a user who may use sudo."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.output = ""

    def run(self, command: str, *, stdin: bytes = b"", folder: str = "samestack") -> int:
        """Run a line of shell in a folder of the home; what it said is kept. Returns its exit status."""
        trust = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        argv = ["ssh", "-i", str(KEY), *trust, f"vagrant@{self.address}", f"cd ~/{folder} && {command}"]
        done = subprocess.run(
            argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, check=False
        )
        self.output = done.stdout.decode(errors="replace")
        return done.returncode

    def well(self, command: str, *, stdin: bytes = b"", folder: str = "samestack") -> str:
        """Run a line that must go well; returns what it said."""
        status = self.run(command, stdin=stdin, folder=folder)
        assert status == 0, f"{command}: {status}\n{self.output[-6000:]}"
        return self.output

    def refused(self, command: str) -> str:
        """Run a line that must fail; returns what it said in one line of single spaces."""
        assert self.run(command) != 0, self.output[-3000:]
        return re.sub(r"\s+", " ", self.output)


def packed(folder: Path) -> bytes:
    """Return what is in a folder as an archive."""
    return subprocess.run(["tar", "-C", str(folder), "-cf", "-", "."], check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """The computer with a clone of what is being tested, and python3 and git."""
    made = subprocess.run([str(HOST), "laptop", NAME, RELEASE], check=True, stdout=subprocess.PIPE, text=True)
    try:
        found = Laptop(made.stdout.strip())
        if AUTHORITIES.is_dir():
            found.well(f"sudo tar -C {AUTHORITIES} -xf -", stdin=packed(AUTHORITIES), folder="")
            found.well("sudo update-ca-certificates", folder="")
        found.well("sudo apt-get -q update && sudo apt-get -qy install git curl", folder="")
        clone = tmp_path_factory.mktemp("clone") / "samestack"
        clone_project(PROJECT, clone)
        found.well("mkdir samestack && tar -C samestack --no-same-owner -xf -", stdin=packed(clone), folder="")
        yield found
    finally:
        subprocess.run([str(HOST), "down", NAME], check=True)
