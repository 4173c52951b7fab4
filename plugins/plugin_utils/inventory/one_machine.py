"""One machine under two names: an environment would replace the other's site and database without a word.

The inventories of all environments are read as they are written, whichever is in hand: one that is at the same address
as another is told of before either is run. Names that lead to one address, and what ssh makes of a name, show on the
machine alone, which knows whose it is (`connection/belonging.py`).
"""

from __future__ import annotations

import ipaddress
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import Problem
from .environment import ENVIRONMENTS, REHEARSAL
from .files import label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .files import Setting
    from .view import Inventory

ADDRESS = ("ansible_host", "ansible_ssh_host")
PORT = ("ansible_port", "ansible_ssh_port")
#: Ways that lead to different machines at one address: another port, a jump host, a configuration of ssh
WAYS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args", "ansible_connection")
SSH_PORT = 22


#: How strong a setting is by its kind, and whether it stands in the inventory itself
STRENGTH: Mapping[tuple[str, bool], int] = {
    ("group", True): 1, ("all", False): 2, ("group", False): 3, ("host", True): 4, ("host", False): 5,
}  # fmt: skip


class Member(NamedTuple):
    """A host of an environment, in which file, and the groups that it is in there."""

    environment: str
    host: str
    file: str
    groups: list[str]


class Place(NamedTuple):
    """Where an inventory says that a host is."""

    environment: str
    host: str
    file: str
    #: The setting with the address, None where the name is the address
    setting: Setting | None
    #: Address, port and the ways there; two hosts with the same are one machine
    key: tuple[str, ...]


def shared_machine_problems(inventory: Inventory) -> Iterator[Problem]:
    """Yield the hosts that are where another one is, of this environment or of another."""
    # What is in hand is what the message is about.
    for one, other in combinations(sorted(places(inventory), key=lambda place: place.file in inventory.in_hand), 2):
        if one.key != other.key or (one.host == other.host and one.environment == other.environment):
            continue
        variable, place = (other.setting.name, other.setting.place()) if other.setting else (other.host, other.file)
        value = other.key[0] if other.setting else None
        if one.environment == other.environment:
            what = f"{one.host} and {other.host} of {one.environment} are one machine"
            fix = f"Name it once, and put that name under each of its functions (web, db, …): take {other.host} out"
        else:
            at = one.setting.place() if one.setting else one.file
            what = (
                f"{other.host} of {other.environment} is at the address of {one.host} of {one.environment} ({at}): one "
                "would replace the other's site and use its database"
            )
            fix = "Write the address of a machine of its own for each environment"
        yield Problem(variable, place, what, fix, value)


def places(inventory: Inventory) -> list[Place]:
    """Return where the inventories of this folder have their hosts; local stand-ins are told apart by Vagrant."""
    found = [place_of(inventory, member) for member in members(inventory)]
    return [place for place in found if not any("{{" in part for part in place.key[:2])]


def members(inventory: Inventory) -> Iterator[Member]:
    """Yield the hosts of all inventories of this folder but for local stand-ins."""
    for file in sorted(inventory.folder.glob("*.y*ml")):
        groups = inventory.groups_in(file)
        if REHEARSAL in groups:
            continue
        for environment in ENVIRONMENTS:
            for host in groups.get(environment, []):
                member_of = [group for group, hosts in groups.items() if host in hosts]
                yield Member(environment, host, label(file, inventory.root), member_of)


def written(inventory: Inventory, member: Member, *names: str) -> Setting | None:
    """Return the strongest setting of the first of several names, as Ansible would find it for a host."""
    for name in names:
        mine = [
            setting
            for setting in inventory.settings
            if setting.name == name
            and (not setting.inline or setting.file == member.file)
            and (setting.owner == member.host if setting.kind == "host" else setting.owner in ("all", *member.groups))
            and (setting.kind, setting.inline) in STRENGTH
        ]
        if mine:
            return max(mine, key=lambda setting: STRENGTH[setting.kind, setting.inline])
    return None


def place_of(inventory: Inventory, member: Member) -> Place:
    """Return where a file has a host of an environment."""
    address = written(inventory, member, *ADDRESS)
    port = written(inventory, member, *PORT)
    ways = [setting.value if (setting := written(inventory, member, name)) else "" for name in WAYS]
    key = (
        normal(address.value if address else member.host),
        str(port.value if port else SSH_PORT),
        *(" ".join(str(way).split()) for way in ways),
    )
    return Place(member.environment, member.host, member.file, address, key)


def normal(address: Any) -> str:
    """Return an address or a name in the one way in which it can be compared."""
    text = str(address).strip().strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text
