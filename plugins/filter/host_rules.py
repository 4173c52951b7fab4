"""What the rules of hardening in force add up to, for role host."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: What a rule may set as names with values, and as a list
NAMED, LISTED = ("sshd", "sysctl", "modes"), ("sudo", "modules", "packages", "files")


def ended_waivers(waivers: Mapping[str, Mapping[str, Any]], today: str = "") -> list[str]:
    """Return the rules whose waiver's last day is before today (a date in ISO 8601; empty: the clock's)."""
    today = today or datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return [name for name, waiver in waivers.items() if str(waiver["until"]) < today]


def rules_in_force(rules: Iterable[str], waivers: Mapping[str, Mapping[str, Any]], today: str = "") -> list[str]:
    """Return the names of the rules that are not waived today."""
    ended = ended_waivers(waivers, today)
    return [name for name in rules if name not in waivers or name in ended]


def rule_settings(
    rules: Mapping[str, Mapping[str, Any]], waivers: Mapping[str, Mapping[str, Any]], key: str, today: str = ""
) -> Any:
    """Return what the rules that are not waived today set under one key: of NAMED a mapping, of LISTED a list.

    `modes` are `system_state` entries of files that are there; what a waived rule had replaced is among `files`, to be
    put back. One key at a time, because Ansible works a value out anew at each use.
    """
    in_force = rules_in_force(rules, waivers, today)
    found = [rules[name][key] for name in in_force if key in rules[name]]
    if key == "modes":
        return [mode_entry(path, words) for one in found for path, words in one.items()]
    if key == "files":
        entries = [entry | ({} if is_folder(entry) else {"keep_original": True}) for one in found for entry in one]
        waived = [rules[name] for name in rules if name not in in_force]
        return entries + [entry for rule in waived for entry in originals(rule)]
    if key in NAMED:
        return {name: value for one in found for name, value in one.items()}
    return [value for one in found for value in one]


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
    in_force = rules_in_force(rules, waivers)
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
        return {
            "ended_waivers": ended_waivers, "rules_in_force": rules_in_force, "rule_settings": rule_settings,
            "rule_record": rule_record,
        }  # fmt: skip
