"""What the rules of hardening in force add up to, for role host."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What a rule may set as names with values, and as a list
NAMED, LISTED = ("sshd", "sysctl", "modes"), ("sudo", "modules", "packages", "files")


def rule_settings(
    rules: Mapping[str, Mapping[str, Any]], waivers: Mapping[str, Mapping[str, Any]], today: str = ""
) -> dict[str, Any]:
    """Return what the rules set that are not waived today (a date in ISO 8601).

    `modes` are `system_state` entries of files that are there; `in_force` are the names of the rules, `ended` those of
    waivers whose last day has passed. What a waived rule had replaced is among `files`, to be put back.
    """
    today = today or datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    ended = [name for name, waiver in waivers.items() if str(waiver["until"]) < today]
    found: dict[str, Any] = {**{key: {} for key in NAMED}, **{key: [] for key in LISTED}}
    found |= {"ended": ended, "in_force": [name for name in rules if name not in waivers or name in ended]}
    for rule in (rules[name] for name in found["in_force"]):
        for key in NAMED:
            found[key] |= rule.get(key, {})
        for key in LISTED:
            found[key] += rule.get(key, [])
    found["files"] = [entry | ({} if is_folder(entry) else {"keep_original": True}) for entry in found["files"]]
    found["modes"] = [mode_entry(path, words) for path, words in found["modes"].items()]
    for name in (name for name in rules if name not in found["in_force"]):
        found["files"] += originals(rules[name])
    return found


def is_folder(entry: Mapping[str, Any]) -> bool:
    """Return whether a rule's file is a folder, which stays whatever happens to the rule."""
    return entry.get("state") == "directory"


def originals(rule: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the `system_state` entries that put back what a rule replaces, and have services take it up."""
    replaced = [entry for entry in rule.get("files", []) if not is_folder(entry)]
    actions = ("restart", "reload")
    back = [{key: entry[key] for key in ("path", *actions) if key in entry} for entry in replaced]
    return [entry | {"state": "original"} for entry in (*back, *({"path": path} for path in rule.get("modes", {})))]


def mode_entry(path: str, words: str) -> dict[str, Any]:
    """Return the `system_state` entry of `owner:group mode`."""
    names, mode = words.split()
    owner, group = names.split(":")
    return {
        "path": path, "state": "attributes", "owner": owner, "group": group, "mode": mode, "keep_original": True,
    }  # fmt: skip


def rule_record(rules: Mapping[str, Mapping[str, Any]], waivers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a machine keeps of its rules, for whoever audits or compares it; of files the paths."""
    in_force = rule_settings(rules, waivers)["in_force"]
    known = {}
    for name, rule in rules.items():
        paths = [entry["path"] for entry in rule.get("files", []) if entry.get("state") != "absent"]
        known[name] = {key: value for key, value in rule.items() if key != "files"} | (
            {"files": paths} if paths else {}
        )
    return {"rules": known, "waived": {name: waiver for name, waiver in waivers.items() if name not in in_force}}


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"rule_settings": rule_settings, "rule_record": rule_record}
