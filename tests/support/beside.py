"""A machine that a scenario has beside those of the inventory: what the outside world is to them."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class MachineBeside:
    """The machine, over ssh."""

    def __init__(self, ssh_config: Path, name: str) -> None:
        """Take the connections of a scenario, and the machine's name in them."""
        self._ssh = ["ssh", "-F", str(ssh_config), name]
        shown = subprocess.run([*self._ssh, "-G"], check=True, capture_output=True, text=True).stdout
        self.address = next(line.split()[1] for line in shown.splitlines() if line.startswith("hostname "))

    def run(self, script: str, stdin: str | bytes = "") -> str:
        """Return the output of a shell script, run as root, that must succeed."""
        command = [*self._ssh, f"sudo sh -ec {shlex.quote(script)}"]
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(command, input=given, capture_output=True, check=False)
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, f"{script}\n{said}{done.stderr.decode(errors='replace')}"
        return said

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        self.run(f"mkdir -p $(dirname {path}); cat > {path}", text)
