"""The boxes of Vagrant's public catalogue that hypervisors start from: which there are, and when that was looked up.

Nothing of this asks the catalogue: a version is pinned, so that two colleagues have the same machine. The dates say
when a published list last had the entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from box.common import SetupError

REGISTRY = "https://vagrantcloud.com"
#: When HashiCorp ends the public registry, as announced on 2026-08-31 (developer.hashicorp.com/hcp/docs/vagrant)
CATALOGUE_ENDS = "2026-12-31"

DESKTOP = ("virtualbox", "vmware_desktop", "parallels")
BOTH = ("amd64", "arm64")


@dataclass(frozen=True)
class Box:
    """An entry of the catalogue.

    Attributes:
        name: owner and name.
        version: the pinned one.
        providers: Vagrant's names of the hypervisors that it is for.
        seen: the date of the list that it was found in.
        architectures: the processors that it is for.
    """

    name: str
    version: str
    providers: tuple[str, ...]
    seen: str
    architectures: tuple[str, ...] = BOTH


#: By release. Bento's table of builds (CHANGELOG.md, 2026-06-04) has all three desktop hypervisors on both processors;
#: what is for libvirt was verified in the catalogue by the maintainers of Pigsty (vagrant/README.md, 2026-08).
BOXES = {
    "resolute": (
        Box("bento/ubuntu-26.04", "202606.01.0", DESKTOP, "2026-06-04"),
        Box("cloud-image/ubuntu-26.04", "20260731.0.0", ("libvirt",), "2026-08"),
    ),
    "noble": (
        Box("bento/ubuntu-24.04", "202510.26.0", DESKTOP, "2026-06-04"),
        Box("cloud-image/ubuntu-24.04", "20260801.0.0", ("libvirt",), "2026-08"),
    ),
    "jammy": (
        Box("bento/ubuntu-22.04", "202510.26.0", DESKTOP, "2026-06-04"),
        Box("cloud-image/ubuntu-22.04", "20260810.0.0", ("libvirt",), "2026-08"),
    ),
    "trixie": (
        Box("bento/debian-13", "202510.26.0", DESKTOP, "2026-06-04"),
        Box("cloud-image/debian-13", "20260810.2566.0", ("libvirt",), "2026-08"),
    ),
    "bookworm": (
        Box("bento/debian-12", "202510.26.0", DESKTOP, "2026-06-04"),
        Box("cloud-image/debian-12", "20260806.2562.0", ("libvirt",), "2026-08"),
    ),
}


def box_of(release: str, provider: str, architecture: str) -> Box:
    """Return the box of `release` for a hypervisor and a processor. Raises `SetupError` when there is none."""
    if release not in BOXES:
        raise SetupError(
            f"SAMESTACK_BOX_RELEASE = {release} (in the environment): there is no box of this release. "
            f"Write one of {', '.join(BOXES)}."
        )
    for box in BOXES[release]:
        if provider in box.providers and architecture in box.architectures:
            return box
    raise SetupError(
        f"VAGRANT_DEFAULT_PROVIDER = {provider} (in the environment): no box of {release} is known for it on "
        f"{architecture}. Name one of your own: SAMESTACK_BOX_URL=https://… ./samestack up"
    )
