"""Which Python a release runs on: the host's own, or a build of CPython that its inputs name by version and digest."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The host's own
SYSTEM = "/usr/bin/python3"
#: Where hosts keep the others: root's, one copy for all applications, each in a folder named after its digest
HOME = "/opt/samestack/python"
NAME = re.compile(r"(cpython-(3\.\d{1,2})\.\d{1,3}-linux-(?:x86_64|aarch64)-gnu) sha256:([0-9a-f]{64})")
#: How much of the digest names the folder
DIGITS = 12


@dataclass(frozen=True)
class Interpreter:
    """A build of CPython: its key, as uv has it, version (3.12), and the digest of the archive that it comes in."""

    key: str
    minor: str
    sha256: str

    @classmethod
    def of(cls, name: str) -> Interpreter | None:
        """Return what the inputs of a release name; None for the host's own Python, which they name by its version."""
        match = NAME.fullmatch(name)
        return cls(*match.groups()) if match else None

    @property
    def name(self) -> str:
        """Return how the inputs of a release name it."""
        return f"{self.key} sha256:{self.sha256}"

    @property
    def folder(self) -> str:
        """Return its folder on a host."""
        return os.path.join(HOME, self.sha256[:DIGITS])

    @property
    def program(self) -> str:
        """Return the path of the interpreter on a host."""
        return os.path.join(self.folder, self.key, "bin", f"python{self.minor}")


def brought_by(release: Mapping[str, Any] | None) -> str:
    """Return the Python that a release brings, by what its release.json holds; "" where it takes the host's own."""
    name = str(((release or {}).get("inputs") or {}).get("python", ""))
    return name if Interpreter.of(name) else ""


def program_of(name: str) -> str:
    """Return the path of the Python that the inputs of a release name."""
    interpreter = Interpreter.of(name)
    return interpreter.program if interpreter else SYSTEM
