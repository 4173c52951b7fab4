"""A project's inventory files while they are rewritten: texts, in which single places are replaced.

Nothing is written here, and no file is made anew from its values: comments, order, quotes and empty lines stay as
somebody has written them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from ...errors import Problem
from ..files import VAULT_HEADER, label, variable_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    #: Where a name stands, and what it is set to
    Entry = tuple[yaml.ScalarNode, yaml.Node]

#: Longer files are none that people write.
LARGEST = 1 << 20


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader; Ansible's own tags are looked for apart (`has_tag`)."""


_Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


class CannotRewriteError(ValueError):
    """What somebody has to change by hand: what is in the way, and what to write instead."""

    def __init__(self, what: str, fix: str) -> None:
        """Take both."""
        super().__init__(what)
        self.fix = fix


@dataclass(frozen=True)
class Scope:
    """A mapping of variables: a file's own, a group's or a host's in an inventory file."""

    file: str
    node: yaml.MappingNode

    @property
    def entries(self) -> dict[str, Entry]:
        """The variables that it sets."""
        return {key.value: (key, value) for key, value in self.node.value if isinstance(key, yaml.ScalarNode)}


@dataclass
class Project:
    """A project's files, and what came of them.

    `texts` has the YAML files of the inventories by their paths in the project, `others` the further files that may
    name a variable. `done` says what was rewritten, `left` what somebody has to.
    """

    texts: dict[str, str]
    others: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    left: list[Problem] = field(default_factory=list)
    #: Files that nobody can read without a password
    encrypted: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path, others: list[Path]) -> Project:
        """Read a project; raises OSError, and UnicodeDecodeError where a file is no text."""
        inventories = folder / "inventories"
        files = [path for path, _kind, _owner in variable_files(inventories)]
        files += sorted({*inventories.glob("*.yml"), *inventories.glob("*.yaml")})
        found = cls({})
        for path in files:
            text = path.read_bytes().decode("utf-8-sig")
            if text.startswith(VAULT_HEADER):
                found.encrypted.append(label(path, folder))
            else:
                found.texts[label(path, folder)] = text
        found.encrypted += sorted(label(path, folder) for path in inventories.glob("vault/*.yml"))
        for path in others:
            if path.is_file() and path.stat().st_size < LARGEST:
                found.others[label(path, folder)] = path.read_bytes().decode(errors="replace")
        return found

    def scopes(self) -> Iterator[Scope]:
        """Yield every mapping that sets variables, as the texts are now; what is no YAML has none."""
        for file in self.texts:
            yield from self._scopes_in(file)

    def _scopes_in(self, file: str) -> Iterator[Scope]:
        root = composed(self.texts[file])
        if not isinstance(root, yaml.MappingNode):
            return
        if re.match(r"inventories/(?:group_vars|host_vars)/", file):
            yield Scope(file, root)
            return

        def group(node: yaml.Node) -> Iterator[Scope]:
            parts = dict(Scope(file, node).entries) if isinstance(node, yaml.MappingNode) else {}
            for name in ("vars", "hosts", "children"):
                below = parts[name][1] if name in parts else None
                if not isinstance(below, yaml.MappingNode):
                    continue
                if name == "vars":
                    yield Scope(file, below)
                for _, inner in below.value if name != "vars" else ():
                    if name == "children":
                        yield from group(inner)
                    elif isinstance(inner, yaml.MappingNode):
                        yield Scope(file, inner)

        for _, node in root.value:
            yield from group(node)

    def setting(self, *names: str) -> Iterator[Scope]:
        """Yield the scopes that set one of some variables, one at a time and each only once.

        The texts may change in between: after each of them they are read anew.
        """
        passed: set[tuple[str, int]] = set()
        while True:
            for number, scope in enumerate(self.scopes()):
                place = (scope.file, number)
                if place not in passed and scope.entries.keys() & set(names):
                    passed.add(place)
                    yield scope
                    break
            else:
                return

    def replace(self, file: str, start: int, end: int, text: str) -> None:
        """Replace a part of a file; its lines end as the others do."""
        whole = self.texts[file]
        if "\r\n" in whole:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        self.texts[file] = whole[:start] + text + whole[end:]

    def say(self, node: yaml.Node, file: str, what: str) -> None:
        """Keep what was rewritten, with its place."""
        self.done.append(f"{file}:{node.start_mark.line + 1}: {what}")

    def leave(self, name: str, place: str, what: str, fix: str) -> None:
        """Keep what somebody has to rewrite; each only once."""
        problem = Problem(name, place, what, fix)
        if problem not in self.left:
            self.left.append(problem)

    def mentions(self, name: str) -> Iterator[tuple[str, int]]:
        """Yield (file, line) of every place outside the inventories that names a variable."""
        word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])")
        for file, text in self.others.items():
            for number, line in enumerate(text.splitlines(), 1):
                if word.search(line):
                    yield file, number


def composed(text: str) -> yaml.Node | None:
    """Return the nodes of a YAML text with their places; None where it is none."""
    try:
        # The places of the C loader count bytes where a text has other letters.
        return yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return None


def value_of(node: yaml.Node) -> Any:
    """Return the value of a node."""
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def has_tag(node: yaml.Node) -> bool:
    """Return whether there is one of Ansible's own tags in a value (`!vault`, `!unsafe`), which no other text has."""
    if node.tag.startswith("!"):
        return True
    if isinstance(node, yaml.MappingNode):
        return any(has_tag(one) for pair in node.value for one in pair)
    return isinstance(node, yaml.SequenceNode) and any(has_tag(one) for one in node.value)


def end_of(text: str, node: yaml.Node) -> int:
    """Return where a value ends; PyYAML says of a block that it ends where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return end_of(text, last[1] if isinstance(last, tuple) else last)
    start = int(node.start_mark.index)
    return start + len(text[start : node.end_mark.index].rstrip())


def comments_in(text: str, start: int, node: yaml.Node) -> list[str]:
    """Return the comments inside a value, from where its name ends."""
    found: list[str] = []
    at = start
    for leaf in [*leaves(node), None]:
        between = text[at : leaf.start_mark.index if leaf else max(at, end_of(text, node))]
        found += re.findall(r"(?:^|(?<=\s))#[^\n]*", between, re.MULTILINE)
        at = end_of(text, leaf) if leaf else at
    return [comment.rstrip() for comment in found]


def leaves(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield the scalars of a value in their order."""
    if isinstance(node, yaml.ScalarNode):
        yield node
    for one in node.value if isinstance(node, yaml.CollectionNode) else ():
        for inner in one if isinstance(one, tuple) else (one,):
            yield from leaves(inner)


def written(values: Mapping[str, Any], indent: int, *, flow: bool) -> str:
    """Return variables as they stand in a file: lines after the first are indented, and the last has no end."""
    if flow:
        text = yaml.safe_dump(dict(values), default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
        return text.strip().removeprefix("{").removesuffix("}")
    text = "".join(
        yaml.safe_dump(
            {name: value}, default_flow_style=None if isinstance(value, (dict, list)) else False, sort_keys=False,
            allow_unicode=True, width=10**6,
        )
        for name, value in values.items()
    )  # fmt: skip
    return text.rstrip("\n").replace("\n", "\n" + " " * indent)
