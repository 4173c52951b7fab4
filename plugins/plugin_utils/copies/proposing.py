"""Writes into sanitise.yml what is not declared yet; what people wrote there stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from ..errors import Problem, SamestackError
from .sanitise_file import FILE, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEAD = """---
# What becomes of each field in a copy of the data that leaves its environment: docs/copies.md has all the words.
# These are proposals. Read each; those with `check` could be anything.
uploads: none
large_objects: none
"""
PLAIN = re.compile(r"[A-Za-z_][\w.]*")
#: YAML's own words, which a name is not
WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")


def sorted_out(
    entries: Iterable[Mapping[str, str]], models: Mapping[str, Any]
) -> dict[str, dict[str, list[tuple[str, str, str]]]]:
    """Return proposals by part of the file, then by model or table: (name, statement, note)."""
    found: dict[str, dict[str, list[tuple[str, str, str]]]] = {"models": {}, "tables": {}}
    for one in entries:
        model = models.get(one["table"]) or models.get(one["table"].rpartition(".")[2])
        part, owner = ("models", str(model["label"])) if model else ("tables", one["table"])
        name = model["fields"].get(one["column"], one["column"]) if model else one["column"]
        found[part].setdefault(owner, []).append((str(name), one["statement"], one["note"]))
    return found


def key(name: str) -> str:
    """Return a name as a key of YAML."""
    return name if PLAIN.fullmatch(name) and name.lower() not in WORDS else '"' + name.replace('"', '\\"') + '"'


def line(name: str, statement: str, note: str) -> str:
    """Return a line of the file; what nobody can write is left to people, in a comment."""
    if not statement:
        return f"# {key(name)}:  {note}"
    return f"{key(name)}: {statement}" + (f"  # {note}" if note else "")


def with_proposals(text: str, found: Mapping[str, Mapping[str, list[tuple[str, str, str]]]]) -> str:
    """Return the file's text with what is new in it; raises SamestackError where there is no place for it."""
    text = text if text.strip() else HEAD
    for part in ("models", "tables"):
        for owner, entries in found[part].items():
            text = with_entries(text, part, owner, [line(*one) for one in entries])
    return text


def with_entries(text: str, part: str, owner: str, lines: list[str]) -> str:
    """Return the text with lines about a model or a table."""
    rows = text.splitlines()
    root = yaml.compose(text, yaml.SafeLoader)
    section = below(root, part)
    if section is None or not isinstance(section[1], yaml.MappingNode):
        at = len(rows) if section is None else section[0].start_mark.line + 1
        head = [f"{part}:"] if section is None else []
        rows[at:at] = [*head, f"  {key(owner)}:", *(f"    {one}" for one in lines)]
        return "\n".join(rows) + "\n"
    own = below(section[1], owner)
    indent = section[1].value[0][0].start_mark.column
    if own is None:
        flat(section[1], part)
        at = end(section[1])
        rows[at:at] = [" " * indent + f"{key(owner)}:", *(" " * (indent + 2) + one for one in lines)]
    elif isinstance(own[1], yaml.MappingNode):
        flat(own[1], owner)
        at, deep = end(own[1]), own[1].value[0][0].start_mark.column
        rows[at:at] = [" " * deep + one for one in lines]
    else:
        at = own[0].start_mark.line + 1
        rows[at:at] = [" " * (indent + 2) + one for one in lines]
    return "\n".join(rows) + "\n"


def below(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the key and the value of a name in a mapping."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next(((one, value) for one, value in pairs if one.value == name), None)


def flat(node: yaml.MappingNode, name: str) -> None:
    """Refuse a mapping in braces: no line can be added to it."""
    if node.flow_style:
        fix = "Write it as lines below it, then run this again"
        raise SamestackError(str(Problem(name, place(node), "it stands in braces, and has more fields now", fix)))


def end(node: yaml.Node) -> int:
    """Return the number of the line behind a mapping's last line."""
    while isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        node = node.value[-1][1]
    return int(node.end_mark.line) + (1 if node.end_mark.column or node.start_mark.line == node.end_mark.line else 0)


def said(found: Mapping[str, Mapping[str, list[tuple[str, str, str]]]]) -> list[str]:
    """Return what there is to say of what was written."""
    entries = [one for part in found.values() for owner in part.values() for one in owner]
    if not entries:
        return [f"Everything is declared in {FILE}: nothing to add"]
    unsure = sum("check" in note for _name, _statement, note in entries)
    return [
        f"{FILE}: added {len(entries)} proposals. Read each"
        + (f"; {unsure} of them are marked `check`, because nobody can guess what they hold" if unsure else "")
    ]
