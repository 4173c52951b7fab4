"""The machines that are measured: throw-away hosts from the base box, each with an inventory tree of its own.

The tree looks like a clone whose rehearsal has this one machine as `staging1`: the repository's own inventory and
decisions apply, and nothing of the repository's state is touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from box.common import SSH_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REPO = Path(__file__).resolve().parent.parent
STATE = REPO / ".samestack" / "bench"
BOX_KEY = SSH_KEY
#: Parts of the tree that are the repository's own.
SHARED = ("ansible.cfg", "examples", "playbooks", "plugins", "pyproject.toml", "roles")
SSH_OPTIONS = """\
Host staging1
    HostName {address}
    User vagrant
    IdentityFile {key}
    IdentitiesOnly yes
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
"""
#: No step of a measurement takes longer; a hanging one must not hang the whole run.
LIMIT_SECONDS = 420
#: Where the control groups of processors may be: of their first version, and of their second
CPU_GROUPS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))


class BenchError(Exception):
    """Something went wrong that makes a figure meaningless. The text is for the user."""


@dataclass
class Target:
    """One machine; `label` names it and its tree."""

    label: str
    address: str = ""

    @property
    def tree(self) -> Path:
        """Where its inventory and its logs are."""
        return STATE / self.label

    @property
    def inventory(self) -> Path:
        """Its inventory file."""
        return self.tree / "inventories" / "rehearsal.yml"

    @property
    def ssh_config(self) -> Path:
        """How to reach it."""
        return self.tree / ".samestack" / "ssh_config"

    def up(self) -> None:
        """Make the machine, bare and booted, and its tree. Raises `BenchError` when it does not boot."""
        self.down()
        self.address = checked([str(REPO / "box" / "host"), "up", f"bench-{self.label}"]).strip()
        make_tree(self.tree)
        self.ssh_config.write_text(SSH_OPTIONS.format(address=self.address, key=BOX_KEY))
        self.run("systemctl is-system-running --wait || true")

    def down(self) -> None:
        """Take the machine away. What was logged stays until the next run."""
        checked([str(REPO / "box" / "host"), "down", f"bench-{self.label}"])

    def ssh(self) -> list[str]:
        """The command that runs another on the machine, over a connection of its own."""
        return ["ssh", "-F", str(self.ssh_config), "-o", "ControlMaster=no", "-o", "ControlPath=none", "staging1"]

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        """Run a shell script on the machine as root and return its output. Raises `BenchError` when it fails."""
        return self.run_binary(script, stdin=stdin).decode(errors="replace")

    def run_binary(self, script: str, *, stdin: bytes = b"") -> bytes:
        """Like `run`, for output that is no text."""
        command = [*self.ssh(), f"sudo sh -euc {shell_quoted(script)}"]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=LIMIT_SECONDS)
        if done.returncode != 0:
            raise BenchError(f"{self.label}: `{script[:80]}` failed: {done.stderr.decode(errors='replace')[-800:]}")
        return done.stdout


def shell_quoted(text: str) -> str:
    """Return `text` as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def checked(command: Sequence[str]) -> str:
    """Run a command of the control node and return its output. Raises `BenchError` when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPO, timeout=LIMIT_SECONDS)
    if done.returncode != 0:
        raise BenchError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout)[-800:]}")
    return done.stdout


def make_tree(tree: Path) -> None:
    """Lay out `tree` anew: links to the repository, a copy of its rehearsal, secrets that all trees share."""
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "inventories").mkdir(parents=True)
    (tree / ".samestack").mkdir()
    for name in SHARED:
        (tree / name).symlink_to(REPO / name)
    (tree / "inventories" / "group_vars").symlink_to(REPO / "inventories" / "group_vars")
    shutil.copy(REPO / "inventories" / "rehearsal.yml", tree / "inventories" / "rehearsal.yml")
    secrets = STATE / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    (tree / ".samestack" / "secrets").symlink_to(secrets)


@contextlib.contextmanager
def connections(target: Target) -> Iterator[str]:
    """Yield a folder for ssh's shared connections to `target`, and close them in the end."""
    with tempfile.TemporaryDirectory(prefix="samestack-ssh-") as folder:
        yield folder
        for socket in Path(folder).iterdir():
            close = ["ssh", "-F", str(target.ssh_config), "-o", f"ControlPath={socket}", "-O", "exit", "staging1"]
            subprocess.run(close, capture_output=True, check=False)


@dataclass
class Play:
    """How a playbook ran: wall-clock seconds, and the file of its steps."""

    seconds: float
    steps: Path
    log: Path


@contextlib.contextmanager
def other_computer() -> Iterator[Path]:
    """Yield the control group of a control node that in truth is another computer than the host: it has what is left.

    A nice value is not enough: Ansible gives each of its processes a session, sessions share the processors like equals
    (sched_autogroup in sched(7)), and all of a container is one group among them.
    """
    group = next((base / f"samestack-bench-{os.getpid()}" for base in CPU_GROUPS if (base / "cpu.stat").exists()), None)
    if group is None:
        raise BenchError("the kernel has no control groups for processors")
    try:
        group.mkdir(exist_ok=True)
        (group / "cpu.idle").write_text("1", encoding="ascii")
    except OSError as problem:
        with contextlib.suppress(OSError):
            group.rmdir()
        raise BenchError(f"the control node can't be set apart from the host: {problem}") from problem
    try:
        yield group
    finally:
        remove_group(group)


def remove_group(group: Path) -> None:
    """Remove a control group as soon as the last of its processes has ended."""
    for _ in range(100):
        try:
            return group.rmdir()
        except OSError:
            time.sleep(0.05)
    raise BenchError(f"processes are left in {group}")


def play(
    target: Target,
    playbook: Path,
    name: str,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    group: Path | None = None,
) -> Play:
    """Run a playbook on `target` as a user would and time it. Raises `BenchError` when it fails.

    Each run makes its own ssh connection, as the first command of a working day does. All of it runs in the control
    group, if there is one.
    """
    log, steps = target.tree / f"{name}.log", target.tree / f"{name}.steps"
    steps.unlink(missing_ok=True)
    settings = {
        **os.environ,
        "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": str(REPO / "bench" / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "step_times,samestack.core.module_payloads",
        "ANSIBLE_NOCOLOR": "1",
        "SAMESTACK_STEP_TIMES": str(steps),
        **(env or {}),
    }
    command = [
        str(REPO / ".venv" / "bin" / "ansible-playbook"), "-i", str(target.inventory), "--limit", "staging",
        str(playbook), *arguments,
    ]  # fmt: skip
    if group is not None:
        command = ["sh", "-c", 'echo 0 > "$0/cgroup.procs" && exec "$@"', str(group), *command]
    # All machines are called staging1: a connection that is still open would lead to another one.
    with connections(target) as folder, log.open("wb") as stream:
        settings["ANSIBLE_SSH_CONTROL_PATH_DIR"] = folder
        began = time.monotonic()
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, check=False,
            env=settings, cwd=REPO, timeout=LIMIT_SECONDS,
        )  # fmt: skip
        seconds = time.monotonic() - began
    if done.returncode != 0:
        raise BenchError(f"{playbook.name} failed on {target.label}:\n{log.read_text()[-1500:]}")
    return Play(seconds, steps, log)
