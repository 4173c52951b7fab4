"""One look at a machine: a program that is sent over ssh and runs with the host's own Python, standard library alone.

Started with a JSON list of packages as its argument, and "stack" where the stack lock asks, too; one line of JSON, what
the module `machine_facts` returns, goes to standard output. Without the weight of a module, which takes half a second
before it does anything.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import platform
import pwd
import re
import subprocess
import sys
import time

LISTS = "/var/lib/apt/lists"
#: Whose this machine is: role host writes it first of all
OWNER = "/etc/samestack/machine.json"
#: There while visitors see the maintenance page (common/maintenance_page.py)
PAGE = "/etc/nginx/samestack/maintenance.html"
#: There where systemd listens for sshd from the boot on, as on Ubuntu
SSH_SOCKET = "/etc/systemd/system/sockets.target.wants/ssh.socket"
# As a snapshot service names a moment
SNAPSHOT_TIME = "%Y%m%dT%H%M%SZ"
# The other side's address and port, then this machine's
CONNECTION = re.compile(rb"(?:^|\0)SSH_CONNECTION=\S+ \d+ \S+ (?P<port>\d+)")
STACK = "${db:Status-Abbrev}|${Package}|${Version}|${Architecture}|${Section}\\n"


def run(*command: str) -> str:
    """Return what a command prints; "" where there is no such program."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return ""
    return done.stdout


def os_release(path: str = "/etc/os-release") -> dict[str, str]:
    """Return the file's assignments as a dictionary."""
    with open(path, encoding="utf-8") as handle:
        pairs = (line.strip().split("=", 1) for line in handle if "=" in line)
        return {key: value.strip("\"'") for key, value in pairs}


def memory(path: str = "/proc/meminfo") -> tuple[int, int]:
    """Return (memory, swap) in MiB."""
    with open(path, encoding="utf-8") as handle:
        values = {line.split(":")[0]: int(line.split()[1]) for line in handle if ":" in line}
    return values["MemTotal"] // 1024, values["SwapTotal"] // 1024


def upstream(version: str) -> str:
    """Return a Debian version without epoch and revision: `1:1.26.3-3+deb13u1` is 1.26.3."""
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return match[1] if match else version


def uv_version(program: str = "/opt/samestack/uv/bin/uv") -> str:
    """Return the version of the installer of Python packages that role host keeps here; empty when there is none."""
    if not os.access(program, os.X_OK):
        return ""
    words = run(program, "--version").split()
    return words[1] if len(words) > 1 else ""


def installed() -> dict[str, str]:
    """Return {package: upstream version} of everything that is fully installed."""
    lines = run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\\n")
    rows = [line.split() for line in lines.splitlines() if line.startswith("ii ")]
    return {name: upstream(version) for _status, name, version in rows}


def candidates(packages: list[str]) -> dict[str, str]:
    """Return {package: upstream version} that apt would install now; what apt does not know is left out."""
    if not packages:
        return {}
    answer, name = {}, ""
    for line in run("apt-cache", "policy", *packages).splitlines():
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif "Candidate:" in line and "(none)" not in line:
            answer[name] = upstream(line.split()[1])
    return answer


def owed_apps(folder: str = "/var/lib/samestack/owed") -> list[str]:
    """Return the applications whose processes have to take up a change that a cut-off run made (release_owed)."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def is_sudo_rs() -> bool:
    """Return whether sudo is the one written in Rust, Ubuntu's since 25.10: it knows few settings."""
    try:
        # It says so where errors go.
        done = subprocess.run(
            ["sudo", "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError:
        return False
    return done.stdout.startswith("sudo-rs")


def owner(path: str = OWNER) -> dict[str, object]:
    """Return the application and the environment that this machine is for; {} where nobody has provisioned it.

    Raises SystemExit where it cannot be told: a machine of somebody's must not count as nobody's.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            found: dict[str, object] = json.load(handle)
    except OSError:
        return {}
    except ValueError as error:
        raise SystemExit(
            f"{path} says whose this machine is, and cannot be read ({error}). If it is yours: `sudo rm {path}` there, "
            "and provision again."
        ) from error
    return found


def people(folder: str = "/etc/sudoers.d", start: str = "samestack-") -> list[str]:
    """Return the people who have an account by an earlier run: each has a file of sudo's."""
    try:
        return sorted(name[len(start) :] for name in os.listdir(folder) if name.startswith(start))
    except OSError:
        return []


def homes(path: str = "/etc/passwd") -> dict[str, str]:
    """Return {account: home} of this machine's own accounts."""
    with open(path, encoding="utf-8", errors="replace") as handle:
        rows = [line.rstrip("\n").split(":") for line in handle]
    return {row[0]: home for row in rows for home in row[5:6]}


def lists_updated(lists: str = LISTS) -> str:
    """Return when apt last fetched its lists (UTC); "" where it never did."""
    times = [os.stat(path).st_mtime for path in (lists, os.path.join(lists, "partial")) if os.path.isdir(path)]
    has_lists = os.path.isdir(lists) and any(name.endswith("Release") for name in os.listdir(lists))
    return time.strftime(SNAPSHOT_TIME, time.gmtime(max(times))) if has_lists else ""


def login() -> dict[str, object]:
    """Return who logged in, with the groups (the own one first), and the port of this machine that was used."""
    number, port = ssh_login() or (int(os.environ.get("SUDO_UID") or os.getuid()), 22)
    account = pwd.getpwuid(number)
    numbers = dict.fromkeys([account.pw_gid, *sorted(os.getgrouplist(account.pw_name, account.pw_gid))])
    groups = []
    for group in numbers:
        # A directory's group may have no name here.
        with contextlib.suppress(KeyError):
            groups.append(grp.getgrgid(group).gr_name)
    return {"user": account.pw_name, "groups": groups, "port": port}


def ssh_login() -> tuple[int, int] | None:
    """Return the user's number and the port of the ssh login that this process belongs to; None for another way in.

    Whoever became root by sudo or su is somebody else in this process; what sshd started still is who logged in.
    """
    found, process = None, os.getpid()
    with contextlib.suppress(OSError):
        while process > 1:
            with open(f"/proc/{process}/stat", "rb") as file:
                name, _, fields = file.read().partition(b" (")[2].rpartition(b") ")
            if name.startswith(b"sshd"):
                break
            with open(f"/proc/{process}/environ", "rb") as file:
                connection = CONNECTION.search(file.read())
            if connection:
                with open(f"/proc/{process}/status", encoding="utf-8", errors="replace") as file:
                    user = next(line.split()[1] for line in file if line.startswith("Uid:"))
                found = (int(user), int(connection["port"]))
            process = int(fields.split()[1])
    return found


def look(packages: list[str], *, with_stack: bool = False) -> dict[str, object]:
    """Return the facts; versions that apt would install are asked for only where `packages` are missing."""
    release = os_release()
    found = installed()
    memory_mb, swap_mb = memory()
    systemd = run("systemctl", "--version").split()
    return {
        "os": release.get("ID", ""),
        "release": release.get("VERSION_ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "python": platform.python_version(),
        "architecture": platform.machine(),
        "memory_mb": memory_mb,
        "swap_mb": swap_mb,
        # Of the first process: this one may have been given fewer, or pinned itself.
        "processors": len(os.sched_getaffinity(1)),
        "systemd": int(systemd[1]) if systemd else 0,
        "container": os.path.exists("/run/systemd/container"),
        "ipv6": os.path.exists("/proc/net/if_inet6"),
        "dpkg_interrupted": bool(os.listdir("/var/lib/dpkg/updates")),
        "uv": uv_version(),
        "sudo_rs": is_sudo_rs(),
        "ssh_socket": os.path.lexists(SSH_SOCKET),
        "closed": os.path.isfile(PAGE),
        "owed": owed_apps(),
        "owner": owner(),
        "people": people(),
        "homes": homes(),
        "login": login(),
        "ssh_kex": run("ssh", "-Q", "kex").split(),
        "packages": found,
        "candidates": candidates([name for name in packages if name not in found]),
        "stack": {"listing": run("dpkg-query", "-W", "-f", STACK), "updated": lists_updated()} if with_stack else {},
    }


if __name__ == "__main__":
    print(json.dumps(look(json.loads(sys.argv[1]), with_stack="stack" in sys.argv[2:])))
