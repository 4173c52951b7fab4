"""What differs between two manifests of one host. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Stands for a key that one of two manifests has not got.
NOTHING = "(not there)"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return [{section, key, before, after}], in order; a section that is missing in one of them is one difference."""
    found = []
    old, new = before["sections"], after["sections"]
    for section in sorted({*old, *new}):
        if section not in old or section not in new:
            states = [(one.get("missing") or {}).get(section) or NOTHING for one in (before, after)]
            states = [
                state if section not in one["sections"] else "(there)"
                for state, one in zip(states, (before, after), strict=True)
            ]
            found.append({"section": section, "key": "", "before": states[0], "after": states[1]})
            continue
        for key in sorted({*old[section], *new[section]}):
            one, other = old[section].get(key, NOTHING), new[section].get(key, NOTHING)
            if one != other:
                found.append({"section": section, "key": key, "before": one, "after": other})
    return found


def value(manifest: Mapping[str, Any], section: str, key: str) -> Any:
    """Return what a manifest has of a key; of a section as a whole, whether it is there."""
    content = manifest["sections"].get(section)
    if not key:
        return "(there)" if content is not None else (manifest.get("missing") or {}).get(section) or NOTHING
    return NOTHING if content is None else content.get(key, NOTHING)
