#!/usr/bin/env python3
"""Ask the real programs of this machine whether they accept rendered files: `accept.py FOLDER`.

FOLDER holds one tree a host, each with its `accept.json`. A tree is laid over the machine's own folders in a mount and
network namespace, so that every program is called as it will be on a host, with the real paths, and the machine itself
stays as it is. Prints a JSON list of {tree, check, state, detail}; `state` is passed, failed, or absent where the
program is not at hand. Python 3.10 and its standard library only.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

#: Folders that a tree may add to.
LAYERS = ("etc", "srv", "usr/bin", "usr/local", "opt", "var")


def run(*command: str, **environment: str) -> tuple[int, str]:
    """Return exit status and output."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, **environment, "PATH": path, "LC_ALL": "C.UTF-8"},
    )
    return done.returncode, done.stdout.strip()


def at_hand(program: str) -> str | None:
    """Return the path of a program, or None."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def version(text: str) -> tuple[int, ...]:
    """Return the first version number in a text, for comparison."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


class Checks:
    """Collects what the programs say about one tree."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.about = json.loads((tree / "accept.json").read_text(encoding="utf-8"))
        self.results: list[dict[str, str]] = []

    def add(self, check: str, state: str, detail: str = "") -> None:
        """Record one result."""
        self.results.append({"tree": self.tree.name, "check": check, "state": state, "detail": detail})

    def command(self, check: str, *command: str) -> None:
        """Run a command that must succeed, where its program is at hand."""
        if not at_hand(command[0]):
            self.add(check, "absent", f"{command[0]} is not installed")
            return
        status, output = run(*command)
        self.add(check, "failed" if status else "passed", output if status else "")

    def validations(self) -> None:
        """Run the roles' own validation commands."""
        for line in self.about["validate"]:
            if line.startswith("nginx") and at_hand("nginx"):
                here, wanted = version(run("nginx", "-v")[1]), version(self.about["nginx"])
                # The directive `http2` was added in 1.25.1: an older program cannot judge.
                if here < (1, 25, 1) <= wanted:
                    self.add(line, "absent", "nginx here is older than the one that the files are for")
                    continue
            self.command(line, *shlex.split(line))

    def units(self) -> None:
        """Have systemd read all units; it only warns about what it does not know, so its words count."""
        if not at_hand("systemd-analyze"):
            self.add("systemd-analyze verify", "absent", "systemd-analyze is not installed")
            return
        here = version(run("systemd-analyze", "--version")[1].split()[1])
        units = [unit.replace("@.", "@r1.") for unit in self.about["units"]]
        status, output = run("systemd-analyze", "verify", "--man=no", *units)
        names = {unit.split("@")[0] for unit in units}
        complaints = [line for line in output.splitlines() if any(name in line for name in names)]
        failed = bool(complaints) or (status != 0 and not output)
        self.add(
            f"systemd-analyze verify ({here[0]})", "failed" if failed else "passed", "\n".join(complaints) or output
        )

    def scripts(self) -> None:
        """Parse the shell scripts."""
        for path in self.about["scripts"]:
            self.command(f"sh -n {path}", "sh", "-n", path)

    def apt(self) -> None:
        """Have apt read its settings."""
        self.command("apt-config dump", "apt-config", "dump")

    def postgresql(self) -> None:
        """Have the newest PostgreSQL at hand read the server's settings."""
        servers = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
        for settings in self.about["postgresql"]:
            check = f"postgres -C {settings}"
            if not servers:
                self.add(check, "absent", "postgresql is not installed")
                continue
            if Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2] == "1":
                self.add(check, "absent", "postgres runs only as a user of its own, which takes root")
                continue
            copy = Path("/tmp/samestack-postgresql.conf")
            copy.write_bytes(Path(settings).read_bytes())
            copy.chmod(0o644)
            arguments = ["-C", "shared_buffers", "-D", "/tmp", "-c", f"config_file={copy}"]
            status, output = run("runuser", "-u", "postgres", "--", str(servers[-1]), *arguments)
            self.add(check, "failed" if status else "passed", output if status else "")


def inside(tree: Path) -> None:
    """Lay a tree over this (private) file system and print the results."""
    checks = Checks(tree)
    for layer in LAYERS:
        if (tree / layer).is_dir():
            options = f"lowerdir={tree / layer}:/{layer}"
            subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, f"/{layer}"], check=True)
    # Programs open logs, locks and pid files when they check: none of the machine's own.
    for scratch in ("/run", "/var/log", "/tmp"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", scratch], check=True)
    # The firewall's rules name the application's accounts, and a monitor's group.
    accounts = "".join(f"{name}:x:64999:64999::/:/usr/sbin/nologin\n" for name in checks.about["accounts"])
    for name, more in (("passwd", accounts), ("group", "samestack-monitor:x:64998:\n")):
        Path(f"/run/{name}").write_text(Path(f"/etc/{name}").read_text(encoding="utf-8") + more, encoding="utf-8")
        subprocess.run(["mount", "--bind", f"/run/{name}", f"/etc/{name}"], check=True)
    Path("/var/log/nginx").mkdir()
    Path("/run/sshd").mkdir(mode=0o755)
    for check in (checks.validations, checks.units, checks.scripts, checks.apt, checks.postgresql):
        check()
    print(json.dumps(checks.results))


def main(folder: Path) -> None:
    """Check every tree below the folder."""
    results = []
    for tree in sorted(path.parent for path in folder.glob("*/accept.json")):
        root = [] if os.geteuid() == 0 else ["--map-root-user"]
        command = ["unshare", *root, "--mount", "--net", sys.executable, __file__, "--inside", str(tree)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            state = "absent" if "unshare" in done.stderr else "failed"
            results.append({"tree": tree.name, "check": "namespace", "state": state, "detail": done.stderr[-1000:]})
        else:
            results += json.loads(done.stdout)
    print(json.dumps(results))


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside(Path(sys.argv[2]).resolve())
    else:
        main(Path(sys.argv[1]).resolve())
