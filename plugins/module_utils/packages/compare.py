"""Which packages of a machine the stack lock is about, and how a machine's differ from what it says.

Pure; the control node and the hosts use it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What belongs to the machine rather than to us: kernels and what is built for one, firmware, boot loaders, and the
# guest tools of hypervisors. Two machines of the same stack may well differ in these.
HARDWARE = re.compile(
    r"linux-(image|headers|modules|tools|cloud-tools|kbuild|compiler|generic|virtual|server|lowlatency|realtime|oem|kvm"
    r"|aws|azure|gcp|gke|ibm|oracle|raspi|firmware|hwe)\b.*|firmware-.*|.*-microcode|(lib)?grub.*|shim(-.*)?|os-prober"
    r"|efibootmgr|mokutil|secureboot-db|sbsigntool|systemd-boot.*|open-vm-tools.*|virtualbox-.*|qemu-guest-agent"
    r"|hyperv-daemons|xe-guest-utilities|amazon-ec2-.*|google-(guest|compute)-.*|nvidia-.*|dkms|.*-dkms"
)
KERNEL_SECTION = re.compile(r"(.*/)?kernel")
# What dpkg takes: an optional epoch, an upstream version, an optional revision
VERSION = re.compile(r"(?:\d+:)?\d[A-Za-z0-9.+~:-]*")
PART = re.compile(r"(\D*)(\d*)")


def is_lockable(name: str, section: str) -> bool:
    """Return whether a package belongs into the lock: neither a kernel nor bound to the hardware."""
    return not (KERNEL_SECTION.fullmatch(section) or HARDWARE.fullmatch(name.partition(":")[0]))


def packages_of(listing: str) -> tuple[dict[str, str], str]:
    """Return ({package: version} of what the lock is about, the machine's own architecture), as standalone.look lists.

    A package of a foreign architecture is named with it, as apt does: `libc6:i386`.
    """
    rows = [line.split("|") for line in listing.splitlines() if line.startswith("ii ")]
    native = next((row[3] for row in rows if row[1] == "dpkg"), "")
    found = {}
    for _status, name, version, architecture, section in rows:
        own = name if architecture in (native, "all") else f"{name}:{architecture}"
        if is_lockable(own, section):
            found[own] = version
    return found, native


def stack_of(listing: str, updated: str) -> dict[str, Any]:
    """Return what the lock has to know of a machine: `versions`, `architecture`, and `updated`.

    `updated` is when apt last fetched its lists, as a snapshot service names a moment; "" where it never did.
    """
    versions, architecture = packages_of(listing)
    return {"versions": versions, "architecture": architecture, "updated": updated}


@dataclass(frozen=True)
class Difference:
    """How a machine's packages differ from the lock's section for it; versions are (the machine's, the lock's)."""

    # The lock has a newer version: to be raised
    older: dict[str, tuple[str, str]] = field(default_factory=dict)
    # The machine has a newer one, from a security update: left as it is
    newer: dict[str, tuple[str, str]] = field(default_factory=dict)
    # The lock does not know the package
    unlocked: list[str] = field(default_factory=list)


def difference(versions: Mapping[str, str], locked: Mapping[str, str], wanted: Iterable[str] = ()) -> Difference:
    """Compare a machine's versions with the locked ones; `wanted` packages are about to be installed."""
    known = versions.keys() & locked.keys()
    differing = {name: (versions[name], locked[name]) for name in known if versions[name] != locked[name]}
    sides = {name: compare(*pair) for name, pair in differing.items()}
    unlocked = {name for name in (*versions, *wanted) if name not in locked and is_lockable(name, "")}
    return Difference(
        {name: differing[name] for name, side in sorted(sides.items()) if side < 0},
        {name: differing[name] for name, side in sorted(sides.items()) if side > 0},
        sorted(unlocked),
    )


def followed(versions: Mapping[str, str], locked: Mapping[str, str], sources: Mapping[str, str]) -> dict[str, str]:
    """Return the locked packages, not on the machine yet, that have to be newer than the lock; "" is any version.

    A machine may be ahead of the lock in a part of what comes from one source, such as its image's libsystemd: parts of
    one source fit together only at one version, and nothing is downgraded. `sources` names each package's source.
    """
    ahead: dict[str, dict[str, str]] = {}
    for name in versions.keys() & locked.keys():
        if compare(versions[name], locked[name]) > 0:
            ahead.setdefault(sources.get(name, name), {})[locked[name]] = versions[name]
    return {
        name: ahead[sources[name]].get(version, "")
        for name, version in locked.items()
        if name not in versions and sources.get(name, "") in ahead
    }


def source_names(stanzas: str) -> dict[str, str]:
    """Return {package: its source} by what `apt-cache show` says."""
    found: dict[str, str] = {}
    for stanza in stanzas.split("\n\n"):
        fields: dict[str, str] = dict(re.findall(r"^(Package|Source): (\S+)", stanza, re.MULTILINE))
        if "Package" in fields:
            found[fields["Package"]] = fields.get("Source", fields["Package"])
    return found


def compare(one: str, other: str) -> int:
    """Return a number below, equal to or above 0: the first version is older than the second, like it, or newer.

    The rules are those of deb-version(7).
    """
    left, right = _split(one), _split(other)
    if left[0] != right[0]:
        return left[0] - right[0]
    return _compare_text(left[1], right[1]) or _compare_text(left[2], right[2])


def _split(version: str) -> tuple[int, str, str]:
    """Return epoch, upstream version and revision."""
    epoch, colon, rest = version.partition(":")
    upstream, _, revision = (rest if colon else version).rpartition("-")
    if not upstream:
        upstream, revision = revision, ""
    return (int(epoch) if colon else 0), upstream, revision


def _compare_text(one: str, other: str) -> int:
    """Compare by turns what is no digit, letter by letter, and numbers."""
    for (text, number), (other_text, other_number) in zip_longest(
        PART.findall(one), PART.findall(other), fillvalue=("", "")
    ):
        for letter, other_letter in zip_longest(text, other_text, fillvalue=""):
            if difference := _weight(letter) - _weight(other_letter):
                return difference
        if difference := int(number or 0) - int(other_number or 0):
            return difference
    return 0


def _weight(letter: str) -> int:
    """Return a letter's place in the order: a tilde before the end, the end before letters, these before all else."""
    if letter == "~":
        return -1
    if not letter:
        return 0
    return ord(letter) if letter.isalpha() else ord(letter) + 256
