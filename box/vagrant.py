"""The local machines as Vagrant makes them, with a hypervisor or with its plugin for LXC."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from box.common import LXC_PATH, PROJECT_ID, SSH_KEY, SetupError, container_name, note, run
from box.connections import live_folder_of
from box.containers import apparmor_settings, common_settings, names
from box.network import start_bridge, wanted_address
from box.places import PROJECT, STATE

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
LXC_LOG = STATE / "lxc-start.log"
#: Where libvirt keeps disks, unless somebody said otherwise
POOL = "default"
MACHINES_STATE = PROJECT / ".vagrant" / "machines"


def vagrant(*arguments: str) -> None:
    """Run Vagrant in the foreground. Leaves with its status when it fails: it has said why, except for LXC's part."""
    LXC_LOG.unlink(missing_ok=True)
    settings = {"SAMESTACK_FROM_MAKE": "1", "VAGRANT_CHECKPOINT_DISABLE": "1", "LXC_START_LOG_FILE": str(LXC_LOG)}
    command = ["vagrant", *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=os.environ | settings, stdin=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        return
    log = run(["cat", str(LXC_LOG)], root=True) if LXC_LOG.exists() else ""
    errors = [line.split(" ERROR ", 1)[1].strip() for line in log.splitlines() if " ERROR " in line]
    if errors:
        note("LXC says:\n  " + "\n  ".join(errors))
    sys.exit(done.returncode)


def provider_of_machines() -> str:
    """Return the provider that Vagrant's machines of this project lie with, "" when it has none."""
    for number in sorted(MACHINES_STATE.glob("*/*/id")):
        return number.parent.name
    return ""


def has_machine(name: str, project: Path = PROJECT) -> bool:
    """Return whether Vagrant ever made the machine `name` in a project and did not destroy it."""
    return any((project / ".vagrant" / "machines" / name).glob("*/id"))


def vagrant_says(project: Path, name: str) -> str:
    """Return what Vagrant says of the machine `name` of a project, in its words for programs."""
    try:
        return run(["vagrant", "status", name, "--machine-readable"], cwd=project)
    except SetupError:
        # Gone behind Vagrant's back, or Vagrant itself is
        return ""


class Vagrant:
    """What box/machines asks of whatever makes the local machines (`Containers` is the other)."""

    def __init__(self, provider: str, addresses: Mapping[str, str]) -> None:
        """Know the provider by Vagrant's name, and the address of each machine."""
        self.provider = provider
        self.addresses = addresses

    def has(self, name: str) -> bool:
        """Return whether the machine exists."""
        return has_machine(name)

    def is_running(self, name: str) -> bool:
        """Return whether the machine runs."""
        if not has_machine(name):
            return False
        if self.provider == "lxc":
            return container_name(name) in names(running=True)
        return ",state,running" in run(["vagrant", "status", name, "--machine-readable"])

    def is_stale(self, name: str) -> bool:
        """Return whether the machine was started with another live folder than app.yml names."""
        records = (MACHINES_STATE / name).glob("*/synced_folders")
        kinds = [json.loads(record.read_text(encoding="utf-8")) for record in records]
        folders = [folder for kind in kinds for by_guest_path in kind.values() for folder in by_guest_path.values()]
        mounted = [str(Path(folder["hostpath"]).resolve()) for folder in folders]
        return bool(kinds) and mounted != [live for live in [live_folder_of(name)] if live]

    def start(self, name: str) -> None:
        """Start the machine; make it where it does not exist. Leaves with Vagrant's status when it fails."""
        if self.provider == "lxc":
            start_bridge()
        vagrant("up", name, f"--provider={self.provider}")

    def halt(self, name: str) -> None:
        """Shut the machine down."""
        vagrant("halt", name)

    def delete(self, name: str) -> None:
        """Take the machine away."""
        vagrant("destroy", "--force", name)

    def ssh_config(self, name: str) -> str:
        """Return how ssh reaches the machine."""
        return run(["vagrant", "ssh-config", name])


def tidy(name: str) -> None:
    """Take out of the container's settings what vagrant-lxc added for the last start.

    It means to do so itself, but as root it writes the shorter text over the longer one and leaves the rest: the
    address would be there twice, and LXC refuses to start.
    """
    config = LXC_PATH / container_name(name) / "config"
    script = f"[ ! -f {config} ] || sed -i '/^# VAGRANT-BEGIN/,/^# VAGRANT-END/d' {config}"
    run(["sh", "-c", script], root=True)


def pack_box(folder: Path) -> Path:
    """Write Vagrant's view of the base box in `folder` and return it: it copies, so its archive of a tree is empty."""
    packed = folder / "machine.box"
    options = {
        "--tree": str(folder / "rootfs"),
        "--prepare": str(folder / "prepare"),
        "--nameserver": wanted_address(),
        "--key": str(SSH_KEY.with_suffix(".pub")),
    }
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    metadata = {"provider": "lxc", "version": "1.0.0", "template-opts": options}
    (parts / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    (parts / "lxc-config").write_text(common_settings() + "\n".join([*apparmor_settings(), ""]), encoding="utf-8")
    shutil.copy(HERE / "lxc-template", parts / "lxc-template")
    with tarfile.open(parts / "rootfs.tar.gz", "w:gz"):
        pass
    with tarfile.open(packed, "w") as box:
        for part in sorted(parts.iterdir()):
            box.add(part, part.name)
    shutil.rmtree(parts)
    return packed


def remove_boxes() -> None:
    """Take this project's boxes out of Vagrant's store; the built trees stay in `.samestack/box`."""
    for line in run(["vagrant", "box", "list"]).splitlines():
        if re.match(rf"samestack-{PROJECT_ID}/", line):
            run(["vagrant", "box", "remove", "--force", "--all", line.split()[0]])


def remove_volumes() -> None:
    """Take this project's boxes out of libvirt's store, too: Vagrant copies them there, and never takes them away."""
    virsh = ["virsh", "--connect", "qemu:///system"]
    for line in run([*virsh, "vol-list", POOL]).splitlines():
        found = re.match(rf"\s*(samestack-{PROJECT_ID}-VAGRANTSLASH-\S+)", line)
        if found:
            run([*virsh, "vol-delete", "--pool", POOL, found[1]])
