"""ssh by hand, for the moments before Ansible can use it: the host key of a new server, the first log-in.

Runs on the control node.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .target import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .target import Target

ACCEPTED = re.compile(r"Server accepts key: (?P<path>.*?) (?P<type>\S+) (?P<fingerprint>SHA256:\S+)")


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
umask 022
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
# There is no password that could grow old, and lock it out.
chage -m 0 -M -1 "$user"
usermod -a -G sudo "$user"
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
