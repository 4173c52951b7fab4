"""Reads inventory files as they were written: every variable with its raw value, its file and its line.

Ansible's own loader answers what a variable is; here the question is who said so. Runs on the control node.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from ansible import constants

from ..errors import Problem
from ..project_root import ENGINE
from .defaults import default_files, service_files, wiring_files
from .yaml_rules import crowded_keys, of_another_kind, slip_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    KeyPath = tuple[str | int, ...]

VAULT_HEADER = "$ANSIBLE_VAULT"
#: Kinds of settings that do not stand in the user's files: defaults of decisions, and what roles make of decisions
OURS = ("default", "wiring")
STRING = "tag:yaml.org,2002:str"
SUFFIXES = {".yml", ".yaml", ".json", ""}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader; Ansible's own tags (`!vault`, `!unsafe`) are read as plain text."""


_Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


class FileError(ValueError):
    """A file that is no YAML, or not of the shape that an inventory has.

    `place` is its `file:line`, and `fix` what to write instead.
    """

    def __init__(self, place: str, what: str, fix: str = "Correct that line") -> None:
        """Remember the place and the way out beside the message."""
        super().__init__(what)
        self.place = place
        self.fix = fix

    @property
    def problem(self) -> Problem:
        """Return it as every other problem is told."""
        return Problem("file", self.place, f"it {self}", self.fix)


@dataclass(frozen=True)
class Scalar:
    """A text without quotes, as it was written, and what YAML takes it for: a tag such as `tag:yaml.org,2002:int`."""

    text: str
    tag: str
    is_key: bool


@dataclass(frozen=True)
class Setting:
    """One variable, where somebody set it."""

    name: str
    value: Any
    file: str
    line: int
    # "all" (group_vars/all), "group" or "host", or Samestack's own "default" or "wiring"; whose it is; and whether it
    # stands in an inventory file itself
    kind: str
    owner: str
    inline: bool = False
    # Lines of what is inside the value, by path of keys and indexes; values are the last that was written
    lines: dict[KeyPath, int] = field(default_factory=dict, compare=False, repr=False)
    # What is no text to YAML, by the same paths; a name that is none counts before its value
    scalars: dict[KeyPath, Scalar] = field(default_factory=dict, compare=False, repr=False)

    @property
    def everywhere(self) -> bool:
        """True where the variable holds for every environment alike."""
        return self.kind == "all" or self.ours

    @property
    def ours(self) -> bool:
        """True where Samestack itself says it, below everything that the user's files say."""
        return self.kind in OURS

    def place(self, path: KeyPath = ()) -> str:
        """Return `file:line` of the variable, or of what is at `path` inside it as far as that was written there."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.file}:{self.lines.get(path, self.line)}"


def _lines(node: yaml.Node, prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, int]]:
    yield prefix, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield from _lines(value, (*prefix, key.value))
                yield (*prefix, key.value), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*prefix, index))


def _scalars(node: yaml.Node, path: KeyPath = ()) -> dict[KeyPath, Scalar]:
    """Return what stands without quotes and is no text to YAML."""
    found: dict[KeyPath, Scalar] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                here = (*path, key.value)
                found |= _scalars(value, here)
                if not key.style and key.tag != STRING:
                    found[here] = Scalar(key.value, key.tag, is_key=True)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found |= _scalars(value, (*path, index))
    elif isinstance(node, yaml.ScalarNode) and not node.style and node.tag != STRING:
        found[path] = Scalar(node.value, node.tag, is_key=False)
    return found


def read_mapping(path: Path, label: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Return the mapping in a YAML file, and the line of everything in it; a vault-encrypted file is empty.

    `label` names the file in errors. Raises FileError where it is no YAML, no mapping, or says a thing twice.
    """
    return read_file(path, label)[:2]


def read_file(path: Path, label: str) -> tuple[dict[str, Any], dict[KeyPath, int], dict[KeyPath, Scalar]]:
    """Return what `read_mapping` does, and what stands without quotes in the file and is no text to YAML."""
    text = text_of(path, label)
    if text.startswith(VAULT_HEADER):
        return {}, {}, {}
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None or node.tag == "tag:yaml.org,2002:null":
            return {}, {}, {}
        if not isinstance(node, yaml.MappingNode):
            slip = of_another_kind(text)
            raise FileError(f"{label}:{slip.line}", f"holds no variables: {slip.what}", slip.fix)
        for slip in crowded_keys(node):
            raise FileError(f"{label}:{slip.line}", f"has a name without a value: {slip.what}", slip.fix)
        _refuse_doubles(node, label)
        return loader.construct_document(node), dict(_lines(node)), _scalars(node)
    except yaml.YAMLError as error:
        slip = slip_of(text, error)
        raise FileError(f"{label}:{slip.line}", f"is no YAML: {slip.what}", slip.fix) from error
    finally:
        if loader:
            loader.dispose()


def text_of(path: Path, label: str) -> str:
    """Return a file's text; raises FileError where it is none."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileError(f"{label}:{line}", "is not written in UTF-8", "Save it as UTF-8 in your editor") from error


def _refuse_doubles(node: yaml.Node, label: str) -> None:
    """Raise FileError where a mapping holds a key twice; YAML would silently keep the last."""
    children = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                what = f"sets `{key.value}` a second time, after line {seen[key.value]}, and YAML would take the last"
                raise FileError(f"{label}:{line}", what, "Take one of the two away")
            if key.value != "<<":
                seen[key.value] = line
        children = [value for _, value in node.value]
    for child in children:
        _refuse_doubles(child, label)


@dataclass(frozen=True)
class _Source:
    """A file while it is being read: what it holds, where each thing in it stands, and how it is named."""

    values: dict[str, Any]
    lines: dict[KeyPath, int]
    scalars: dict[KeyPath, Scalar]
    label: str

    def settings(self, at: KeyPath, kind: str, owner: str, *, inline: bool) -> Iterator[Setting]:
        """Yield the variables that the mapping at a path sets for a group or a host."""
        values: Any = self.values
        for key in at:
            values = values.get(key) or {}
        for name, value in values.items() if isinstance(values, dict) else ():
            start = (*at, name)
            inner = {path[len(start) :]: line for path, line in self.lines.items() if path[: len(start)] == start}
            plain = {path[len(start) :]: one for path, one in self.scalars.items() if path[: len(start)] == start}
            yield Setting(str(name), value, self.label, self.lines.get(start, 1), kind, owner, inline, inner, plain)

    def groups(self, name: str, group: object, at: KeyPath) -> Iterator[Setting]:
        """Yield the variables of one group of an inventory file, of its hosts, and of the groups inside it."""
        if not isinstance(group, dict):
            return
        for host in group.get("hosts") or {}:
            yield from self.settings((*at, "hosts", host), "host", str(host), inline=True)
        yield from self.settings((*at, "vars"), "group", name, inline=True)
        for child, content in (group.get("children") or {}).items():
            yield from self.groups(str(child), content, (*at, "children", child))


def variable_files(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield (file, kind, owner) of every file in group_vars and host_vars under `folder`, in Ansible's order."""
    for sort, kind in (("group_vars", "group"), ("host_vars", "host")):
        for entry in sorted((folder / sort).glob("*")):
            owner = entry.stem if entry.is_file() else entry.name
            files = [entry] if entry.is_file() else sorted(item for item in entry.rglob("*") if item.is_file())
            for file in files:
                if file.suffix in SUFFIXES and not file.name.startswith(".") and not file.name.endswith("~"):
                    yield file, "all" if (kind, owner) == ("group", "all") else kind, owner


def read_settings(folder: Path, root: Path) -> tuple[list[Setting], list[FileError]]:
    """Return every variable that the inventory files in `folder` set, and the files that could not be read.

    What Ansible is told to pass over (`inventory_ignore_patterns`) is passed over here too. Files are named relative to
    `root` where they are inside it.
    """
    settings: list[Setting] = []
    errors: list[FileError] = []
    for path, kind, owner in variable_files(folder):
        try:
            settings += _Source(*read_file(path, label(path, root)), label(path, root)).settings(
                (), kind, owner, inline=False
            )
        except FileError as error:
            errors.append(error)
    for path in sorted(folder.glob("*.y*ml")):
        if any(re.search(pattern, path.name) for pattern in constants.INVENTORY_IGNORE_PATTERNS):
            continue
        try:
            source = _Source(*read_file(path, label(path, root)), label(path, root))
            for name, group in source.values.items():
                settings += source.groups(str(name), group, (name,))
        except FileError as error:
            errors.append(error)
    return settings, errors


def unreadable(folder: Path, root: Path) -> list[Problem]:
    """Return what Ansible could not read of the inventory files in `folder`, in words for people."""
    return [error.problem for error in read_settings(folder, root)[1]]


def own_settings() -> list[Setting]:
    """Return every variable that Samestack itself sets; files are named relative to its own folder."""
    settings: list[Setting] = []
    for kind, files in (("default", default_files()), ("wiring", wiring_files())):
        for path in files:
            name = label(path, ENGINE)
            settings += _Source(*read_file(path, name), name).settings((), kind, "all", inline=False)
    return settings


def label(path: Path, root: Path) -> str:
    """Return how a file is named to people: relative to the project where it is inside it."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def service_declarations() -> dict[str, dict[str, Any]]:
    """Return what services say of themselves, by name, as it is written: templates are no values yet."""
    found = {}
    for file in service_files():
        name = file.parents[1].name
        found[name] = read_mapping(file, label(file, ENGINE))[0][f"{name}_service"]
    return found
