"""Runs an application's tests against a sealed release, as strangers: as the steps of its build, without a network.

The release is where it serves, its very bytes, and can be read alone. What tests need beside it lies beside it: an
environment with what the project is developed with, made by the same Python from the same lock, that comes second; and
servers of the kinds that the release is going to find, which are the tests' own. They run in the unit of the command
that they are for, as its account, with folders that go with it: whatever ends it, nothing of them is left, and the
next build or test on this machine takes away what a power cut has left.
"""

from __future__ import annotations

import glob
import os
import shlex
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ..common import text
from ..common.errors import HostError
from . import environment, testing, writable
from .builder import Builder
from .install import fetched_environment
from .sandbox import INSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Lines of what failing tests print that people are shown
SHOWN = 40
HOME, SCRIPT = os.path.join(INSIDE, "home"), os.path.join(INSIDE, "tests")
# A server asks who it runs as, and the account of a build is in no file.
ACCOUNTS = "root:x:0:0:root:/root:/usr/sbin/nologin\n{name}:x:{uid}:{uid}::{home}:/bin/sh\n"
#: A server that does not start, as the command's exit code and in words; and how one is started and ended around it
NOT_STARTED, SAID = 125, "of the tests did not start"
START = (
    'export SCRATCH={at}\n/bin/sh -ec {text} || {{ tail -n 20 "$SCRATCH/log"; echo "{name} {said}"; exit {code}; }}\n'
)
STOP = "export SCRATCH={at}\n/bin/sh -ec {text} || true\n"
RUN = '/bin/sh -ec "$1"\nstatus=$?\n'


class Trial(Builder):
    """The tests of one release on one host."""

    WHAT_FAILED = "cannot be tested"

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters."""
        release = dict(params["release"])
        own = release.get("tests") or {}
        release["development"] = own.get("development") or {}
        super().__init__({**params, "release": release, "commits": []})
        #: The packages of the release itself, and those that its tests have
        self.served = self.venv
        self.vid = own.get("vid") or os.path.basename(self.served)
        self.venv = os.path.join(self.place.venvs, self.vid)
        self.commands: Sequence[str] = params["commands"]
        self.servers: Sequence[dict[str, str]] = params["servers"]

    @property
    def who(self) -> str:
        """Return whose run this is."""
        return str(self.params["run"].get("who", ""))

    def skipped(self, reason: str) -> dict[str, Any]:
        """Return the record of tests that somebody does not want."""
        return testing.record(self.place, self.commands, testing.SKIPPED, who=self.who, reason=reason)

    def test(self) -> dict[str, Any]:
        """Run every command, to the first that fails; returns the record. Raises HostError where none can run."""
        began, failed = time.monotonic(), ""
        try:
            with self.sandbox:
                try:
                    self.install()
                    self.prepare()
                    with self.steps.step("tests"):
                        for command in self.commands:
                            failed = self.run_command(command)
                            if failed:
                                break
                finally:
                    self.sandbox.take_away(fetched_environment(self))
        except OSError as error:
            raise HostError(f"Release {self.place.id} cannot be tested: {error}") from error
        result = testing.FAILED if failed else testing.PASSED
        more = {"reason": failed, "seconds": round(time.monotonic() - began, 1), "vid": self.vid}
        return testing.record(self.place, self.commands, result, who=self.who, **more)

    def prepare(self) -> None:
        """Make what tests may write to: the application's folders as they are at first, empty ones for servers."""
        shared = self.sandbox.make("shared")
        folders = [os.path.relpath(environment.media(self), os.path.join(self.params["root"], "shared"))]
        folders += [os.path.join("paths", path) for path in self.writable_paths]
        for name in folders:
            os.makedirs(os.path.join(shared, name), exist_ok=True)
        initial = self.place.path(writable.INITIAL)
        if self.writable_paths and os.path.isdir(initial):
            # What root has sealed, into a folder that nothing has run in yet
            shutil.copytree(initial, os.path.join(shared, "paths"), symlinks=True, dirs_exist_ok=True)
        subprocess.run(["chown", "-R", "-h", str(self.sandbox.uid), "--", shared], check=True, capture_output=True)
        for server in self.servers:
            self.sandbox.make(f"server-{server['name']}")
        self.write("passwd", ACCOUNTS.format(name=self.sandbox.name, uid=self.sandbox.uid, home=HOME))

    def write(self, name: str, content: str) -> None:
        """Write a file of root's that tests read."""
        with open(self.sandbox.path(name), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)

    def run_command(self, command: str) -> str:
        """Run one command of the tests; returns "" where it succeeds, else how it ended and the end of what it said."""
        given = {os.path.join(self.params["root"], "shared"): self.sandbox.path("shared")}
        given |= {server["at"]: self.sandbox.path(f"server-{server['name']}") for server in self.servers}
        given[HOME] = self.sandbox.make(f"home-{self.sandbox.steps}")
        words = {"said": SAID, "code": str(NOT_STARTED)}
        parts = [START.format(**server | words | {"text": shlex.quote(server["start"])}) for server in self.servers]
        # What has files is to close them: the next command goes on with those.
        parts += [RUN, *(STOP.format(**server | {"text": shlex.quote(server["stop"])}) for server in self.servers)]
        # In a file: a unit is called after its command line, in the journal too.
        self.write("script", "".join([*parts, "exit $status\n"]))
        shown = [f"{self.sandbox.path('passwd')}:/etc/passwd", f"{self.sandbox.path('script')}:{SCRIPT}"]
        done = self.attempt(
            ["/bin/sh", SCRIPT, command], self.place.path("app"), env=self.values(), given=given,
            more=["BindReadOnlyPaths=" + " ".join(shown)],
        )  # fmt: skip
        if not done.returncode:
            return ""
        if done.returncode == NOT_STARTED and SAID in done.stdout:
            raise HostError(
                f"Release {self.place.id} {self.WHAT_FAILED}: {text.last_lines(done.stdout + done.stderr)}",
                "Run `./samestack provision`: it installs what tests need on the machine that builds.",
            )
        return f"`{command}` ended with {done.returncode}.\n{text.last_lines(done.stdout + done.stderr, SHOWN)}"

    def values(self) -> dict[str, str]:
        """Return the environment of the tests: the build's, the addresses of their servers, no secret."""
        values = environment.of_build(self)
        given: Mapping[str, str] = self.params["build_env"]
        for name, value in self.params["environment"].items():
            if value is not None:
                values[name] = str(value)
            elif name not in given:
                # A secret: something harmless stands in for it, by what it is called.
                suiting = (self.release.get("stand_ins") or {}).get(name)
                values[name] = suiting or environment.stand_in(name, self.params["stand_ins"])
        if self.venv != self.served:
            # What the release brings comes first, so that its own bytes are tested.
            packages = glob.glob(os.path.join(glob.escape(self.served), "lib", "python*", "site-packages"))
            values["PYTHONPATH"] = ":".join([values["PYTHONPATH"], *packages])
            values["VIRTUAL_ENV"] = self.venv
            values["PATH"] = f"{self.venv}/bin:{values['PATH']}"
        return {**values, **environment.own_folders()}
