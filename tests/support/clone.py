"""A clone of this project, as a person gets it, and the commands that a person types there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.support.browser import Browser

PROJECT = Path(__file__).resolve().parents[2]
#: Longer than any command of the front door takes, the building of a base box included
LIMIT = 600
#: What the tests' own tools set, and no person has
NOT_A_PERSONS = ("VIRTUAL_ENV", "PYTHONPATH", "ANSIBLE_", "MOLECULE_", "MAKE", "MFLAGS", "SAMESTACK_TEST")


class Clone:
    """A clone and what its commands said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""
        self.seconds: dict[str, float] = {}

    def run(self, *command: str, stdin: str = "", **environment: str) -> int:
        """Run a command as from a shell without a terminal; its output is kept. Returns the exit status."""
        own = {name: text for name, text in os.environ.items() if not name.startswith(NOT_A_PERSONS)}
        tools = str(Path(sys.executable).parent)
        own["PATH"] = ":".join(part for part in own["PATH"].split(":") if part != tools)
        start = time.monotonic()
        done = subprocess.run(
            command, cwd=self.folder, input=stdin, env=own | environment, timeout=LIMIT, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        self.seconds[" ".join(command)] = time.monotonic() - start
        self.output = done.stdout
        return done.returncode

    def samestack(self, *arguments: str, **environment: str) -> str:
        """Type a verb, which must go well; returns what it said."""
        return self.well("./samestack", *arguments, **environment)

    def make(self, *arguments: str, **environment: str) -> str:
        """Type one of make's aliases, which must go well; returns what it said."""
        return self.well("make", *arguments, **environment)

    def well(self, *command: str, **environment: str) -> str:
        """Run a command that must go well; returns what it said."""
        status = self.run(*command, **environment)
        assert status == 0, f"{' '.join(command)}: {status}\n{self.output[-6000:]}"
        return self.output

    def refuses(self, *arguments: str, **environment: str) -> str:
        """Type a verb, which must fail; returns what it said in one line of single spaces."""
        status = self.run("./samestack", *arguments, **environment)
        assert status != 0, f"samestack {' '.join(arguments)} went well:\n{self.output[-3000:]}"
        return re.sub(r"\s+", " ", self.output)

    def decide(self, file: str = "all/app.yml", **variables: object) -> None:
        """Change variables in a file of group_vars: app.yml is the one that a person edits first."""
        path = self.folder / "inventories/group_vars" / file
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump(values | variables, sort_keys=False), encoding="utf-8")

    def undo(self) -> None:
        """Take back what `decide` did."""
        subprocess.run(["git", "checkout", "--quiet", "inventories"], cwd=self.folder, check=True)

    def browser(self, printed: str) -> Browser:
        """Return a browser with the address and the authority that `./samestack up` printed."""
        found = re.search(r"curl --cacert (.+) https://(\S+)", printed)
        assert found, printed[-3000:]
        (authority,) = shlex.split(found[1])
        return Browser(found[2], found[2], Path(authority))


def suite(clone: Clone, folder: str) -> subprocess.CompletedProcess[str]:
    """Run other tests of the clone against its machine."""
    command = [sys.executable, "-m", "pytest", "-q", folder, "--ansible-inventory", "inventories/dev.yml"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("SAMESTACK_TEST_RESULTS", None)
    return subprocess.run(
        command,
        cwd=clone.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
