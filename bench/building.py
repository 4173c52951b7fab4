"""How long the machine takes to be built: by playbooks/site.yml, by the floor, and one task a file."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import time
from itertools import pairwise
from typing import Any

from bench.targets import LIMIT_SECONDS, REPO, BenchError, Play, Target

SITE = REPO / "playbooks" / "site.yml"
BENCH = REPO / "bench"
IDIOMATIC = BENCH / "idiomatic" / "site.yml"
OTHER_ROLES = {"ANSIBLE_ROLES_PATH": f"{IDIOMATIC.parent / 'roles'}:{REPO / 'roles'}"}
RECORDER = "/usr/local/lib/samestack/recorder"
#: Files that apt and the first download need, and files that declare who owns others: they come first.
EARLY = ("/usr/local/share/ca-certificates/", "/etc/apt/apt.conf.d/50")
ACCOUNTS = ("/etc/sysusers.d", "/etc/tmpfiles.d")
#: How much of a step list is worth showing.
SLOWEST = 8
EXISTING = 'while read -r path; do if [ -e "$path" ]; then echo "$path"; fi; done'
#: Whose state has to be the same, besides the files
UNITS = (
    "nftables", "ssh", "systemd-timesyncd", "unattended-upgrades", "apt-daily-upgrade.timer", "postgresql",
    "redis-server", "nginx",
)  # fmt: skip
OWNER = """
cd /
exec setpriv --reuid=postgres --regid=postgres --init-groups psql --no-align --tuples-only --command \\
    "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{database}'"
"""
DETAILS = """
for unit in {units}; do echo "$unit $(systemctl is-enabled $unit || true) $(systemctl is-active $unit || true)"; done
dpkg-query -W -f '${{Package}} ${{Version}}\\n' {packages}
cd /
setpriv --reuid=postgres --regid=postgres --init-groups psql --no-align --field-separator=' ' --tuples-only --command \\
    "SELECT datname, pg_get_userbyid(datdba), encoding, datcollate FROM pg_database"
"""


def steps_of(path: Any) -> list[dict[str, Any]]:
    """Return the steps that a play wrote down (see callback/step_times.py)."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def remote_calls(path: Any) -> int:
    """Return how many times the play went to the host."""
    return sum(step["remote_calls"] for step in steps_of(path))


def changed_steps(path: Any) -> list[str]:
    """Return the names of the steps that changed something."""
    return [step["name"] for step in steps_of(path) if step["changed"]]


def slowest(path: Any) -> list[tuple[float, str]]:
    """Return the steps that took longest: (seconds, name)."""
    found = sorted(((step["seconds"], step["name"]) for step in steps_of(path)), reverse=True)
    return found[:SLOWEST]


def words_of(text: str, pattern: str) -> str:
    """Return what the group of `pattern` finds in `text`. Raises `BenchError` when it finds nothing."""
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise BenchError(f"nothing in the machine's files matches {pattern}: bench/building.py has to follow the roles")
    return found.group(1)


def plan_of(target: Target, fresh: Play) -> dict[str, Any]:
    """Return what the play that built `target` from bare gave it, as it says: packages, paths, units."""
    steps = steps_of(fresh.steps)
    paths = list(dict.fromkeys(path for step in steps for path in step.get("changed_paths", [])))
    actions = [action.split() for step in steps for action in step.get("actions", [])]
    listing = "".join(f"{path}\n" for path in paths).encode()
    there = set(target.run(EXISTING, stdin=listing).splitlines())
    app = words_of((REPO / "inventories/group_vars/all/app.yml").read_text(), r"^app_name: *(\S+)")
    environment = target.run(f"cat /etc/{app}/env")
    server = target.run(f"cat /etc/{app}/gunicorn.conf.py")
    early = [path for path in paths if path.startswith(EARLY)]
    accounts = [path for path in paths if path.startswith(ACCOUNTS)]
    database = words_of(environment, r'^DATABASE_URL="[^"]*/([^"/?]+)')
    return {
        "app": app,
        "domain": words_of(environment, r'^ALLOWED_HOSTS="([^",]+)'),
        "database": database,
        "owner": target.run(OWNER.format(database=database)).strip(),
        "role": words_of(environment, r'^DATABASE_URL="postgresql://([^"@:]+)@'),
        "processes": int(words_of(server, r"^workers = (\d+)")),
        "uv_version": target.run("/opt/samestack/uv/bin/uv --version").split()[1],
        "packages": sorted({name for step in steps for name in step.get("packages", [])}),
        "early": early,
        "accounts": accounts,
        "files": [path for path in paths if path in there and path not in early + accounts],
        "absent": [path for path in paths if path not in there],
        "enabled": [words[1] for words in actions if words[0] == "enable"],
        "started": [words[1] for words in actions if words[0] == "start"],
    }


def packed(target: Target, paths: list[str]) -> bytes:
    """Return a tar archive of these paths of the machine: owners by name, folders without what is in them."""
    command = "tar -cf - --no-recursion --ignore-failed-read -C / -T - 2>/dev/null"
    listing = "".join(path.lstrip("/") + "\n" for path in paths)
    archive: bytes = target.run_binary(command, stdin=listing.encode())
    return archive


def floor_payload(site: Target, plan: dict[str, Any]) -> bytes:
    """Return the archive that floor.sh works from: the plan, itself, and the files that `site` was given."""
    variables = {
        "packages": " ".join(plan["packages"]),
        "uv_version": plan["uv_version"],
        "app": plan["app"],
        "database": plan["database"],
        "role": plan["role"],
        "owner": plan["owner"],
        "absent": " ".join(plan["absent"]),
        "enabled": " ".join(plan["enabled"]),
        "started": " ".join(plan["started"]),
    }
    members = {
        "plan": "".join(f"{name}='{value}'\n" for name, value in variables.items()).encode(),
        "floor.sh": (BENCH / "floor.sh").read_bytes(),
        "early.tar": packed(site, plan["early"]),
        "accounts.tar": packed(site, plan["accounts"]),
        "files.tar": packed(site, plan["files"]),
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()


def recorder_archive(site: Target, plan: dict[str, Any]) -> str:
    """Return where an archive of the recorder's modules is, from the machine that `site.yml` has built."""
    archive = site.tree / "recorder.tar"
    archive.write_bytes(packed(site, [path for path in plan["files"] if path.startswith(RECORDER)]))
    return str(archive)


def run_floor(target: Target, payload: bytes) -> float:
    """Build `target` by the plain script over one ssh connection and return the seconds. Raises `BenchError`."""
    script = "mkdir /root/floor; tar -xf - -C /root/floor; exec sh /root/floor/floor.sh /root/floor"
    began = time.monotonic()
    done = subprocess.run(
        [*target.ssh(), f"sudo sh -euc '{script}'"],
        input=payload, capture_output=True, check=False, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    seconds = time.monotonic() - began
    (target.tree / "floor.log").write_bytes(done.stdout + done.stderr)
    if done.returncode != 0:
        raise BenchError(f"the floor failed: {(done.stdout + done.stderr).decode(errors='replace')[-1200:]}")
    return seconds


def floor_steps(target: Target) -> list[tuple[float, str]]:
    """Return how long each part of the floor took, by its own marks: (seconds, name)."""
    marks = re.findall(r"^(\d+\.\d+) (.+)$", (target.tree / "floor.log").read_text(), re.MULTILINE)
    return [(round(float(end) - float(start), 2), name) for (start, _), (end, name) in pairwise(marks)]


def fingerprints(target: Target, plan: dict[str, Any]) -> dict[str, str]:
    """Return what stands at each declared path of the machine: type, owner, mode, and a hash or a link's target."""
    script = (
        'while read -r path; do if [ -L "$path" ]; then echo "$path link $(readlink "$path")"; '
        'elif [ -f "$path" ]; then echo "$path $(stat -c "%U:%G %a" "$path") $(sha256sum < "$path")"; '
        'elif [ -d "$path" ]; then echo "$path folder $(stat -c "%U:%G %a" "$path")"; '
        'else echo "$path absent"; fi; done'
    )
    paths = plan["early"] + plan["accounts"] + plan["files"] + plan["absent"]
    answer = target.run(script, stdin="".join(f"{path}\n" for path in paths).encode())
    found = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in answer.splitlines()}
    for line in target.run(DETAILS.format(units=" ".join(UNITS), packages=" ".join(plan["packages"]))).splitlines():
        found[line.split(" ", 1)[0]] = line.split(" ", 1)[1]
    return found


def differences(ours: Target, theirs: Target, plan: dict[str, Any]) -> dict[str, str]:
    """Return in what two machines that should be the same differ, one line each, by the file's or unit's name."""
    left, right = fingerprints(ours, plan), fingerprints(theirs, plan)
    names = sorted(left.keys() | right.keys())
    return {
        name: f"{name}: {ours.label} {left.get(name, 'nothing')}, {theirs.label} {right.get(name, 'nothing')}"
        for name in names
        if left.get(name) != right.get(name)
    }
