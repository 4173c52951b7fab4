#!/usr/bin/python
"""Facts of a machine that our roles decide by, in one quick call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_facts
short_description: What this machine is, and which versions it has
description:
  - Returns C(ansible_facts.machine). Much faster than a full C(setup), and it knows the installed versions that
    templates branch on (capability, never a distribution's name).
options:
  candidates:
    description: Packages whose version matters before they are installed; asked of apt only while they are missing.
    type: list
    elements: str
    default: [nginx, postgresql]
  stack:
    description: Tell what the stack lock has to know, too (every package's full version).
    type: bool
    default: false
author: Samestack
"""

EXAMPLES = r"""
- name: The machine is known
  machine_facts:
"""

RETURN = r"""
ansible_facts:
  description: One fact, C(machine).
  returned: always
  type: dict
  sample:
    machine: {os: debian, release: "13", codename: trixie, python: "3.13.5", architecture: x86_64, memory_mb: 2000,
      processors: 2, systemd: 257, container: true, swap_mb: 0, ipv6: true, dpkg_interrupted: false,
      owed: [], uv: "0.13.9", packages: {nginx: "1.26.3"}, candidates: {},
      stack: {versions: {nginx: 1.26.3-3+deb13u10}, architecture: amd64, updated: 20261125T151252Z}}
"""

import os
import platform
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.release_owed import owed_apps
from ansible.module_utils.stack_packages import read_packages


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


def uv_version(module: AnsibleModule, program: str = "/opt/samestack/uv/bin/uv") -> str:
    """Return the version of the installer of Python packages that role host keeps here; empty when there is none."""
    if not os.access(program, os.X_OK):
        return ""
    words = module.run_command([program, "--version"])[1].split()
    return words[1] if len(words) > 1 else ""


def installed(module: AnsibleModule) -> dict[str, str]:
    """Return {package: upstream version} of everything that is fully installed."""
    lines = module.run_command(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\\n"])[1]
    rows = [line.split() for line in lines.splitlines() if line.startswith("ii ")]
    return {name: upstream(version) for _status, name, version in rows}


def candidates(module: AnsibleModule, packages: list[str]) -> dict[str, str]:
    """Return {package: upstream version} that apt would install now; what apt does not know is left out."""
    if not packages:
        return {}
    answer, name = {}, ""
    for line in module.run_command(["apt-cache", "policy", *packages])[1].splitlines():
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif "Candidate:" in line and "(none)" not in line:
            answer[name] = upstream(line.split()[1])
    return answer


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "candidates": {"type": "list", "elements": "str", "default": ["nginx", "postgresql"]},
            "stack": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    release = os_release()
    found = installed(module)
    memory_mb, swap_mb = memory()
    systemd = module.run_command(["systemctl", "--version"])[1]
    machine = {
        "os": release.get("ID", ""),
        "release": release.get("VERSION_ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "python": platform.python_version(),
        "architecture": platform.machine(),
        "memory_mb": memory_mb,
        "swap_mb": swap_mb,
        "processors": len(os.sched_getaffinity(0)),
        "systemd": int(systemd.split()[1]) if systemd else 0,
        "container": os.path.exists("/run/systemd/container"),
        "ipv6": os.path.exists("/proc/net/if_inet6"),
        "dpkg_interrupted": bool(os.listdir("/var/lib/dpkg/updates")),
        "uv": uv_version(module),
        # Applications whose processes have to take up a change that a cut-off run made
        "owed": owed_apps(),
        "packages": found,
        "candidates": candidates(module, [name for name in module.params["candidates"] if name not in found]),
        "stack": read_packages(module.run_command) if module.params["stack"] else {},
    }
    module.exit_json(changed=False, ansible_facts={"machine": machine})


if __name__ == "__main__":
    main()
