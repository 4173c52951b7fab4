"""Runs the steps of a build as strangers: each in a transient unit that sees and keeps nothing but what it was given.

What a build runs (a dependency's setup.py, the project's own commands) is anybody's code. So a build has an account
that exists for this build alone (DynamicUser of systemd.exec(5), held by a unit without a process), a folder of its
own that is shown to it at the release's final place, and no network. When a step's first process ends, all others of
its control group are killed. What fetches has the network and an account of its own, and can start no Python.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, Any

from ..common import priority
from ..common.errors import HostError
from . import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Where a step finds its home and what was fetched for it
INSIDE = "/run/build"
NAME = re.compile(r"build-[0-9a-f]{8}")
#: Bytes of what a step prints that are kept, of the end
KEPT_BYTES = 8 << 20
#: Seconds that one step may take: a build is a matter of minutes
PATIENCE = 3600
#: The first systemd.exec(5) that has PrivatePIDs
PRIVATE_PIDS = 257
# What no step needs to see, "-" where there may be none
HIDDEN = ("-/var/lib/samestack", "-/etc/samestack", "-/var/lib/postgresql", "-/var/log", "-/boot")
COMMON = (
    "Type=exec",
    "UMask=0022",
    "KillMode=control-group",
    # What outlives a step's first process has nothing to tidy up.
    "KillSignal=SIGKILL",
    "TimeoutStopSec=10",
    f"RuntimeMaxSec={PATIENCE}",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=tmpfs",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateIPC=yes",
    "KeyringMode=private",
    "ProtectProc=invisible",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "LockPersonality=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    "LimitCORE=0",
    "LimitNPROC=4096",
    "TasksMax=4096",
    "LimitFSIZE=4G",
    # Sockets of other services lie in /run, other applications in /srv; /dev/shm outlives a process.
    "TemporaryFileSystem=/run:mode=0755 /srv:mode=0755 /dev/shm:mode=1777",
    "InaccessiblePaths=" + " ".join(HIDDEN),
)
NO_NETWORK = ("PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK")
MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
#: The account of a step whose command becomes somebody else by itself
ROOT = "root"
# Where files of builds may lie
WRITABLE = ("/srv", "/run", "/var")
RESOLV_CONF = "/etc/resolv.conf"


@dataclass
class Step:
    """A command, as it sees the machine.

    `cwd` is its folder and `env` its environment, which nobody else can read. `given` is what it may write to: the
    path as the step sees it, and the real one. `more` are further properties of the unit; where none is about the
    network there is none. `account` is the user that it runs as, "" the build's own. It reads the file `stdin`, or
    `text`.
    """

    command: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    given: Mapping[str, str]
    more: Sequence[str] = ()
    account: str = ""
    stdin: IO[bytes] | None = None
    text: str = ""


class Sandbox:
    """The units of one build, and its folder below `home`, which is root's alone."""

    def __init__(self, home: str, spare: int = 0) -> None:
        """Take the folder in which builds have theirs, and the bytes that have to stay free on its disk."""
        self.home, self.spare = home, spare
        self.name = f"build-{secrets.token_hex(4)}"
        self.folder = os.path.join(home, self.name)
        self.uid = 0
        self.pids: list[str] = []
        self.steps = 0

    def __enter__(self) -> Sandbox:
        """Clear away what builds that were cut off left, make the folder, and have systemd make the account."""
        os.makedirs(self.home, exist_ok=True)
        for name in os.listdir(self.home):
            end(name, os.path.join(self.home, name))
        os.mkdir(self.folder, 0o700)
        try:
            self.hold()
        except (HostError, OSError):
            end(self.name, self.folder)
            raise
        return self

    def hold(self) -> None:
        """Have systemd make the account; raises HostError."""
        # Without a process: it is there for the account, which systemd keeps as long as any unit has it.
        holder = ["Type=oneshot", "RemainAfterExit=yes", "DynamicUser=yes", f"User={self.name}"]
        command = ["systemd-run", "--quiet", f"--unit={self.name}-account", *options(holder)]
        self.pids = private_pids()
        started = call([*command, *options(self.pids), "--", "/bin/true"])
        if started.returncode and self.pids:
            # Not every container may make such a namespace.
            self.pids = []
            call(["systemctl", "reset-failed", f"{self.name}-account.service"])
            started = call([*command, "--", "/bin/true"])
        if started.returncode:
            raise HostError(f"systemd makes no account to build with: {started.stderr.strip()}")
        asked = [*MANAGER, "LookupDynamicUserByName", "s", self.name]
        answer = call(["busctl", "call", *asked])
        if answer.returncode:
            raise HostError(f"systemd made no account to build with: {answer.stderr.strip()}")
        self.uid = int(answer.stdout.split()[-1])

    def __exit__(self, *_about: object) -> None:
        """End everything of this build, and take its folder away."""
        end(self.name, self.folder)

    def make(self, name: str, owner: int | None = None) -> str:
        """Make a folder of the build's account (or another user id) in the build's folder; returns its path."""
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o755)
        os.chown(path, *(2 * [self.uid if owner is None else owner]))
        return path

    def take_away(self, folder: str) -> None:
        """Let a folder on the same disk go with the build."""
        if os.path.lexists(folder):
            os.rename(folder, self.path(f"gone-{secrets.token_hex(4)}"))

    def path(self, name: str) -> str:
        """Return a path in the build's folder."""
        return os.path.join(self.folder, name)

    def run(self, step: Step) -> subprocess.CompletedProcess[str]:
        """Run one step and return how it ended, and the end of what it printed; nothing of it lives then."""
        self.steps += 1
        unit = f"{self.name}-{self.steps}"
        values = self.path("environment")
        with open(os.open(values, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write("".join(f'{name}="{quoted(value)}"\n' for name, value in step.env.items()))
        properties = [*COMMON, *self.pids, *priority.inherited(), *step.more]
        if not any(one.startswith("IPAddressDeny=") for one in properties):
            properties += NO_NETWORK
        if step.account == ROOT:
            properties.append("CapabilityBoundingSet=CAP_SETUID CAP_SETGID")
        else:
            properties += ["CapabilityBoundingSet=", f"User={step.account or self.name}"]
        if not step.account:
            properties.append("DynamicUser=yes")
        properties += [f"BindPaths={real}:{inside}" for inside, real in step.given.items()]
        properties += [f"WorkingDirectory={step.cwd}", f"EnvironmentFile={values}"]
        arguments = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={unit}"]
        # systemd-run looks for a program where it runs itself, and systemd expands variables in a command line.
        command = ["/usr/bin/env", *step.command]
        arguments += [*options(properties), "--", *[part.replace("$", "$$") for part in command]]
        over = Event()
        watch = Thread(target=self.watch, args=(unit, over), daemon=True)
        watch.start()
        try:
            done = captured(arguments, step.stdin, step.text)
        finally:
            over.set()
            watch.join()
        self.leave_none(unit)
        if shutil.disk_usage(self.home).free < self.spare:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.home)
        return done

    def watch(self, unit: str, over: Event) -> None:
        """End a step that fills the disk: databases and other applications share it."""
        while not over.wait(0.5):
            if shutil.disk_usage(self.home).free < self.spare:
                call(["systemctl", "stop", f"{unit}.service"])

    def leave_none(self, unit: str) -> None:
        """See to it that no process of the step or of the account lives; raises HostError where one cannot be ended."""
        deadline = time.monotonic() + 10
        while True:
            left = [*priority.processes([f"{unit}.service"]), *(processes_of(self.uid) if self.uid else [])]
            if not left:
                return
            for pid in left:
                kill(pid)
            if time.monotonic() > deadline:
                raise HostError(f"{len(left)} processes of the build do not end: {', '.join(map(str, left[:5]))}")
            time.sleep(0.02)


def online() -> list[str]:
    """Return the properties of a step with a network: the machine itself and what is link-local are no part of it."""
    servers = []
    with open(RESOLV_CONF, encoding="utf-8", errors="replace") as file:
        for line in file:
            words = line.split()
            if words[:1] == ["nameserver"] and words[1].startswith(("127.", "::1")):
                servers.append(words[1])
    found = [f"IPAddressDeny={kind}" for kind in ("localhost", "link-local", "multicast")]
    if servers:
        found.append("IPAddressAllow=" + " ".join(servers))
    families = "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"
    # Where systemd-resolved keeps resolv.conf, and is asked
    return [*found, families, "BindReadOnlyPaths=-/run/systemd/resolve -/run/resolvconf"]


def no_python(given: Iterable[str]) -> list[str]:
    """Return the properties of a step that can start no Python, and nothing of what it is given or builds write.

    uv knows the system's Python from its cache, so that it can fetch; what would build (PEP 517) fails by itself,
    after its own sources and what it asks for statically have been fetched.
    """
    real = {os.path.realpath(path) for path in glob.glob("/usr/bin/python3*") + glob.glob("/usr/local/bin/python3*")}
    interpreters = sorted(path for path in real if re.search(r"/python[\d.]+$", path))
    return ["NoExecPaths=" + " ".join([*interpreters, f"-{interpreter.HOME}", *WRITABLE, *given])]


def private_pids() -> list[str]:
    """Return the property that hides all other processes, where this systemd has it."""
    number = re.match(r"systemd (\d+)", call(["systemctl", "--version"]).stdout)
    return ["PrivatePIDs=yes"] if number and int(number[1]) >= PRIVATE_PIDS else []


def options(properties: Iterable[str]) -> list[str]:
    """Return properties as arguments of systemd-run."""
    return [f"--property={one}" for one in properties]


def quoted(value: str) -> str:
    """Return a value as systemd reads it between double quotes in an environment file."""
    return re.sub(r'(["\\$`])', r"\\\1", value)


def call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the system."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )


def captured(
    command: Sequence[str], stdin: IO[bytes] | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command; of what it prints the end is kept, however much that is."""
    source: Any = subprocess.PIPE if text else stdin or subprocess.DEVNULL
    ends = [Tail(), Tail()]
    with subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        readers = [
            Thread(target=end.read, args=(pipe,), daemon=True)
            for end, pipe in zip(ends, (process.stdout, process.stderr), strict=True)
        ]
        for reader in readers:
            reader.start()
        if process.stdin:
            # What ends without reading says by its end why.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(text.encode())
                process.stdin.close()
        for reader in readers:
            reader.join()
        code = process.wait()
    return subprocess.CompletedProcess(list(command), code, *(one.text for one in ends))


class Tail:
    """The end of what a pipe brings."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.kept = bytearray()

    def read(self, pipe: IO[bytes]) -> None:
        """Read a pipe to its end."""
        while chunk := pipe.read1(1 << 16):  # type: ignore[attr-defined]
            self.kept += chunk
            if len(self.kept) > 2 * KEPT_BYTES:
                del self.kept[:-KEPT_BYTES]

    @property
    def text(self) -> str:
        """Return it as text."""
        return self.kept[-KEPT_BYTES:].decode(errors="replace")


def processes_of(uid: int) -> list[int]:
    """Return the processes with a user id, in any of the places where the kernel has one."""
    found = []
    for name in os.listdir(priority.PROC):
        if name.isdigit():
            status = priority.read(os.path.join(priority.PROC, name, "status"))
            ids = re.search(r"^Uid:((?:\s+\d+)+)$", status, re.MULTILINE)
            if ids and str(uid) in ids[1].split() and "\nState:\tZ" not in status:
                found.append(int(name))
    return found


def kill(pid: int) -> None:
    """Kill a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end(name: str, folder: str) -> None:
    """End the units of a build, and with the last its account; its folder is removed while the run goes on."""
    if NAME.fullmatch(name):
        call(["systemctl", "stop", f"{name}-*.service"])
    # Not by Python: a tree may be as deep as it likes.
    call(["systemd-run", "--quiet", "--collect", "--no-block", "--", "rm", "-rf", "--one-file-system", folder])
