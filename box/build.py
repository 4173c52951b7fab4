"""Build the base box of the local machines from a distribution's archive: `box/build [RELEASE]`.

RELEASE (or SAMESTACK_BOX_RELEASE) is resolute, noble, jammy, trixie or bookworm. Without one it is Ubuntu 24.04 where
its archive answers and its signing keys are at hand, otherwise Debian 13. The result is shared by all projects on this
computer: `~/.local/share/samestack/box/<release>-<hash of the inputs>/`, printed as the last line:

    rootfs/        the tree that machines start from
    prepare        what gives a copy of it its identity

For libvirt the same tree, with a kernel of its own, becomes a disk: `SAMESTACK_BOX_URL=archive ./samestack up`.

    machine.box    Vagrant's view of it
    disk           what made it of the tree
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from box.common import BOXES, OLD_SSH_KEY, SSH_KEY, SetupError, note, run, say, stop

HERE = Path(__file__).resolve().parent
PROBE_SECONDS = 4
#: How long a box stays that nobody asks for
KEEP_SECONDS = 30 * 86400
ASKED = "asked for"
UBUNTU_KEYS = Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")
DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

#: A server as a provider hands it over, and what Ansible's apt needs, so that it has nothing to install for itself.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "iproute2",
    "openssh-server",
    "sudo",
    "python3",
    "python3-apt",
    "ca-certificates",
    "acl",
)

#: What makes no sense without a kernel, terminals and a network card of one's own.
MASKED = (
    "console-getty.service",
    "getty@tty1.service",
    "systemd-networkd-wait-online.service",
    "systemd-firstboot.service",
    "systemd-modules-load.service",
    "systemd-udevd.service",
    "systemd-remount-fs.service",
    "e2scrub_reap.service",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
)

#: What a virtual machine has more: what it boots, and names by DHCP.
DISK_PACKAGES = ("linux-image-amd64", "grub-pc-bin", "udev", "systemd-resolved")


@dataclass(frozen=True)
class Kind:
    """What a box is for.

    Attributes:
        word: what its name says of it.
        packages: what is in it beside PACKAGES.
        masked: the units that make no sense in it.
        script: the program of this folder that a tree becomes a machine by; a box that has it is whole.
    """

    word: str = ""
    packages: tuple[str, ...] = ()
    masked: tuple[str, ...] = MASKED
    script: str = "prepare"


CONTAINER = Kind()
DISK = Kind("disk-", DISK_PACKAGES, (), "disk")


@dataclass(frozen=True)
class Release:
    """One release that a box can be made of."""

    suite: str
    title: str
    mirror: str
    security: str
    keys: Path
    components: str
    #: apt's options for its archive
    options: str = ""
    #: Packages that the others no longer bring along
    packages: tuple[str, ...] = ()

    def sources(self) -> list[str]:
        """The lines of the box's own sources.list."""
        begin = f"deb {self.options}".rstrip()
        return [
            f"{begin} {self.mirror} {self.suite} {self.components}",
            f"{begin} {self.mirror} {self.suite}-updates {self.components}",
            f"{begin} {self.security} {self.suite}-security {self.components}",
        ]


def debian(suite: str, title: str, options: str = "", packages: tuple[str, ...] = ()) -> Release:
    """A Debian release, from the mirror in SAMESTACK_BOX_MIRROR or Debian's own."""
    mirror = os.environ.get("SAMESTACK_BOX_MIRROR", "http://deb.debian.org/debian")
    return Release(suite, title, mirror, f"{mirror.rstrip('/')}-security", DEBIAN_KEYS, "main", options, packages)


def ubuntu(suite: str, title: str, architecture: str) -> Release:
    """An Ubuntu release; other processors than Intel's have an archive of their own."""
    host = "archive.ubuntu.com/ubuntu" if architecture in {"amd64", "i386"} else "ports.ubuntu.com/ubuntu-ports"
    mirror = os.environ.get("SAMESTACK_BOX_MIRROR", f"http://{host}")
    return Release(suite, title, mirror, mirror, UBUNTU_KEYS, "main universe")


def releases() -> dict[str, Release]:
    """Every release of a server, by its suite."""
    architecture = run(["dpkg", "--print-architecture"]).strip()
    known = (
        ubuntu("resolute", "Ubuntu 26.04", architecture),
        ubuntu("noble", "Ubuntu 24.04", architecture),
        ubuntu("jammy", "Ubuntu 22.04", architecture),
        debian("trixie", "Debian 13"),
        debian("bookworm", "Debian 12"),
    )
    return {release.suite: release for release in known}


def trouble_with(release: Release) -> str | None:
    """Why `release` cannot be built here, or None when its keys are present and its archive answers."""
    if not release.keys.exists():
        return f"{release.title}'s signing keys are not on this computer"
    address = f"{release.mirror.rstrip('/')}/dists/{release.suite}/Release"
    with tempfile.TemporaryDirectory() as folder:
        got = Path(folder) / "Release"
        # apt's own client: it knows this computer's proxies.
        limits = ["-oAcquire::Retries=0", *(f"-oAcquire::{by}::Timeout={PROBE_SECONDS}" for by in ("http", "https"))]
        try:
            run(["/usr/lib/apt/apt-helper", *limits, "download-file", address, str(got)])
        except SetupError:
            return f"{release.title}'s archive ({release.mirror}) does not answer"
        if f"Codename: {release.suite}\n" not in got.read_text(errors="replace"):
            return f"{release.title}'s archive ({release.mirror}) gives something else than a release file"
    return None


def choose(asked: str = "", *, laptop: bool = False) -> tuple[Release, str]:
    """The release to build and the reason for it.

    Args:
        asked: its suite; without one, what SAMESTACK_BOX_RELEASE says.
        laptop: whether it is for a computer that machines are made on, not for a server: Debian testing may be one.

    Raises `SetupError` when the one asked for is unknown.
    """
    asked = asked or os.environ.get("SAMESTACK_BOX_RELEASE", "")
    # A mirror that stands still for tests is older than testing's promise of a week.
    testing = debian("forky", "Debian testing", "[check-valid-until=no]", ("passwd",))
    known = releases() | ({"forky": testing} if laptop else {})
    if asked:
        if asked not in known:
            raise SetupError(
                f"SAMESTACK_BOX_RELEASE = {asked} (in the environment): no box can be built of this release. "
                f"Write one of {', '.join(known)}."
            )
        return known[asked], ASKED
    trouble = trouble_with(known["noble"])
    if trouble is None:
        return known["noble"], "its archive answers"
    return known["trixie"], trouble


def folder_of(release: Release, kind: Kind = CONTAINER) -> Path:
    """Where the box of `release` belongs, named after everything that it is made from."""
    digest = hashlib.sha256((HERE / kind.script).read_bytes())
    digest.update("\n".join(command_for(release, Path("tree"), kind)).encode())
    return BOXES / f"{release.suite}-{kind.word}{digest.hexdigest()[:10]}"


def hooks(masked: tuple[str, ...]) -> list[str]:
    """What is done inside the new tree, as mmdebstrap's hooks ($1 is the tree)."""
    masks = " ".join(f'"$1/etc/systemd/system/{unit}"' for unit in masked)
    lines = (
        'chroot "$1" useradd --create-home --shell /bin/bash vagrant',
        'echo "vagrant ALL=(ALL) NOPASSWD: ALL" > "$1/etc/sudoers.d/vagrant"',
        'chmod 0440 "$1/etc/sudoers.d/vagrant"',
        f'for unit in {masks}; do ln -sf /dev/null "$unit"; done',
        'ln -sf /lib/systemd/system/multi-user.target "$1/etc/systemd/system/default.target"',
        # Each machine makes its own host keys, and sets up apt and dpkg as a server has them.
        'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"',
    )
    return [f"--customize-hook={line}" for line in lines]


def command_for(release: Release, tree: Path, kind: Kind = CONTAINER) -> list[str]:
    """The whole recipe of the box: the command that installs `release` into `tree`."""
    options = [
        "--mode=root",
        "--format=directory",
        "--variant=apt",
        f"--include={','.join((*PACKAGES, *release.packages, *kind.packages))}",
        f"--keyring={release.keys}",
        '--aptopt=Apt::Install-Recommends "false"',
        # The tree is thrown away when a build is cut off: nothing needs to be on the disk early.
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "info", "locale")),
        *hooks(kind.masked),
    ]
    return ["mmdebstrap", *options, release.suite, str(tree), *release.sources()]


def ensure_key() -> None:
    """Make this computer's key: whoever may read it (only its user) reaches the local machines."""
    if SSH_KEY.exists():
        return
    if OLD_SSH_KEY.exists():
        for suffix in (".pub", ""):
            shutil.copy(f"{OLD_SSH_KEY}{suffix}", f"{SSH_KEY}{suffix}")
        return
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "samestack", "-f", str(SSH_KEY)])


def remove_older(release: Release, keep: Path) -> None:
    """Take away the boxes of this release that nobody asked for in a while and no machine lies on.

    Projects that pin different versions of Samestack may want different boxes, and take turns.
    """
    in_use = run(["sh", "-c", "cat /var/lib/lxc/*/config 2>/dev/null || true"], root=True)
    for old in BOXES.glob(f"{release.suite}-*"):
        marks = [mark for kind in (CONTAINER, DISK) if (mark := old / kind.script).exists()]
        wanted = any(time.time() - mark.stat().st_mtime < KEEP_SECONDS for mark in marks)
        if old != keep and not wanted and f"{old}/" not in in_use:
            run(["rm", "-rf", "--one-file-system", str(old)], root=True)


def build(release: Release, why: str, kind: Kind = CONTAINER) -> Path:
    """Build the box of `release` unless it is there already, and return its folder."""
    folder = folder_of(release, kind)
    mark = folder / kind.script
    BOXES.mkdir(parents=True, exist_ok=True)
    with (BOXES / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure_key()
        if mark.exists():
            note(f"Base box: {release.title} ({why}), built before.")
            mark.touch()
            return folder
        if not release.keys.exists():
            here = [name for name, other in releases().items() if other.keys.exists()]
            raise SetupError(
                f"SAMESTACK_BOX_RELEASE = {release.suite} (in the environment): the signing keys of {release.title} "
                f"({release.keys}) are not on this computer, and apt has none. Write one of {', '.join(here)}."
            )
        note(f"Base box: {release.title} ({why}), being built …")
        started = time.monotonic()
        unfinished = BOXES / f"unfinished-{release.suite}"
        run(["rm", "-rf", "--one-file-system", str(unfinished)], root=True)
        run(["rm", "-rf", "--one-file-system", str(folder)], root=True)
        # What it mounts in the tree goes with it, also when it is killed.
        run(["unshare", "--mount", *command_for(release, unfinished, kind)], root=True)
        folder.mkdir()
        if kind is DISK:
            run([str(HERE / kind.script), str(unfinished), f"{SSH_KEY}.pub", str(folder)], root=True)
            run(["rm", "-rf", "--one-file-system", str(unfinished)], root=True)
        else:
            run(["mv", str(unfinished), str(folder / "rootfs")], root=True)
        # The last of it: with this the box is whole.
        shutil.copy(HERE / kind.script, mark)
        remove_older(release, folder)
        note(f"Base box built in {time.monotonic() - started:.0f} s.")
    return folder


def get(asked: str = "", *, laptop: bool = False) -> Path:
    """The folder of the box that `choose` finds, built unless it is there. Raises `SetupError`."""
    release, why = choose(asked, laptop=laptop)
    try:
        return build(release, why)
    except SetupError:
        # An archive that answers may still fail halfway (a proxy, an old key); nobody asked for this release.
        if why == ASKED or release.suite == "trixie":
            raise
        return build(releases()["trixie"], f"{release.title} could not be built")


def get_disk() -> Path:
    """The folder of Vagrant's box for libvirt, built unless it is there. Raises `SetupError`."""
    asked = os.environ.get("SAMESTACK_BOX_RELEASE", "") or "trixie"
    known = {suite: release for suite, release in releases().items() if release.keys == DEBIAN_KEYS}
    if asked not in known:
        raise SetupError(
            f"SAMESTACK_BOX_RELEASE = {asked} (in the environment): with SAMESTACK_BOX_URL=archive the box is one of "
            f"Debian. Write one of {', '.join(known)}."
        )
    if (architecture := run(["dpkg", "--print-architecture"]).strip()) != "amd64":
        raise SetupError(
            f"SAMESTACK_BOX_URL = archive (in the environment): such a box boots on Intel's and AMD's processors, this "
            f"computer is {architecture}. Unset it, or name a box of your own."
        )
    return build(known[asked], ASKED, DISK)


if __name__ == "__main__":
    try:
        say(str(get(*sys.argv[1:2])))
    except SetupError as problem:
        stop(str(problem))
