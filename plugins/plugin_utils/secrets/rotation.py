"""One value of a secret takes the place of another while everything serves, in three steps.

    accept   a new value is accepted everywhere (`vault_x_next`), and nobody uses it yet
    use      it is used everywhere; the one before (`vault_x_previous`) is still accepted
    retire   the one before is refused

After each, the machines are brought up to date. Where a rotation stands is said by the names in the file of secrets and
by nothing else, so that one that was cut off anywhere is gone on with by whoever has that file.
"""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..inventory.files import service_declarations
from . import dates
from .keys import LOGIN, new_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEXT, PREVIOUS = "_next", "_previous"
#: The secrets of each kind, which change together; services say the others (`rotates`, docs/services.md).
OWN = {"app_key": ("vault_app_secret_key",), "ca": ("vault_ca_certificate", "vault_ca_key")}
#: What stands behind the name of the second of two roles that take turns (postgresql/ownership.py)
SECOND = "_b"
AUTHORITY_KEYS = ("vault_ca_key",)
WORDS = {"app_key": "SECRET_KEY", "ca": "authority"}


@functools.cache
def kinds() -> dict[str, tuple[str, ...]]:
    """Return the secrets of each kind, those of services included."""
    found = dict(OWN)
    for service in service_declarations().values():
        found |= {kind: tuple(names) for kind, names in (service.get("rotates") or {}).items()}
    return found


@dataclass(frozen=True)
class Found:
    """An environment's secrets, and the dates beside them; that of a previous key is until when it is accepted."""

    values: Mapping[str, Any]
    until: Mapping[str, datetime.date | None]


@dataclass
class Step:
    """What is to be done next."""

    #: New values of secrets, None for one that goes; and their dates where that is not today
    changes: dict[str, str | None] = field(default_factory=dict)
    dates: dict[str, datetime.date | None] = field(default_factory=dict)
    #: The kinds that are under way after this
    remaining: list[str] = field(default_factory=list)
    #: Whether the machines have to be brought up to date now
    apply: bool = False
    say: list[str] = field(default_factory=list)


def stage(values: Mapping[str, Any], kind: str) -> str:
    """Return how far the rotation of a kind is: `accept`, `use`, or nothing where none is under way."""
    names = kinds()[kind]
    if any(f"{name}{NEXT}" in values for name in names):
        return "accept"
    return "use" if any(f"{name}{PREVIOUS}" in values for name in names) else ""


def accept(values: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    """Return the changes that bring in a new value."""
    return {f"{name}{NEXT}": value for name, value in new_values(kinds()[kind]).items()}


def use(values: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    """Return the changes by which the new value takes the place of the one before."""
    changes: dict[str, str | None] = {}
    for name in kinds()[kind]:
        changes |= {name: values[f"{name}{NEXT}"], f"{name}{NEXT}": None}
        # With the key of an authority that goes, nobody signs any more.
        if name not in AUTHORITY_KEYS:
            changes[f"{name}{PREVIOUS}"] = values[name]
    if kind == "database":
        changes[LOGIN] = None if values.get(LOGIN) else SECOND
    return changes


def retire(values: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    """Return the changes that forget the value before."""
    return {name: None for base in kinds()[kind] if (name := f"{base}{PREVIOUS}") in values}


def next_step(
    found: Found,
    remaining: Iterable[str],
    *,
    applied: bool,
    finish: bool = False,
    accepted_for: datetime.timedelta = datetime.timedelta(),
) -> Step:
    """Return the next step of a rotation.

    Args:
        found: what the file says.
        remaining: the kinds that are to be rotated, as far as they are not done.
        applied: whether the machines have what the file says; not known when a rotation begins.
        finish: the value before is refused at once, also where people's sessions hang on it.
        accepted_for: how long a session lives that was begun with the secret key before.
    """
    step, today, values = Step(), dates.today(), found.values
    for kind in remaining:
        at, word = stage(values, kind), WORDS.get(kind, f"password of {kind}")
        if not applied and at:
            step.say.append(f"{word}: a rotation is under way; the machines are brought to where it is")
            step.apply = True
        elif not applied:
            step.changes |= accept(values, kind)
            step.say.append(f"{word}: a new one is accepted, beside the one that is used")
        elif at == "accept":
            step.changes |= use(values, kind)
            step.say.append(f"{word}: the new one is used, and the one before is accepted")
            if kind == "app_key":
                step.dates[f"{kinds()[kind][0]}{PREVIOUS}"] = today + accepted_for
        elif at:
            end = found.until.get(f"{kinds()[kind][0]}{PREVIOUS}")
            if kind == "app_key" and not finish and end and end > today:
                step.say.append(
                    f"{word}: the one before is accepted until {end}, for people who have not come since. Run this "
                    "again then; --finish refuses it now, and logs them out"
                )
                continue
            step.changes |= retire(values, kind)
            step.say.append(f"{word}: the one before is refused from now on")
        else:
            continue
        step.remaining.append(kind)
    step.apply = step.apply or bool(step.changes)
    return step
