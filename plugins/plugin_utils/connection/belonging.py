"""Whose a machine is: one machine is one environment of one project, and nobody else's run may touch it. Pure.

The first provision leaves `/etc/samestack/machine.json`, for root alone: the application, the environment, and keys
that follow from the environment's secrets. Names alone would not do: two projects may have the same ones. A colleague's
clone has the same secrets, and while one is rotated, the key that follows from the one before is accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import SamestackError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Owner = Mapping[str, Any]


class Visit(NamedTuple):
    """What a run is about to do with a machine."""

    #: The host, and where its address stands
    place: str
    #: What it does; nothing where it only reads
    verb: str
    #: Whether local machines stand in
    rehearsal: bool = False
    #: Whether the machine is to change hands
    take_over: bool = False


def is_ours(found: Owner, ours: Owner) -> bool:
    """Return whether a machine's owner is the environment in hand, whatever its application is called now."""
    return bool(found["environment"] == ours["environment"] and set(found["keys"]) & set(ours["keys"]))


def check_owner(found: Owner, ours: Owner, visit: Visit) -> None:
    """Raise SamestackError where a run must not touch a machine.

    Args:
        found: what the machine says (`app`, `environment`, `keys`); empty where nobody has provisioned it.
        ours: the same of the inventory in hand.
        visit: what is about to be done.
    """
    if not found or not ours:
        return
    where = f"{ours['environment']}{' --rehearsal' if visit.rehearsal else ''}"
    if not is_ours(found, ours):
        if visit.take_over and visit.verb == "provision":
            return
        other = behind = ""
        if (found["app"], found["environment"]) == (ours["app"], ours["environment"]):
            other = " in another project, or in another copy of this one, which has other secrets"
            # Taken over by a clone that lacks a rotation, it would get the old secrets back.
            behind = "If its secrets were rotated elsewhere, bring this clone up to date. "
        raise SamestackError(
            f"{visit.place}: this machine is {found['environment']} of {found['app']}{other}. This run would replace "
            "its site and its environment, and use its database. Nothing was changed.",
            f"{behind}Each environment needs a machine of its own: correct the address in the inventory. If this "
            f"machine shall become {ours['environment']} of {ours['app']}: "
            f"`./samestack provision {where} --take-over`.",
        )
    if visit.verb not in ("", "provision") and found["app"] != ours["app"]:
        raise SamestackError(
            f"{visit.place}: this machine still runs {found['app']}, and app_name is {ours['app']} now. Nothing was "
            "changed.",
            f"`./samestack provision {where}` takes {found['app']} away, and prepares the machine for {ours['app']}.",
        )


def former(found: Owner, current: str) -> list[str]:
    """Return the applications that a machine had before the current one, the last one first."""
    before = [found["app"], *found.get("former", [])] if found else []
    return [app for app in dict.fromkeys(before) if app != current]
