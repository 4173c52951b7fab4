"""Brings a file of root's from a host, or to it, over ssh: never through a folder that others there may look into."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from ..connection.target import OPTIONS as VARIABLES
from ..connection.target import Target, connection_variables, sudo_password
from ..errors import SamestackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OPTIONS = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4", "ForwardAgent=no")
OWN_FILE, OWN_FOLDER = 0o600, 0o700
CHUNK = 1 << 20
#: Where what is sent begins, behind a password that sudo has read, or has not asked for
BEGIN = "samestack-begins"
FROM_BEGIN = f'while IFS= read -r line; do [ "$line" = {BEGIN} ] && break; done; '
LAST_WORDS = 4096


@dataclass(frozen=True)
class Remote:
    """A host, and how its root is reached."""

    name: str
    target: Target
    user: str
    password: str

    @classmethod
    def of(cls, action: Any, task_vars: Mapping[str, Any]) -> Remote:
        """Return the host on which an action's task runs, `delegate_to` or not."""
        name = str(action._task.delegate_to or task_vars["inventory_hostname"])
        known = task_vars["hostvars"][name]
        values = connection_variables(action._connection)
        address = {"ansible_host": known["ansible_host"]} if known.get("ansible_host") else {}
        given = {one: values[one] for one in VARIABLES if values.get(one)}
        target = Target.of({**address, **given, "inventory_hostname": name})
        user = str(values.get("ansible_user") or action._play_context.remote_user or "root")
        return cls(name, target, user, sudo_password(known, action._play_context))

    def argv(self, command: str) -> list[str]:
        """Return the words that run a command as its root; a password for sudo is the first line of its input."""
        words = shlex.join(["sh", "-c", command])
        if self.user != "root":
            words = f"{'sudo -S -p' if self.password else 'sudo -n'} {shlex.quote('') if self.password else ''} {words}"
        return self.target.argv(self.user, words, *OPTIONS)

    def start(self, command: str, said: IO[bytes], stdout: Any) -> subprocess.Popen[bytes]:
        """Start a command there; what it says goes to a file: nobody listens while it is given something."""
        words = self.argv(FROM_BEGIN + command)
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=stdout, stderr=said)
        assert process.stdin is not None
        password = f"{self.password}\n" if self.password and self.user != "root" else ""
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{password}{BEGIN}\n".encode())
            process.stdin.flush()
        return process

    def bring(self, command: str, path: Path) -> None:
        """Write what a command prints to a file of our own; raises SamestackError, and then there is no file."""
        with own_file(path) as file, tempfile.TemporaryFile() as said:
            process = self.start(command, said, file)
            assert process.stdin is not None
            process.stdin.close()
            self.finish(process, said)

    def send(self, source: IO[bytes], command: str) -> str:
        """Give a command there all that a file has; returns the SHA-256 of that. Raises SamestackError."""
        sent = hashlib.sha256()
        with tempfile.TemporaryFile() as said:
            process = self.start(command, said, subprocess.DEVNULL)
            assert process.stdin is not None
            # The command may be gone before it has read all: what it said counts then.
            with contextlib.suppress(BrokenPipeError):
                while block := source.read(CHUNK):
                    sent.update(block)
                    process.stdin.write(block)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            self.finish(process, said)
        return sent.hexdigest()

    def finish(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        """Wait for a command's end; raises SamestackError with the last that it said."""
        if process.wait():
            said.seek(max(said.seek(0, os.SEEK_END) - LAST_WORDS, 0))
            text = said.read().decode(errors="replace").strip()
            last = text.splitlines()[-1] if text else f"it ended with {process.returncode}"
            raise SamestackError(f"The copy did not get through to or from {self.name}: {last}")


def beside(file: Path, what: str) -> Path:
    """Return the file of ours that goes along with a copy."""
    return file.with_name(f"{file.name}.{what}")


@contextlib.contextmanager
def own_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that nobody else reads, in a folder that nobody else looks into; gone where the block fails."""
    path.parent.mkdir(mode=OWN_FOLDER, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(path, flags, OWN_FILE), "wb") as file:
            os.fchmod(file.fileno(), OWN_FILE)
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
