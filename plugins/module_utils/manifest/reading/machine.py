"""What the manifest's collectors are given of a host: its files, its programs, and the key for what is secret."""

from __future__ import annotations

import io
import os
import pwd
import subprocess
from typing import TYPE_CHECKING, Any

from ...common.folders import read_file
from ...common.held_folder import ANYBODY, PathError
from .key import keyed
from .secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..section import Service
    from .cache import Cache

Value = str | int | bool | None | list[str]
Section = dict[str, Value]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What hangs is recorded as missing; the rest of the manifest does not wait for it.
PATIENCE_SECONDS = 60
# dpkg's own list of a large machine has some 10 MiB.
LARGEST_FILE = 64 << 20
# How much of a program's complaint is kept
COMPLAINT_LENGTH = 200


class MissingError(Exception):
    """A part of the manifest cannot be had; the text says why."""


class NotHereError(MissingError):
    """A part of the manifest is none of this host's, as it was decided: nothing is missing."""


class StrangeError(MissingError):
    """A file is not read because of what it is, or of who put it there."""


class Host:
    """This host, as collectors see it. Each runs in a thread of its own."""

    def __init__(self, config: Mapping[str, Any], key: str, cache: Cache, root: str = "/") -> None:
        """Take what role parity wrote down, the key in hex, what earlier recordings know, and where `/` is."""
        self.config = config
        self.key = key
        self.cache = cache
        self.root = root
        self.missing: dict[str, str] = {}
        # Which of them are not to be here
        self.not_here: set[str] = set()
        #: What the files of sections say of their services
        self.services: Sequence[Service] = ()
        self.secrets = Secrets(self)

    def path(self, path: str) -> str:
        """Return where a path of the host is."""
        return path if self.root == "/" else os.path.join(self.root, path.lstrip("/"))

    def read(self, path: str) -> str:
        """Return a file's text; raises MissingError, also for what somebody put there who is not its owner."""
        try:
            content = read_file(self.path(path), ANYBODY, LARGEST_FILE)
        except OSError as error:
            raise MissingError(f"{path}: {error.strerror}") from None
        except PathError as error:
            raise StrangeError(str(error)) from None
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="surrogateescape").read()

    def text(self, path: str) -> str:
        """Return a file's text, "" where there is none; what is not read because of who put it there is recorded."""
        try:
            return self.read(path)
        except StrangeError as strange:
            self.miss(f"files/{path}", str(strange))
        except MissingError:
            pass
        return ""

    def run(self, *command: str, user: str = "", stdin: str = "", environment: Mapping[str, str] | None = None) -> str:
        """Return what a program prints, whatever it complains of; raises MissingError when it is not there or fails."""
        code, out, err = self.ask(*command, user=user, stdin=stdin, environment=environment)
        if code:
            complaint = " ".join(err.split())[:COMPLAINT_LENGTH]
            raise MissingError(
                f"`{' '.join(command[:3])}` failed: {self.secrets.masked(complaint) or f'exit code {code}'}"
            )
        return out

    def ask(
        self, *command: str, user: str = "", stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        """Return a program's (exit code, output, complaints); raises MissingError when it is not there or hangs."""
        given: dict[str, Any] = {}
        if user:
            account = pwd.getpwnam(user)
            given = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, errors="surrogateescape", check=False, cwd="/",
                timeout=PATIENCE_SECONDS, env={"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/", **(environment or {})},
                **given,
            )  # fmt: skip
        except FileNotFoundError:
            raise MissingError(f"{command[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise MissingError(f"`{' '.join(command[:3])}` did not answer within {PATIENCE_SECONDS} s") from None
        return done.returncode, done.stdout, done.stderr

    def keyed(self, content: bytes | str) -> str:
        """Return what stands for a secret content."""
        return str(keyed(self.key, content))

    def miss(self, part: str, why: str) -> None:
        """Record that a part (`section/key`) is missing."""
        self.missing[part] = why
