"""ssh by hand, for the moments before Ansible can use it: the host key of a new server, the first log-in.

Runs on the control node. The ssh program itself is used, with the connection's own arguments, so that jump hosts,
aliases and ports from anybody's ssh configuration hold here too.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SSH_PORT = "22"
# Seconds: for a connection to be answered, and for packages to be installed on a slow line.
CONNECT_TIMEOUT, WORK_TIMEOUT = 15, 900
ACCEPTED = re.compile(r"Server accepts key: (?P<path>.*?) (?P<type>\S+) (?P<fingerprint>SHA256:\S+)")


@dataclass(frozen=True)
class Target:
    """Where a host is, and the ssh arguments that the inventory gives for it."""

    address: str
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, task_vars: Mapping[str, Any]) -> Target:
        """Return the target of a host by its (resolved) connection variables."""
        words: list[str] = []
        for name in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
            words += shlex.split(task_vars.get(name) or "")
        if port := task_vars.get("ansible_port"):
            words += ["-p", str(port)]
        if key := task_vars.get("ansible_ssh_private_key_file"):
            words += ["-i", str(Path(key).expanduser())]
        return cls(str(task_vars.get("ansible_host") or task_vars["inventory_hostname"]), tuple(words))

    def argv(self, user: str, command: str, *options: str) -> list[str]:
        """Return the words that run a command there; options go first, because the first one wins in ssh."""
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", *words, *self.arguments, "-l", user, self.address, command]

    def ssh(
        self, user: str, command: str, *options: str, script: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there and return what it said."""
        base = ("BatchMode=yes", f"ConnectTimeout={CONNECT_TIMEOUT}", "ControlPath=none", *options)
        argv = self.argv(user, command, *base)
        try:
            return subprocess.run(
                argv,
                input=script if script is not None else "",
                capture_output=True,
                text=True,
                check=False,
                timeout=CONNECT_TIMEOUT * 2 if script is None else WORK_TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, 255, "", "Connection timed out")

    def known_hosts_name(self) -> str:
        """Return the name under which ssh looks the host's key up: alias or host name, with a port that is not 22."""
        answer = run(["ssh", "-G", *self.arguments, self.address]).stdout
        settings = dict(line.split(" ", 1) for line in answer.splitlines() if " " in line)
        name = settings.get("hostkeyalias") or settings.get("hostname") or self.address
        port = settings.get("port", SSH_PORT)
        return name if port == SSH_PORT or "hostkeyalias" in settings else f"[{name}]:{port}"


def run(argv: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of this computer and return what it said."""
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=CONNECT_TIMEOUT)


def is_pinned(name: str, known_hosts: Path) -> bool:
    """Tell whether a file of host keys has one for a name."""
    return known_hosts.is_file() and run(["ssh-keygen", "-F", name, "-f", str(known_hosts)]).returncode == 0


def offered_key(target: Target) -> tuple[str, str]:
    """Return the host key that ssh is offered (a line for known_hosts), and what ssh said where there is none.

    No authentication is tried, so nothing but the key is learnt and nothing is given away.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "known_hosts"
        answer = target.ssh(
            "nobody",
            "true",
            f"UserKnownHostsFile={file}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=accept-new",
            "HashKnownHosts=no",
            "UpdateHostKeys=no",
            "PreferredAuthentications=none",
        )
        return (file.read_text(encoding="utf-8") if file.is_file() else ""), answer.stderr


def fingerprint(line: str) -> tuple[str, str]:
    """Return (`SHA256:…`, kind) of a line of known_hosts or of a public key; raises ValueError where it is none."""
    answer = run(["ssh-keygen", "-l", "-f", "-"], line)
    match = re.search(r"(SHA256:\S+) .*\((\S+)\)", answer.stdout)
    if answer.returncode or not match:
        raise ValueError("is not a public key")
    return match[1], match[2]


def accepted_public_key(said: str) -> str | None:
    """Return the public key by which a log-in worked, from what `ssh -v` said; None where it cannot be found."""
    match = ACCEPTED.search(said)
    if not match:
        return None
    path = Path(match["path"])
    public = path.with_name(f"{path.name}.pub")
    candidates = run(["ssh-add", "-L"]).stdout.splitlines()
    if public.is_file():
        candidates.append(public.read_text(encoding="utf-8").strip())
    elif path.is_file():
        candidates.append(run(["ssh-keygen", "-y", "-P", "", "-f", str(path)]).stdout.strip())
    return next((key for key in candidates if _has_fingerprint(key, match["fingerprint"])), None)


def _has_fingerprint(key: str, wanted: str) -> bool:
    try:
        return fingerprint(key)[0] == wanted
    except ValueError:
        return False


# Arguments: the user to make (empty: none), its public key. Written to be run again at any point.
PREPARE = r"""
set -eu
user=$1 key=$2
missing=
command -v python3 >/dev/null || missing="$missing python3"
command -v sudo >/dev/null || missing="$missing sudo"
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing
fi
[ -n "$user" ] || exit 0
# A star, not a lock: sshd refuses locked accounts where PAM is off.
id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --password '*' "$user"
home=$(getent passwd "$user" | cut -d: -f6)
group=$(id -gn "$user")
install -d -m 0700 -o "$user" -g "$group" "$home/.ssh"
touch "$home/.ssh/authorized_keys"
grep -qxF "$key" "$home/.ssh/authorized_keys" || printf '%s\n' "$key" >>"$home/.ssh/authorized_keys"
chown "$user:$group" "$home/.ssh/authorized_keys"
chmod 0600 "$home/.ssh/authorized_keys"
rule=$(mktemp)
printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$user" >"$rule"
visudo -c -f "$rule" >/dev/null
install -m 0440 -o root -g root "$rule" "/etc/sudoers.d/50-$user"
rm -f "$rule"
"""


def prepare_command(user: str, key: str, *, as_root: bool) -> str:
    """Return the command that runs PREPARE, which comes on its standard input."""
    arguments = shlex.join([user, key])
    return f"{'' if as_root else 'sudo -n '}sh -s -- {arguments}"


def first_login(target: Target, users: Iterable[str]) -> tuple[str, str, dict[str, str]]:
    """Return the first user that can log in, what `ssh -v` said of it, and what the refused ones were told."""
    refused: dict[str, str] = {}
    for user in dict.fromkeys(users):
        answer = target.ssh(user, "true", "LogLevel=DEBUG1")
        if answer.returncode == 0:
            return user, answer.stderr, refused
        refused[user] = "\n".join(line for line in answer.stderr.splitlines() if not line.startswith("debug1:"))
    return "", "", refused
