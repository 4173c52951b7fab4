"""Machines straight by LXC, from the base box: the local ones where no hypervisor is, and those of box/host for tests.

LXC and not Incus: every release that is supported has it (Incus came with Debian 13 and Ubuntu 24.04), it needs no
service, no pool of its own and no group that is root by another name, and a machine is a folder with a short file of
settings. docs/local-machines.md tells what both cannot give.

They are privileged: a number of a user is the same inside and outside, so the files of the live folder belong to their
owner on both sides.
"""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from box.common import LXC_PATH, OLD_SSH_KEY, SSH_KEY, SetupError, bridge_address, container_name, run
from box.connections import live_folder_of
from box.network import start_bridge

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
SSH_SECONDS = 60
HALT_SECONDS = 30
#: Where the machine has the folder that is served live; Vagrantfile has it too
LIVE_PATH = "/srv/live"
CGROUPS = Path("/sys/fs/cgroup")
#: AppArmor in the kernel, and the program without which LXC can write no profile for it
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
APPARMOR_PARSER = "apparmor_parser"
#: The letters that the mount table writes by their number, the backslash first
MOUNT_ESCAPES = {"\\": "\\134", " ": "\\040", "\t": "\\011", "\n": "\\012"}


@dataclass(frozen=True)
class Settings:
    """What LXC is to know of one container.

    Attributes:
        container: LXC's name for it.
        address: its IPv4 address on the bridge.
        root: its tree, as LXC writes it (`dir:…`, `overlay:…`).
        live: the folder on this computer that it has at LIVE_PATH; "" for none.
        laptop: whether it makes machines itself.
    """

    container: str
    address: str
    root: str
    live: str = ""
    laptop: bool = False

    def text(self) -> str:
        """Return the whole file."""
        lines = [
            f"lxc.net.0.ipv4.address = {self.address}/24",
            f"lxc.net.0.hwaddr = {card_of(self.address)}",
            f"lxc.uts.name = {machine_of(self.container)}",
            f"lxc.rootfs.path = {self.root}",
        ]
        if self.live:
            lines.append(f"lxc.mount.entry = {mount_word(self.live)} {LIVE_PATH.lstrip('/')} none bind,create=dir 0 0")
        if self.laptop:
            lines.append("lxc.include = /usr/share/lxc/config/nesting.conf")
            # Network cards for virtual machines
            lines += [f"lxc.{cgroup}.devices.allow = c 10:200 rwm" for cgroup in ("cgroup", "cgroup2")]
            lines.append("lxc.mount.entry = /dev/net/tun dev/net/tun none bind,optional,create=file 0 0")
        return common_settings() + "\n".join([*lines, *apparmor_settings(), ""])

    def write(self) -> None:
        """Write the file, which makes LXC know the container. Raises `SetupError`."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as config:
            config.write(self.text())
            config.flush()
            run(["install", "-m", "0644", config.name, str(config_of(self.container))], root=True)


def common_settings() -> str:
    """Return the settings that all machines share, Vagrant's too."""
    return (HERE / "lxc-config").read_text(encoding="utf-8")


def apparmor_settings() -> list[str]:
    """Return the lines about AppArmor: systemd in the machine makes namespaces for sandboxed units, and must be let.

    Where the kernel has AppArmor and nothing on this computer can load profiles, LXC would refuse to start.
    """
    enabled = APPARMOR.exists() and APPARMOR.read_text(encoding="utf-8").startswith("Y")
    if enabled and not shutil.which(APPARMOR_PARSER, path="/usr/sbin:/sbin:/usr/bin"):
        return ["lxc.apparmor.profile = unconfined"]
    return ["lxc.apparmor.profile = generated", "lxc.apparmor.allow_nesting = 1"]


def mount_word(path: str) -> str:
    """Return a path as one word of a mount table."""
    return "".join(MOUNT_ESCAPES.get(letter, letter) for letter in path)


def card_of(address: str) -> str:
    """Return a network card's number that follows from `address`.

    With a new one at each start, the host would send to the old one for half a minute (its ARP cache).
    """
    return "00:16:3e:53:{:02x}:{:02x}".format(*(int(part) for part in address.split(".")[2:]))


def machine_of(container: str) -> str:
    """Return the machine's name inside a container's."""
    return container.split("-", 2)[2]


def config_of(container: str) -> Path:
    """Return the file with the settings of `container`."""
    return LXC_PATH / container / "config"


def all_settings() -> str:
    """Return the text of all LXC containers' settings on this computer."""
    return run(["sh", "-c", f"cat {LXC_PATH}/*/config 2>/dev/null || true"], root=True)


def settings_of(container: str) -> str:
    """Return the settings of `container` as they are written."""
    return run(["cat", str(config_of(container))], root=True)


def names(*, running: bool = False) -> set[str]:
    """Return LXC's names of all containers on this computer, or of those that run; none where there is no LXC."""
    if not shutil.which("lxc-ls", path="/usr/bin:/bin"):
        return set()
    return set(run(["lxc-ls", "-1", *(["--running"] if running else [])], root=True).split())


def address_of(container: str) -> str:
    """Return the fixed address in the settings of `container`. Raises `SetupError` when there is none."""
    found = re.search(r"ipv4\.address\s*=\s*([0-9.]+)", settings_of(container))
    if not found:
        raise SetupError(f"{container} has no address in its settings. Run `box/host down` for it and then `up`.")
    return found.group(1)


def prepare(container: str, box: Path, root: Path) -> None:
    """Give the tree `root` of `container` its identity: name, host keys, who may log in."""
    nameserver = bridge_address() or "10.0.3.1"
    key = str(SSH_KEY.with_suffix(".pub"))
    run([str(box / "prepare"), str(root), machine_of(container), nameserver, key], root=True)


def empty_home(container: str) -> Path:
    """Make the folder of `container` anew: a start that was cut off may have left something that LXC does not know."""
    home = LXC_PATH / container
    run(["sh", "-c", f"umount {home}/mounted 2>/dev/null || true"], root=True)
    run(["rm", "-rf", "--one-file-system", str(home)], root=True)
    run(["mkdir", "-p", "--mode=0770", str(home)], root=True)
    return home


def make_layer(container: str, box: Path) -> str:
    """Make the tree of `container` as a layer over the box, in a moment, for a machine that is thrown away.

    Its identity goes in through the very overlay that LXC mounts. Returns the tree as LXC writes it.
    """
    home = empty_home(container)
    layer, mounted, work = home / "layer", home / "mounted", home / "olwork"
    run(["mkdir", str(layer), str(mounted), str(work)], root=True)
    options = f"lowerdir={box / 'rootfs'},upperdir={layer},workdir={work}"
    run(["mount", "-t", "overlay", "overlay", "-o", options, str(mounted)], root=True)
    try:
        prepare(container, box, mounted)
    finally:
        run(["umount", str(mounted)], root=True)
        run(["rm", "-rf", str(mounted), str(work)], root=True)
    return f"overlay:{box / 'rootfs'}:{layer}"


def make_copy(container: str, box: Path) -> str:
    """Make the tree of `container` as a copy of the box: it lives on when the box is built anew or taken away.

    Returns the tree as LXC writes it.
    """
    home = empty_home(container)
    run(["cp", "-a", "--reflink=auto", str(box / "rootfs"), str(home / "rootfs")], root=True)
    prepare(container, box, home / "rootfs")
    return f"dir:{home / 'rootfs'}"


def wait_for_ssh(address: str) -> None:
    """Return when the ssh server at `address` greets. Raises `SetupError` after a minute."""
    deadline = time.monotonic() + SSH_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, 22), timeout=1) as connection:
                connection.settimeout(5)
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise SetupError(f"{address} gave no ssh within {SSH_SECONDS} s. `sudo lxc-ls -f` shows the machine's state.")


def boot(container: str, *, unified: bool = False) -> None:
    """Start `container` and wait for its ssh. Raises `SetupError` with what LXC says.

    Args:
        container: LXC's name for it.
        unified: for a systemd that refuses anything but cgroup v2 alone, where this computer has both.
    """
    with tempfile.TemporaryDirectory(prefix="samestack-lxc-") as folder:
        log = Path(folder) / "log"
        command = ["lxc-start", "-n", container, "-d", "-o", str(log), "-l", "ERROR"]
        if unified and not (CGROUPS / "cgroup.controllers").exists():
            mounts = f"umount -R {CGROUPS} && mount -t cgroup2 cgroup2 {CGROUPS}"
            command = ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh", *command]
        try:
            run(command, root=True)
        except SetupError as failure:
            said = run(["sh", "-c", f"cat {log} 2>/dev/null || true"], root=True)
            errors = [line.split(" ERROR ", 1)[1].strip() for line in said.splitlines() if " ERROR " in line]
            raise SetupError("\n  ".join([str(failure), *(["LXC says:", *errors] if errors else [])])) from failure
    wait_for_ssh(address_of(container))


def halt(container: str, *, kill: bool = False) -> None:
    """Stop `container`: as a computer is shut down, or by pulling the plug."""
    run(["lxc-stop", "-n", container, *(["--kill"] if kill else ["-t", str(HALT_SECONDS)])], root=True)


def delete(container: str) -> None:
    """Take `container` away, running or not; nothing happens when there is none."""
    if container in names(running=True):
        halt(container, kill=True)
    run(["rm", "-rf", "--one-file-system", str(LXC_PATH / container)], root=True)


class Containers:
    """The local machines as containers: what box/machines asks of whatever makes them (`Vagrant` is the other)."""

    def __init__(self, addresses: Mapping[str, str], box: str) -> None:
        """Know the address of each machine, and the folder of the base box."""
        self.addresses = addresses
        self._box = Path(box)

    def has(self, name: str) -> bool:
        """Return whether the machine exists."""
        return container_name(name) in names()

    def is_running(self, name: str) -> bool:
        """Return whether the machine runs."""
        return container_name(name) in names(running=True)

    def _settings(self, name: str, root: str) -> Settings:
        """Return the settings that the machine is to have now."""
        return Settings(container_name(name), self.addresses[name], root, live_folder_of(name))

    def is_stale(self, name: str) -> bool:
        """Return whether the machine was started with other settings than it is to have: another live folder."""
        written = settings_of(container_name(name))
        return written != self._settings(name, root_in(written)).text()

    def start(self, name: str) -> None:
        """Start the machine; make it where it does not exist. Raises `SetupError`."""
        container = container_name(name)
        start_bridge()
        root = root_in(settings_of(container)) if self.has(name) else make_copy(container, self._box)
        self._settings(name, root).write()
        boot(container)

    def halt(self, name: str) -> None:
        """Shut the machine down."""
        if self.is_running(name):
            halt(container_name(name))

    def delete(self, name: str) -> None:
        """Take the machine away."""
        delete(container_name(name))

    def ssh_config(self, name: str) -> str:
        """Return how ssh reaches the machine."""
        return ssh_options(address_of(container_name(name)))


def ssh_options(address: str) -> str:
    """Return how ssh reaches the container at `address`, in the words of `vagrant ssh-config`."""
    keys = [SSH_KEY, *([OLD_SSH_KEY] if OLD_SSH_KEY.exists() else [])]
    lines = [f"HostName {address}", "User vagrant", "Port 22", *(f'IdentityFile "{key}"' for key in keys)]
    return "\n".join([*lines, "IdentitiesOnly yes"])


def root_in(settings: str) -> str:
    """Return the tree that `settings` name. Raises `SetupError` when they name none."""
    found = re.search(r"^lxc\.rootfs\.path\s*=\s*(.+?)\s*$", settings, re.MULTILINE)
    if not found:
        raise SetupError(f"These settings of a container name no tree: {settings[:200]!r}. Run `./samestack destroy`.")
    return found.group(1)
