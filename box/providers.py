"""Which hypervisor Vagrant is to use here, why, and what it needs first."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from box.build import build, choose
from box.common import CLONE_ID, REPO, SSH_KEY, STATE, SetupError, bridge_address, container_name, note, run
from box.network import start_bridge
from plugins.plugin_utils.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = STATE / "provider.json"
MACHINES = REPO / ".vagrant" / "machines"
LXC_PACKAGES = [
    "vagrant",
    "lxc",
    "mmdebstrap",
    "dnsmasq-base",
    "iptables",
    "iproute2",
    "openssh-client",
    "rsync",
]
#: Boxes of the public catalogue, by provider family and release.
PUBLIC_BOXES = {
    "noble": "ubuntu-24.04",
    "jammy": "ubuntu-22.04",
    "trixie": "debian-13",
    "bookworm": "debian-12",
}


@dataclass(frozen=True)
class Choice:
    """A provider by Vagrant's name, and the reason for it in a few words."""

    provider: str
    why: str


def succeeds(command: list[str]) -> bool:
    """Whether `command` is installed and ends well within a few seconds."""
    if not shutil.which(command[0]):
        return False
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def has_candidate(package: str) -> bool:
    """Whether apt could install `package` here (it also knows names that only other packages mention)."""
    if not shutil.which("apt-cache"):
        return False
    shown = run(["env", "LC_ALL=C", "apt-cache", "policy", package])
    return "Candidate: " in shown and "Candidate: (none)" not in shown


def has_plugin(name: str) -> bool:
    """Whether Vagrant has the plugin `name`, from its own store or from a package."""
    home = Path(os.environ.get("VAGRANT_HOME", str(Path.home() / ".vagrant.d")))
    store = home / "plugins.json"
    if store.exists() and f'"{name}"' in store.read_text():
        return True
    return succeeds(["dpkg", "-s", name])


def is_wsl() -> bool:
    """Whether this is Linux inside Windows."""
    return "microsoft" in platform.release().lower()


def machines_of() -> str | None:
    """The provider that this clone's machines already lie with, None when there are none."""
    for number in sorted(MACHINES.glob("*/*/id")):
        return number.parent.name
    return None


def working_hypervisor() -> Choice | None:
    """The first hypervisor that is installed here and works together with Vagrant."""
    if not shutil.which("vagrant"):
        return None
    if succeeds(["prlctl", "--version"]) and has_plugin("vagrant-parallels"):
        return Choice("parallels", "Parallels is installed")
    if succeeds(["vmrun"]) and has_plugin("vagrant-vmware-desktop"):
        return Choice("vmware_desktop", "VMware is installed")
    loaded = sys.platform == "darwin" or Path("/dev/vboxdrv").exists()
    if loaded and succeeds(["VBoxManage", "--version"]):
        return Choice("virtualbox", "VirtualBox is installed")
    if has_plugin("vagrant-libvirt") and succeeds(["virsh", "-c", "qemu:///system", "version"]):
        return Choice("libvirt", "libvirt is installed")
    return None


def choose_provider() -> Choice:
    """The provider to use. Raises `SetupError` when this computer offers none."""
    asked = os.environ.get("VAGRANT_DEFAULT_PROVIDER", "")
    if asked:
        return Choice(asked, "VAGRANT_DEFAULT_PROVIDER asks for it")
    present = machines_of()
    if present:
        return Choice(present, "the machines that exist are there")
    found = working_hypervisor()
    if found:
        return found
    if sys.platform == "darwin":
        raise SetupError(
            "No Vagrant with a working hypervisor was found on this Mac. Install one and start again, for example: "
            "brew install --cask vagrant virtualbox"
        )
    if sys.platform.startswith("linux"):
        where = "no other hypervisor works under WSL" if is_wsl() else "no hypervisor is installed"
        return Choice("lxc", where)
    raise SetupError(f"{sys.platform} is not supported. On Windows, start this inside WSL2 (Ubuntu).")


def record(content: dict[str, str]) -> None:
    """Write what the Vagrantfile reads, in one step."""
    write_whole(RECORD, json.dumps(content, indent=2) + "\n")


def install_lxc(install: Callable[[list[str]], None]) -> None:
    """Install Vagrant, LXC and what ties them together, by apt as far as the distribution has packages of it."""
    install(LXC_PACKAGES)
    if has_plugin("vagrant-lxc"):
        return
    # Debian can check an Ubuntu archive with this; where it has no such package the box is a Debian one.
    wanted = [name for name in ("vagrant-lxc", "ubuntu-archive-keyring") if has_candidate(name)]
    install(wanted)
    if "vagrant-lxc" not in wanted:
        run(["vagrant", "plugin", "install", "vagrant-lxc", "--plugin-version", "1.4.3"])


def prepare_lxc(install: Callable[[list[str]], None]) -> None:
    """Packages, bridge and base box. Raises `SetupError` with what stands in the way."""
    install_lxc(install)
    start_bridge()
    folder = build(*choose(os.environ.get("SAMESTACK_BOX_RELEASE", "")))
    record(
        {
            "provider": "lxc",
            "box": f"samestack-{CLONE_ID}/{folder.name}",
            "box_url": f"file://{folder / 'machine.box'}",
            "network": (bridge_address() or "10.0.3.1").rsplit(".", 1)[0],
            "container_prefix": container_name(""),
            "ssh_key": str(SSH_KEY),
        }
    )


def prepare_provider(choice: Choice, install: Callable[[list[str]], None]) -> None:
    """Say which provider it is and why, install what it lacks, and write it down for the Vagrantfile."""
    note(f"Provider: {choice.provider} ({choice.why}).")
    if choice.provider == "lxc":
        prepare_lxc(install)
        return
    if not shutil.which("vagrant"):
        raise SetupError(
            f"VAGRANT_DEFAULT_PROVIDER = {choice.provider} (in the environment): Vagrant is not installed."
        )
    release = os.environ.get("SAMESTACK_BOX_RELEASE") or "noble"
    if release not in PUBLIC_BOXES:
        raise SetupError(
            f"SAMESTACK_BOX_RELEASE = {release} (in the environment): there is no box of this release. "
            f"Write one of {', '.join(PUBLIC_BOXES)}."
        )
    owner = "cloud-image" if choice.provider == "libvirt" else "bento"
    record({"provider": choice.provider, "box": f"{owner}/{PUBLIC_BOXES[release]}", "network": "192.168.56"})
