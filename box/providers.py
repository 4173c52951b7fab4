"""What makes the local machines here, why, and what it needs first: a hypervisor through Vagrant, or LXC."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from box import build
from box.blocks import addresses, claim
from box.common import MACHINES, PROJECT_ID, SSH_KEY, SetupError, bridge_address, container_name, note, run
from box.containers import Containers
from box.laptops import DISKS, SHARING, this_computer
from box.network import start_bridge
from box.places import PROJECT, STATE
from box.public_boxes import CATALOGUE_ENDS, REGISTRY, box_of
from box.vagrant import Vagrant, pack_box, provider_of_machines
from plugins.plugin_utils.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = STATE / "provider.json"
DOWNLOADS = "https://developer.hashicorp.com/vagrant/install"
HYPERVISOR_NETWORK = "192.168.56"
#: What stands in SAMESTACK_BOX_URL for a box that is built here from Debian's archive
ARCHIVE = "archive"
#: The programs by which a hypervisor is known, and its name for people
HYPERVISORS = {"prlctl": "Parallels", "vmrun": "VMware", "VBoxManage": "VirtualBox", "virsh": "libvirt"}


@dataclass(frozen=True)
class Choice:
    """A provider by Vagrant's name, who talks to it, and the reason for it in a few words.

    Attributes:
        provider: `lxc`, `virtualbox`, `vmware_desktop`, `parallels`, `libvirt` or another of Vagrant's.
        why: the reason.
        vagrant: whether Vagrant makes the machines; without it they are made straight by LXC.
    """

    provider: str
    why: str
    vagrant: bool = True


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


def is_apple_silicon() -> bool:
    """Whether this Mac has Apple's own processor, also when a translated Python asks."""
    return platform.machine() == "arm64" or run(["sysctl", "-n", "sysctl.proc_translated"]).strip() == "1"


def recorded(project: Path = PROJECT) -> dict[str, Any]:
    """What was written down at a project's last choice; nothing before the first."""
    file = project / ".samestack" / RECORD.name
    if not file.exists():
        return {}
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def makes_containers(record: dict[str, Any]) -> bool:
    """Whether a record says that the machines are made straight by LXC; without a word of it, Vagrant makes them."""
    return record.get("made_by") == "lxc"


def existing() -> Choice | None:
    """What has made the machines that this clone already has, None when it has none."""
    if provider := provider_of_machines():
        return Choice(provider, "the machines that exist are there, made by Vagrant")
    record = recorded()
    if makes_containers(record):
        containers = Containers(addresses_of(record), record["tree"])
        if any(containers.has(name) for name in MACHINES):
            return Choice("lxc", "the machines that exist are there", vagrant=False)
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


def mac_hint() -> str:
    """What to install on this Mac: not every hypervisor runs on every processor, and has a box for it."""
    begin = "No Vagrant with a working hypervisor was found on this Mac"
    if is_apple_silicon():
        box = box_of("noble", "parallels", "arm64")
        return (
            f"{begin} (Apple silicon). Install Vagrant and Parallels or VMware Fusion with its plugin, and start "
            f"again, for example: brew install --cask vagrant parallels && vagrant plugin install vagrant-parallels. "
            f"Their box for this processor is {box.name} {box.version} (seen {box.seen})."
        )
    return (
        f"{begin} (Intel). Install Vagrant and VirtualBox, Parallels or VMware Fusion, and start again, for example: "
        f"brew install --cask vagrant virtualbox"
    )


def how_to_get_vagrant() -> str:
    """A sentence on where Vagrant comes from here. HashiCorp's own packages are offered, never used unasked."""
    if sys.platform == "darwin":
        return "Install it: brew install --cask vagrant"
    if this_computer().vagrant:
        return "Install it: sudo apt-get install vagrant"
    return f"The archive of this release has none; HashiCorp has packages of its own (not free software): {DOWNLOADS}"


def offer_hypervisor() -> None:
    """Say how an installed hypervisor could be used, where the machines are about to become containers."""
    found = [name for program, name in HYPERVISORS.items() if shutil.which(program)]
    if found and not is_wsl():
        note(
            f"{found[0]} is here, but Vagrant with a plugin for it is not. For true machines instead of containers: "
            f"{how_to_get_vagrant()}, then `./samestack destroy` and `./samestack up`."
        )


def choose_provider(*, by_hand: bool = False) -> Choice:
    """What is to make the machines. Raises `SetupError` when this computer offers nothing.

    Args:
        by_hand: for `vagrant up`, which cannot make them without Vagrant.
    """
    asked = os.environ.get("VAGRANT_DEFAULT_PROVIDER", "")
    present = existing()
    if present:
        if (asked and asked != present.provider) or (by_hand and not present.vagrant):
            maker = f"Vagrant with {present.provider}" if present.vagrant else "LXC, without Vagrant"
            raise SetupError(
                f"This clone has machines already, made by {maker}. "
                f"`./samestack up` starts them. To make them anew another way: `./samestack destroy` first."
            )
        return present
    if asked:
        return Choice(asked, "VAGRANT_DEFAULT_PROVIDER asks for it", vagrant=by_hand or asked != "lxc")
    found = working_hypervisor()
    if found:
        return found
    if sys.platform == "darwin":
        raise SetupError(mac_hint())
    if not sys.platform.startswith("linux"):
        raise SetupError(f"{sys.platform} is not supported. On Windows, start this inside WSL2 (Ubuntu).")
    where = "no other hypervisor works under WSL" if is_wsl() else "no hypervisor is installed"
    if not by_hand:
        offer_hypervisor()
        return Choice("lxc", where, vagrant=False)
    if has_plugin("vagrant-lxc") or this_computer().vagrant_lxc:
        return Choice("lxc", where)
    raise SetupError(
        "Vagrant finds no hypervisor that it can work with here. `./samestack up` makes the same machine straight by "
        "LXC, without Vagrant."
    )


def record(content: dict[str, Any]) -> None:
    """Write what the Vagrantfile and box/machines read, in one step."""
    write_whole(RECORD, json.dumps(content, indent=2) + "\n")


def install_lxc(install: Callable[[list[str]], None], *, vagrant: bool = False) -> None:
    """Install what LXC needs by apt. Raises `SetupError` where Vagrant is to talk to it and has no plugin for it."""
    laptop = this_computer()
    install([*laptop.machines])
    # The keys of the other distribution: without them the box is one of this computer's own distribution.
    install([name for name in laptop.keys if has_candidate(name)])
    if not vagrant or has_plugin("vagrant-lxc"):
        return
    if not laptop.vagrant_lxc:
        raise SetupError(
            f"VAGRANT_DEFAULT_PROVIDER = lxc (in the environment): the archive of {laptop.title} has no vagrant-lxc. "
            f"`./samestack up` makes the same machine straight by LXC, without Vagrant."
        )
    install([*laptop.vagrant_lxc])


def prepare_containers(install: Callable[[list[str]], None], *, vagrant: bool = False) -> Path:
    """See to packages, bridge and base box; returns the box. Raises `SetupError` with what stands in the way."""
    install_lxc(install, vagrant=vagrant)
    start_bridge()
    return build.get()


def addresses_of(known: dict[str, Any]) -> dict[str, str]:
    """The address of each machine by a record; an earlier version's says the network alone."""
    given: dict[str, str] = known.get("addresses") or addresses(known["network"], 0)
    return given


def own_addresses(network: str) -> dict[str, str]:
    """The addresses of this project's machines, taken for it where it has none yet."""
    # What an earlier version has made stays where it is.
    kept = 0 if "addresses" not in recorded() and existing() else None
    return addresses(network, claim(network, kept))


def prepare_lxc(choice: Choice, install: Callable[[list[str]], None]) -> None:
    """See to everything that containers need, and write it down. Raises `SetupError`."""
    folder = prepare_containers(install, vagrant=choice.vagrant)
    network = (bridge_address() or "10.0.3.1").rsplit(".", 1)[0]
    common = {
        "provider": "lxc",
        "made_by": "vagrant" if choice.vagrant else "lxc",
        "network": network,
        "addresses": own_addresses(network),
        "container_prefix": container_name(""),
        "tree": str(folder),
    }
    if choice.vagrant:
        common |= {
            "box": f"samestack-{PROJECT_ID}/{folder.name}",
            "box_url": f"file://{pack_box(folder)}",
            "ssh_key": str(SSH_KEY),
        }
    record(common)


def built_disk(choice: Choice, install: Callable[[list[str]], None]) -> dict[str, str]:
    """Build a box from Debian's archive, and return what is to be known of it. Raises `SetupError`."""
    if choice.provider != "libvirt":
        raise SetupError(
            f"SAMESTACK_BOX_URL = {ARCHIVE} (in the environment): only libvirt's box is built here, and the provider "
            f"is {choice.provider}. Unset it, or name a box of your own."
        )
    install([*DISKS])
    folder = build.get_disk()
    return {
        "box": f"samestack-{PROJECT_ID}/{folder.name}",
        "box_url": f"file://{folder / 'machine.box'}",
        "ssh_key": str(SSH_KEY),
    }


def prepare_hypervisor(choice: Choice, install: Callable[[list[str]], None]) -> None:
    """Choose or build the box for a hypervisor. Raises `SetupError` when there is none, or no Vagrant."""
    if not shutil.which("vagrant"):
        raise SetupError(
            f"VAGRANT_DEFAULT_PROVIDER = {choice.provider} (in the environment): Vagrant is not installed. "
            f"{how_to_get_vagrant()}."
        )
    common = {
        "provider": choice.provider,
        "made_by": "vagrant",
        "network": HYPERVISOR_NETWORK,
        "addresses": own_addresses(HYPERVISOR_NETWORK),
        "container_prefix": container_name(""),
    }
    if choice.provider == "libvirt":
        # It shares the live folder; where apt has no such package, QEMU's brings it.
        install([name for name in SHARING if has_candidate(name)])
    known = recorded()
    if provider_of_machines() and "box_url" in known:
        # What the machines there were made from is how they are reached, and what the next one is made from.
        record(known | common)
        return
    release = os.environ.get("SAMESTACK_BOX_RELEASE") or "noble"
    own = os.environ.get("SAMESTACK_BOX_URL", "")
    if own == ARCHIVE:
        record(common | built_disk(choice, install))
        return
    if own:
        record(common | {"box": f"samestack-{PROJECT_ID}/own", "box_url": own})
        return
    architecture = "arm64" if platform.machine() in {"arm64", "aarch64"} else "amd64"
    box = box_of(release, choice.provider, architecture)
    note(
        f"Box: {box.name} {box.version} ({architecture}). HashiCorp closes the public catalogue on {CATALOGUE_ENDS}; "
        f"SAMESTACK_BOX_URL names a box of your own."
    )
    record(
        common
        | {
            "box": box.name,
            "box_version": box.version,
            "box_architecture": architecture,
            # For a Vagrant that knows no architectures (before 2.4) and takes the one that the catalogue lists first
            "box_file": f"{REGISTRY}/{box.name.replace('/', '/boxes/')}/versions/{box.version}/providers/"
            f"{choice.provider}/{architecture}/vagrant.box",
        }
    )


def prepare_provider(choice: Choice, install: Callable[[list[str]], None]) -> None:
    """Say what makes the machines and why, install what it lacks, and write it down."""
    how = " through Vagrant" if choice.vagrant and choice.provider == "lxc" else ""
    note(f"Provider: {choice.provider}{how} ({choice.why}).")
    if is_wsl() and str(PROJECT).startswith("/mnt/"):
        note(f"{PROJECT} is on a Windows drive: saved files are not noticed there. Clone into Linux's own file system.")
    if choice.provider == "lxc":
        prepare_lxc(choice, install)
    else:
        prepare_hypervisor(choice, install)


def maker() -> Containers | Vagrant:
    """What makes this clone's local machines. Raises `SetupError` before the first choice."""
    known = recorded()
    if not known:
        raise SetupError("No provider was chosen yet. Run `./samestack up`.")
    addresses = addresses_of(known)
    return Containers(addresses, known["tree"]) if makes_containers(known) else Vagrant(known["provider"], addresses)
