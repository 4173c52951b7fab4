"""Who works on the machines, by login name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .project import CannotRewriteError
from .steps import Reshape

if TYPE_CHECKING:
    from collections.abc import Mapping

SINCE = "0.1.0"
WHAT = "security_admins is security_people: by login name"


def by_name(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return people by their names."""
    listed = values["security_admins"]
    if not isinstance(listed, list) or not all(isinstance(one, dict) and "name" in one for one in listed):
        raise CannotRewriteError(
            "people have their keys by login name now", "Write security_people: {ada: {keys: […]}}"
        )
    return {"security_people": {one["name"]: {"keys": one.get("keys") or []} for one in listed}}


def in_a_list(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return them as a list."""
    people = values["security_people"]
    if not isinstance(people, dict) or not all(isinstance(one, dict) for one in people.values()):
        raise CannotRewriteError(
            "people are a list of names and keys there", "Write security_admins: [{name: …, keys: […]}]"
        )
    return {"security_admins": [{"name": name, **one} for name, one in people.items()]}


STEPS = (Reshape(("security_admins",), ("security_people",), by_name, in_a_list),)
