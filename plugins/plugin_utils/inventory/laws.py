"""The laws of the inventory: what may be set, where, and to what. Pure functions on data; the control node runs them.

Each law yields problems, never raises for one, so that a person sees all that is wrong at once.

Ansible's own argument specs check one role on one host, after the run has begun, stop at the first mistake, and do not
know which file and line a value came from; a JSON schema knows neither inventories nor which differences are declared.
"""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..text import nearest as most_like

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .files import KeyPath, Setting

    # Where the value at a path inside a variable was written
    Place = Callable[[str, KeyPath], str]

LONGEST_SHOWN = 72
# Similarity (difflib's ratio) from which a name with one of our prefixes, or any other, counts as a misspelling
SIMILAR, NEARLY_EQUAL = 0.6, 0.88
# Names that may be set anywhere: secrets, and Ansible's own (connection, group priority).
FREE = ("vault_", "ansible_")
HIDDEN = re.compile(r"password|secret|token|private_key|credentials|notices_urls|webhook_url|ping_url", re.IGNORECASE)
PEOPLE = "security_people"
SHAPES = {PEOPLE: "security_people: {ada: {keys: […]}}"}
PLACEHOLDER = re.compile(r"(^|[.@/\s])example\.(com|net|org)\b|^change-me$")
WRITE_YOUR_OWN = "Write your own in its place"


def show(name: str, value: object) -> str:
    """Return a value as people write it, short, and hidden where its name speaks of a secret."""
    if HIDDEN.search(name) or name.startswith("vault_"):
        return "(hidden)"
    text = value if isinstance(value, str) and value.strip() else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`, or None where none is like it."""
    return next(iter(most_like(name, known, 1, SIMILAR)), None)


def did_you_mean(
    name: str, known: Iterable[str], otherwise: str, former: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return the sentence that offers the nearest known name, or else another way out (a clause in lower case).

    `former` says what names of earlier versions are now.
    """
    if new := former.get(name):
        return f"It is {new} now: write {SHAPES.get(new, 'that')}, as `./samestack update` does"
    near = nearest(name, known)
    return f"Write {near}, if that is what you meant; otherwise {otherwise}" if near else otherwise.capitalize()


def unknown_names(
    settings: list[Setting],
    known: set[str],
    prefixes: set[str],
    used_elsewhere: Iterable[Setting] = (),
    former: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Problem]:
    """Yield the variables with one of our prefixes that nothing reads, and those that nearly have a known name."""
    readers = [*settings, *used_elsewhere]
    used = {word for setting in readers for word in re.findall(r"\w+", str(setting.value))}
    for setting in settings:
        name = setting.name
        if name in known or name.startswith(FREE):
            continue
        ours = any(name.startswith(prefix) for prefix in prefixes)
        misspelt = name not in used and most_like(name, known, 1, NEARLY_EQUAL)
        if ours or misspelt:
            yield Problem(
                name,
                setting.place(),
                "there is no such variable",
                did_you_mean(name, known, "take the line out", former),
                show(name, setting.value),
            )


def undeclared_differences(
    settings: list[Setting], allowed: set[str], declared_in: str, decided_in: str
) -> Iterator[Problem]:
    """Yield what an environment, a group or a host sets for itself and is not on the list of declared differences.

    `decided_in` is the file for decisions that still have their default.
    """
    home = {setting.name: setting for setting in settings if setting.everywhere}
    for setting in settings:
        if setting.everywhere or setting.name in allowed or setting.name.startswith(FREE):
            continue
        by = home.get(setting.name)
        where = "a file in inventories/group_vars/all/" if by is None else decided_in if by.ours else by.file
        fix = f"Set it in {where}, or declare it as a difference in {declared_in}"
        if by and by.kind == "wiring":
            fix = f"Take the line out: {by.file} works it out from the decisions"
        yield Problem(
            setting.name,
            setting.place(),
            "this must be the same in every environment",
            fix,
            show(setting.name, setting.value),
        )


def set_twice(settings: list[Setting]) -> Iterator[Problem]:
    """Yield the variables that two files of group_vars/all set: which of them wins would hang on a file name."""
    first: dict[str, Setting] = {}
    for setting in settings:
        if setting.kind != "all":
            continue
        if setting.name in first:
            yield Problem(
                setting.name,
                setting.place(),
                f"{first[setting.name].place()} sets it too",
                "Keep one of the two lines",
                show(setting.name, setting.value),
            )
        first.setdefault(setting.name, setting)


def without_effect(settings: list[Setting], allowed: set[str]) -> Iterator[Problem]:
    """Yield the differences that stand in an inventory file below a group: there a default would win over them."""
    everywhere = {setting.name for setting in settings if setting.everywhere}
    for setting in settings:
        if setting.kind == "group" and setting.inline and setting.name in allowed & everywhere:
            what = "Ansible lets a value for all environments win over one that stands here"
            fix = f"Move it to inventories/group_vars/{setting.owner}/differences.yml"
            yield Problem(setting.name, setting.place(), what, fix, show(setting.name, setting.value))


def worked_out(settings: list[Setting]) -> Iterator[Problem]:
    """Yield the files of group_vars/all that set what Samestack works out from the decisions: once a file."""
    own = {setting.name: setting for setting in settings if setting.kind == "wiring"}
    by_file: dict[str, list[Setting]] = {}
    for setting in settings:
        if setting.kind == "all" and setting.name in own:
            by_file.setdefault(setting.file, []).append(setting)
    for first, *others in by_file.values():
        where = own[first.name].place()
        more = f", and {len(others)} more of this file" if others else ""
        fix = f"Take {'them' if others else 'the line'} out"
        yield Problem(
            first.name,
            first.place(),
            f"{where} works it out from the decisions{more}",
            f"{fix}, or delete the file where nothing else is in it" if others else fix,
            show(first.name, first.value),
        )


def unknown_differences(
    allowed: set[str], known: set[str], place: str, former: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Problem]:
    """Yield the declared differences that are no variables: a typo there would forbid what was meant to be allowed."""
    for name in sorted(allowed - known):
        fix = did_you_mean(name, known, "take the line out", former)
        yield Problem("allowed_differences", place, "there is no such variable", fix, name)


def decisions_of_one_run(extra: list[Setting], decisions: set[str], home: Callable[[str], str]) -> Iterator[Problem]:
    """Yield the decisions that a command line makes for a real server: the next run would undo them without a word."""
    for setting in extra:
        if setting.name in decisions:
            what, fix = "a decision about real servers stands in a file", f"Set it in {home(setting.name)}"
            yield Problem(setting.name, setting.file, what, fix, show(setting.name, setting.value))


def borrowed_accounts(values: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the people whose account would be one of the application's, which must not become root."""
    app, people = values.get("app_name"), values.get(PEOPLE)
    for name in people if isinstance(people, dict) else ():
        if name in (app, f"{app}-build", f"{app}-owner"):
            what = "this is the application's account, which must not become root"
            yield Problem(dotted(PEOPLE, (name,)), place(PEOPLE, (name,)), what, "Write a person's name")


def debugger_problems(values: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the debugger where releases are served: whoever reaches its port runs what he likes."""
    if values.get("app_debugger") and not values.get("app_live_path"):
        what = "the debugger is for live code (app_live_path), and this host serves releases"
        fix = "Set it in inventories/group_vars/dev/differences.yml alone"
        yield Problem("app_debugger", place("app_debugger", ()), what, fix, show("app_debugger", True))


def hiding_problems(values: Mapping[str, Any], inside: str, place: Place) -> Iterator[Problem]:
    """Yield live code whose application would see our secrets: no unit of systemd can name where they are.

    Args:
        values: the decisions as a host sees them.
        inside: where the folder that runs leave behind is in the live code; "" where it is elsewhere.
        place: who knows where a value was written.
    """
    bad = next((one for one in inside if one in ":\\" or not one.isprintable()), "")
    if bad and values.get("app_live_path"):
        part = "path" if values["app_source"].get("type") == "path" else "live_checkout"
        what = f"the application must not see {inside!r} in it, and a unit of systemd cannot name that ({bad!r})"
        fix = "Rename that folder: any name without a colon, a backslash or a control character"
        variable, value = dotted("app_source", (part,)), values["app_source"][part]
        yield Problem(variable, place("app_source", (part,)), what, fix, show(variable, value))


def placeholders(values: Mapping[str, Any], place: Place, instead: str = WRITE_YOUR_OWN) -> Iterator[Problem]:
    """Yield the values that are still the example's own domain, or that `init` left open: a server needs real ones."""
    for name, value in values.items():
        for path, text in leaves(value):
            if isinstance(text, str) and PLACEHOLDER.search(text):
                yield Problem(
                    dotted(name, path),
                    place(name, path),
                    "this is the placeholder that the project came with",
                    instead,
                    show(name, text),
                )


def leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Yield everything inside a value that is neither list nor dictionary, with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def dotted(name: str, path: KeyPath) -> str:
    """Return how a person points at something inside a variable: `app_workers.queue.command`, `app_domains[0]`."""
    return name + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
