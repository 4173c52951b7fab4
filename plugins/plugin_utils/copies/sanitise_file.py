"""Reads sanitise.yml: what becomes of each field in a copy that leaves its environment, each with its line."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from ...module_utils.copies.statements import ARGUMENTS, WORDS
from ..errors import Problem, SamestackError
from ..inventory.yaml_rules import slip_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE = "sanitise.yml"
PARTS = ("models", "tables", "uploads", "large_objects")
OBJECTS = ("none", "keep")
#: What else people write
ALSO = {"fake email": "fake e-mail", "fake mail": "fake e-mail", "fake e-mail address": "fake e-mail", "blank": "empty",
        "fake name": "fake name", "unusable": "unusable password", "skip": "empty", "delete": "empty"}  # fmt: skip
DAYS = re.compile(r"(\d{1,5})(?: ?(?:d|day|days))?")
LONGEST_SHIFT = 36500
SHAPE = "Write `{}: hash`, or another word: " + ", ".join(WORDS)
INIT = "Run `./samestack sanitise init`, which proposes one, and read through it."


@dataclass
class Sanitise:
    """The file's content: statements by model and field, by table and column ("" is the whole), and the rest."""

    models: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    tables: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    objects: str = ""


def read(path: Path) -> Sanitise:
    """Return what the file says; raises SamestackError with all that is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        what = "there is none, and nothing leaves its environment undeclared"
        raise SamestackError(str(Problem(FILE, "the project's folder", what, INIT))) from None
    except UnicodeDecodeError:
        raise SamestackError(str(Problem(FILE, "the project's folder", "it is no text", "Save it as UTF-8"))) from None
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        slip = slip_of(text, error)
        raise SamestackError(str(Problem(FILE, f"{FILE}:{slip.line}", slip.what, slip.fix))) from None
    found, problems = Sanitise(), list[Problem]()
    for name, where, below in pairs(node, FILE, problems):
        if name not in PARTS:
            near = difflib.get_close_matches(name, PARTS, n=1)
            fix = f"Did you mean `{near[0]}:`?" if near else "Write it below `models:`, or `tables:`."
            problems.append(Problem(name, where, "this is none of the file's parts", fix))
        elif name == "uploads":
            found.uploads = folders(below, where, problems)
        elif name == "large_objects":
            found.objects = str(getattr(below, "value", ""))
            if found.objects not in OBJECTS:
                problems.append(
                    Problem(name, where, "it says what becomes of them", "Write none, or keep", found.objects)
                )
        else:
            part = found.models if name == "models" else found.tables
            for owner, at, columns in pairs(below, name, problems):
                part[owner] = statements(owner, columns, at, problems)
    if problems:
        raise SamestackError("\n".join(str(problem) for problem in problems))
    return found


def pairs(node: yaml.Node | None, owner: str, problems: list[Problem]) -> Iterator[tuple[str, str, yaml.Node]]:
    """Yield (name, file and line, what stands below it) of a mapping; what is none is a problem."""
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        return
    if not isinstance(node, yaml.MappingNode):
        problems.append(Problem(owner, place(node), "lines of `name: …` belong here", "See docs/copies.md"))
        return
    seen = set()
    for key, value in node.value:
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
        if not name or name in seen:
            what = "it stands here a second time" if name else "this is no name"
            problems.append(Problem(name or owner, place(key), what, "Take one of them away" if name else "Write one"))
            continue
        seen.add(name)
        yield name, place(key), value


def place(node: yaml.Node) -> str:
    """Return the file and the line of what was read."""
    return f"{FILE}:{node.start_mark.line + 1}"


def folders(node: yaml.Node, where: str, problems: list[Problem]) -> list[str]:
    """Return the folders of uploads that a copy takes along, relative to MEDIA_ROOT."""
    if isinstance(node, yaml.ScalarNode) and node.value in ("", "none", "[]"):
        return []
    names = [str(one.value) for one in node.value] if isinstance(node, yaml.SequenceNode) else [str(node.value)]
    found = []
    for name in names:
        parts = name.strip("/").split("/")
        if not re.fullmatch(r"[\w.@ -]+(/[\w.@ -]+)*", name.strip("/")) or {"", ".", ".."} & set(parts):
            what = "this is no folder below MEDIA_ROOT"
            problems.append(Problem("uploads", where, what, "Write for example [avatars, shop/photos], or none", name))
        found.append("/".join(parts))
    return found


def statements(owner: str, node: yaml.Node, at: str, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """Return the statements about the fields of a model or the columns of a table."""
    if isinstance(node, yaml.ScalarNode):
        # Of the whole: none of its rows, or all of them as they are.
        word = ALSO.get(str(node.value), str(node.value))
        if word in ("empty", "keep"):
            return {"": {"kind": word, "place": at}}
        what = "of a whole table there is `empty` (without its rows) and `keep`"
        problems.append(Problem(owner, at, what, f"Write `{owner}: empty`, or its fields below it", str(node.value)))
        return {}
    found = {}
    for name, where, below in pairs(node, owner, problems):
        one = statement(f"{owner}.{name}", name, below, where, problems)
        if one:
            found[name] = {**one, "place": where}
    return found


def statement(whole: str, name: str, node: yaml.Node, where: str, problems: list[Problem]) -> dict[str, Any] | None:
    """Return a statement, None where it is none."""
    if isinstance(node, yaml.ScalarNode):
        text = " ".join(str(node.value).split())
        word = ALSO.get(text.lower(), text.lower())
        word = "null" if word == "~" else word
        if word in WORDS:
            return {"kind": word}
        what, near = "this says nothing of what becomes of it", difflib.get_close_matches(word, WORDS, n=1, cutoff=0.7)
        if word in ARGUMENTS:
            what, near = f"it lacks its value ({ARGUMENTS[word]})", []
            fix = f"Write `{name}: {{{word}: …}}`"
        else:
            fix = f"Did you mean `{near[0]}`?" if near else SHAPE.format(name)
        problems.append(Problem(whole, where, what, fix, text or '""'))
        return None
    pair = node.value[0] if isinstance(node, yaml.MappingNode) and len(node.value) == 1 else None
    word = str(pair[0].value).lower() if pair else ""
    if not pair or word not in ARGUMENTS:
        problems.append(
            Problem(whole, where, "a statement is one word, or one word with its value", SHAPE.format(name))
        )
        return None
    return argued(whole, word, pair[1], where, problems)


def argued(whole: str, word: str, node: yaml.Node, where: str, problems: list[Problem]) -> dict[str, Any] | None:
    """Return a statement that has a value."""
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else json.dumps(plain(node))
    if word == "shift date":
        days = DAYS.fullmatch(text.strip())
        if not days or not 0 < int(days[1]) <= LONGEST_SHIFT:
            what = f"a number of days from 1 to {LONGEST_SHIFT} belongs here: each date moves by as many at most"
            problems.append(Problem(whole, where, what, "Write `{shift date: 30 days}`", text))
            return None
        return {"kind": word, "value": int(days[1])}
    if word == "prefix" and not text:
        problems.append(Problem(whole, where, "there is no prefix", "Write `{prefix: user-}`, or `hash`", '""'))
        return None
    return {"kind": word, "value": text}


def plain(node: yaml.Node) -> Any:
    """Return what a node says as plain data."""
    return yaml.safe_load(yaml.serialize(node))


def plan(said: Sanitise, models: Mapping[str, Any], passwords: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what is to become of tables and columns, and notes; raises SamestackError for a slip.

    Args:
        said: the file's content.
        models: what the release tells of its models, by table.
        passwords: the columns of password hashes by table.
    """
    by_label = {about["label"].lower(): table for table, about in models.items()}
    tables = {name: dict(columns) for name, columns in said.tables.items()}
    notes, slips = [], []
    for label, fields in said.models.items():
        table = by_label.get(label.lower())
        if table is None:
            where = next((one["place"] for one in fields.values()), FILE)
            free = [about["label"] for about in models.values() if about["label"] not in said.models]
            if near := difflib.get_close_matches(label, free, n=1, cutoff=0.75):
                slips.append(str(Problem(label, where, "the release has no such model", f"Did you mean {near[0]}?")))
            else:
                notes.append(f"{label} (in {where}) is no model of the release that serves: nothing is done about it")
            continue
        columns = {name: column for column, name in models[table]["fields"].items()}
        tables.setdefault(table, {}).update({columns.get(name, name): one for name, one in fields.items()})
    if slips:
        raise SamestackError("\n".join(slips))
    told = {table: {"label": about["label"], "fields": about["fields"]} for table, about in models.items()}
    return {"tables": tables, "models": told, "passwords": dict(passwords), "objects": said.objects}, notes
