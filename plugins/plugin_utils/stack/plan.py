"""What the stack lock means for a host, and how people are told. Pure; the control node uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...module_utils.packages.compare import Difference, difference
from .lock import FILE, counted, listed, section_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def host_plan(machine: Mapping[str, Any], lock: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Return what the lock means for a host that shall have the `wanted` packages; {} where there is no lock.

    The keys: `section`, `snapshot` and `packages` of the host's section (None and empty where it has none), `older`,
    `newer` ({package: (the host's version, the lock's)}) and `say`, what people have to know.
    """
    if not lock or not machine.get("stack"):
        return {}
    section = section_name(machine)
    held = lock.get(section)
    if held is None:
        text = (
            f"Not locked: {FILE} has no section {section} (it has {', '.join(sorted(lock))}). Packages come as the "
            "archive has them; `./samestack lock-stack` adds the section."
        )
        return {"section": None, "snapshot": "", "packages": {}, "older": {}, "newer": {}, "say": [text]}
    found = difference(machine["stack"]["versions"], held["packages"], wanted)
    return {
        "section": section, "snapshot": held.get("snapshot", ""), "packages": held["packages"],
        "older": found.older, "newer": found.newer, "say": plan_words(found),
    }  # fmt: skip


def plan_words(found: Difference) -> list[str]:
    """Return what a provision leaves alone, in words."""
    lines = []
    if found.newer:
        pairs = [f"{name} {own} (locked: {locked})" for name, (own, locked) in found.newer.items()]
        lines.append(f"Newer than the stack lock, left as it is: {listed(pairs)}. `./samestack lock-stack` adopts it.")
    if found.unlocked:
        lines.append(f"Not in the stack lock: {listed(found.unlocked)}. `./samestack lock-stack` adds it.")
    return lines


def preview(plan: Mapping[str, Any], missing: Iterable[str]) -> list[str]:
    """Return what a provision would do to a host's packages, in words."""
    locked = plan["packages"]
    names = [f"{name}={locked[name]}" if name in locked else f"{name} (not locked)" for name in sorted(missing)]
    lines = [f"Would install: {' '.join(names)}"] if names else []
    raised = [f"{name} {own} → {target}" for name, (own, target) in plan["older"].items()]
    return lines + ([f"Would raise to the stack lock: {', '.join(raised)}"] if raised else [])


def refusal(looks: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Return (error, ways out) for what `stack_install` found on some hosts that cannot be had; empty where all can."""
    sections: dict[str, list[str]] = {}
    for host, look in sorted(looks.items()):
        sections.setdefault(look["section"], []).append(host)
    parts = []
    for section, hosts in sorted(sections.items()):
        missing = {name: pair for host in hosts for name, pair in looks[host]["missing"].items()}
        reasons = dict.fromkeys(looks[host]["apt"] for host in hosts if not looks[host]["missing"])
        what = f"{counted(len(missing), 'version')} can no longer be had" if missing else "apt finds no way to these"
        parts.append(f"{section} (in {FILE}): {what}, for {', '.join(hosts)}.")
        parts += [
            f"  {name} {locked}: the archive has {found or 'none'}" for name, (locked, found) in sorted(missing.items())
        ]
        parts += [f"  apt says: {reason}" for reason in reasons]
    if not parts:
        return "", ""
    past = dict.fromkeys(look["past"] for look in looks.values() if look["past"])
    other = "Or use the past: write a line `snapshot:` with a day that had them into the section."
    ways = [
        "Lock anew: `./samestack upgrade`, then `./samestack lock-stack`, in the environment that comes first.",
        *(past or [other]),
        "Or drop these lines from the lock: the packages then come as the archive has them.",
    ]
    return "\n".join([*parts, "No package was touched on any host."]), "\n".join(ways)
