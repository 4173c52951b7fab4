"""What a migration does to the variables of a project; each step knows the way back.

A step rewrites what it can, in every file of the inventories, and names what it cannot: with file and line, and with
what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from .project import CannotRewriteError, comments_in, composed, end_of, has_tag, leaves, value_of, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .project import Project, Scope

    Values = Mapping[str, Any]
    #: Makes of the variables as they were those that take their places. Raises CannotRewriteError.
    Recipe = Callable[[Values], Values]

TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
#: Which variables an environment may set for itself
ALLOWED = "allowed_differences"


class Step(Protocol):
    """A part of a migration."""

    @property
    def brings(self) -> tuple[str, ...]:
        """Variables that were not there before it."""

    @property
    def gone(self) -> tuple[str, ...]:
        """Variables that are none any more after it."""

    @property
    def instead(self) -> tuple[str, ...]:
        """What stands for them."""

    def forward(self, project: Project) -> None:
        """Rewrite a project."""

    def back(self, project: Project) -> None:
        """Take that back."""


@dataclass(frozen=True)
class Rename:
    """A variable has another name, and the same values."""

    old: str
    new: str

    @property
    def brings(self) -> tuple[str, ...]:
        """The new name."""
        return (self.new,)

    @property
    def gone(self) -> tuple[str, ...]:
        """The old one."""
        return (self.old,)

    @property
    def instead(self) -> tuple[str, ...]:
        """The new one."""
        return (self.new,)

    def forward(self, project: Project) -> None:
        """Give it the new name."""
        renamed(project, self.old, self.new)

    def back(self, project: Project) -> None:
        """Give it the old one."""
        renamed(project, self.new, self.old)


@dataclass(frozen=True)
class Reshape:
    """Some variables became others: one was split, some were put together, or their values are written otherwise."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    there: Recipe
    #: None where what was there is not to be known any more
    and_back: Recipe | None = None

    @property
    def brings(self) -> tuple[str, ...]:
        """The new names."""
        return tuple(name for name in self.new if name not in self.old)

    @property
    def gone(self) -> tuple[str, ...]:
        """The old names."""
        return tuple(name for name in self.old if name not in self.new)

    @property
    def instead(self) -> tuple[str, ...]:
        """All that there is now."""
        return self.new

    def forward(self, project: Project) -> None:
        """Write the new ones."""
        reshaped(project, self.old, self.new, self.there)

    def back(self, project: Project) -> None:
        """Write the old ones."""
        if self.and_back:
            reshaped(project, self.new, self.old, self.and_back)


@dataclass(frozen=True)
class Items:
    """A list of the project's has more items than before."""

    name: str
    items: tuple[str, ...]
    brings: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()

    def forward(self, project: Project) -> None:
        """Add those that are missing."""
        for scope in project.setting(self.name):
            for item in self.items:
                add_item(project, scope, self.name, item)

    def back(self, project: Project) -> None:
        """Take them out; one that the project uses goes with the variable, which the version before does not know."""
        for item in self.items:
            drop_item(project, self.name, item)


@dataclass(frozen=True)
class Expression:
    """A value that we wrote into the project, and that has to be another; somebody's own is left alone."""

    name: str
    file: str
    before: str
    after: str
    brings: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()

    def forward(self, project: Project) -> None:
        """Write the later one."""
        self._replace(project, self.before, self.after)

    def back(self, project: Project) -> None:
        """Write the earlier one."""
        self._replace(project, self.after, self.before)

    def _replace(self, project: Project, old: str, new: str) -> None:
        for scope in project.setting(self.name):
            _key, value = scope.entries[self.name]
            if scope.file == self.file and isinstance(value, yaml.ScalarNode) and folded(value.value) == folded(old):
                indent = "\n" + " " * (scope.node.start_mark.column + 2)
                text = ">-" + "".join(f"{indent}{line}" for line in new.strip().splitlines())
                end = end_of(project.texts[scope.file], value)
                project.replace(scope.file, value.start_mark.index, end, text)
                project.say(value, scope.file, f"{self.name} is worked out anew")


def folded(text: str) -> str:
    """Return a text with single spaces, as it is compared."""
    return " ".join(text.split())


def renamed(project: Project, old: str, new: str) -> None:
    """Rename a variable where it is set, where templates use it, and in lists of names; name the other places."""
    for scope in project.setting(old):
        key = scope.entries[old][0]
        if new in scope.entries:
            place = f"{scope.file}:{key.start_mark.line + 1}"
            project.leave(old, place, f"it is called {new} now, which is set there, too", f"Take {old} out")
            continue
        project.replace(scope.file, key.start_mark.index, key.end_mark.index, new)
        project.say(key, scope.file, f"{old} is {new}")
    for scope in project.setting(ALLOWED):
        add_item(project, scope, ALLOWED, new, instead_of=old)
    word = re.compile(rf"(?<![\w.]){re.escape(old)}(?!\w)")
    for file in project.texts:
        for leaf in reversed(list(leaves_of(project, file))):
            start, end = leaf.start_mark.index, leaf.end_mark.index
            before = project.texts[file][start:end]
            after = TEMPLATE.sub(lambda found: word.sub(new, found[0]), before)
            if after != before and not leaf.tag.startswith("!"):
                project.replace(file, start, end, after)
                project.say(leaf, file, f"{old} is {new}, in a template")
    mentioned(project, (old,), f"Write {new}")
    used(project, (old,), "a template names something like it", f"Write {new}, if that is meant")


def leaves_of(project: Project, file: str) -> Iterator[yaml.Node]:
    """Yield every scalar of a file, once each: others may refer to it."""
    root = composed(project.texts[file])
    if root is not None:
        yield from {leaf.start_mark.index: leaf for leaf in leaves(root)}.values()


def mentioned(project: Project, names: tuple[str, ...], fix: str) -> None:
    """Name the places outside of the inventories that use a variable of before."""
    for name in names:
        for file, line in project.mentions(name):
            project.leave(name, f"{file}:{line}", "this name is used there", fix)


def used(project: Project, names: tuple[str, ...], what: str, fix: str) -> None:
    """Name the templates of the inventories that still use a variable of before, also as a part of something else."""
    for file in project.texts:
        for leaf in leaves_of(project, file):
            templates = "".join(TEMPLATE.findall(str(leaf.value)))
            for name in names:
                if re.search(rf"\b{re.escape(name)}\b", templates):
                    project.leave(name, f"{file}:{leaf.start_mark.line + 1}", what, fix)


def reshaped(project: Project, old: tuple[str, ...], new: tuple[str, ...], recipe: Recipe) -> None:
    """Put variables in the place of others, wherever one of these is set."""
    fix = f"Write {', '.join(new)} (docs/variables.md), and take {', '.join(old)} out"
    gone = tuple(name for name in old if name not in new)
    for scope in project.setting(*(gone or old)):
        try:
            _reshape(project, scope, old, recipe)
        except CannotRewriteError as error:
            found = [name for name in old if name in scope.entries]
            place = f"{scope.file}:{scope.entries[found[0]][0].start_mark.line + 1}"
            project.leave(", ".join(found), place, str(error), error.fix or fix)
    for name in gone:
        for scope in project.setting(ALLOWED):
            for other in (one for one in new if one not in old):
                add_item(project, scope, ALLOWED, other, instead_of=name)
            if not any(one not in old for one in new):
                drop_item(project, ALLOWED, name)
    mentioned(project, gone, fix)
    used(project, gone, "a template uses it, and it is no more", fix)


def _reshape(project: Project, scope: Scope, old: tuple[str, ...], recipe: Recipe) -> None:
    entries = {name: entry for name, entry in scope.entries.items() if name in old}
    if any(has_tag(value) for _key, value in entries.values()):
        raise CannotRewriteError("it has an encrypted value", "")
    if any(value.start_mark.index < key.end_mark.index for key, value in entries.values()):
        raise CannotRewriteError("its value stands elsewhere (an alias)", "")
    before = {name: value_of(value) for name, (_key, value) in entries.items()}
    after = dict(recipe(before))
    there = {name: value_of(scope.entries[name][1]) for name in after if name in scope.entries}
    if after == there and before.keys() <= after.keys():
        return
    for name in after.keys() - entries.keys():
        # What was there before is one with what comes; what only comes may come in several places.
        for other in project.scopes() if name in old else [scope]:
            if name in other.entries:
                line = other.entries[name][0].start_mark.line + 1
                raise CannotRewriteError(f"it belongs into {name}, which is set in {other.file}:{line} already", "")
    # From the last to the first: what is before a place stays where it is. The first gives its place to what comes.
    ordered = sorted(entries.values(), key=lambda entry: -entry[0].start_mark.index)
    flow = bool(scope.node.flow_style)
    whole = project.texts[scope.file]
    for position, (key, value) in enumerate(ordered):
        column = key.start_mark.column
        comments = comments_in(whole, key.end_mark.index, value)
        start, end = key.start_mark.index, max(end_of(whole, value), key.end_mark.index)
        if position == len(ordered) - 1 and after:
            kept = "".join(f"{comment}\n{' ' * column}" for comment in comments) if not flow else ""
            project.replace(scope.file, start, end, kept + written(after, column, flow=flow))
        else:
            remove(project, scope.file, (start, end), comments, flow=flow)
    if composed(project.texts[scope.file]) is None:
        # Somebody else refers to what was in it.
        project.texts[scope.file] = whole
        raise CannotRewriteError("other lines refer to it (an anchor)", "")
    first = ordered[-1][0]
    names = " and ".join(entries)
    what = f"{names}: now {' and '.join(after)}" if after.keys() != entries.keys() else f"{names} is written otherwise"
    project.say(first, scope.file, what if after else f"{names} is taken out")


def remove(project: Project, file: str, span: tuple[int, int], comments: list[str], *, flow: bool) -> None:
    """Take a variable or an item out: its lines, or its part of a line in braces; comments stay."""
    text, (start, end) = project.texts[file], span
    if flow:
        after = re.compile(r"\s*,\s*").match(text, end)
        if after:
            end = after.end()
        elif before := re.search(r"\s*,\s*$", text[:start]):
            start = before.start()
        project.replace(file, start, end, "")
        return
    start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end + 1
    indent = re.match(r"\s*", text[start:end])
    behind = text[end:line_end].strip()
    kept = [*comments, *([behind] if behind.startswith("#") else [])]
    margin = indent[0] if indent else ""
    project.replace(file, start, line_end, "".join(f"{margin}{comment}\n" for comment in kept))


def add_item(project: Project, scope: Scope, name: str, item: str, instead_of: str = "") -> None:
    """Add an item to a list of names, or put it in the place of another one; what is there already stays as it is."""
    for current in project.setting(name):
        if (current.file, current.node.start_mark.line) != (scope.file, scope.node.start_mark.line):
            continue
        items = current.entries[name][1]
        if not isinstance(items, yaml.SequenceNode):
            return
        texts = [one.value for one in items.value]
        if instead_of and instead_of not in texts:
            return
        if item in texts:
            if instead_of:
                drop_item(project, name, instead_of)
            return
        if instead_of:
            node = items.value[texts.index(instead_of)]
            project.replace(current.file, node.start_mark.index, node.end_mark.index, item)
            project.say(node, current.file, f"{name}: {instead_of} is {item}")
            return
        text = project.texts[current.file]
        if items.flow_style or not items.value:
            end = text.rfind("]", 0, items.end_mark.index)
            project.replace(current.file, end, end, f", {item}" if texts else item)
        else:
            last = items.value[-1]
            end = text.find("\n", end_of(text, last))
            end = len(text) if end < 0 else end
            project.replace(current.file, end, end, f"\n{' ' * (last.start_mark.column - 2)}- {item}")
        project.say(items, current.file, f"{name} has {item}, too")
        return


def drop_item(project: Project, name: str, item: str) -> None:
    """Take an item out of a list of names, wherever it is in one."""
    for scope in project.setting(name):
        items = scope.entries[name][1]
        if not isinstance(items, yaml.SequenceNode):
            continue
        found = items.value
        node = next((one for one in found if one.value == item), None)
        if node is None:
            continue
        start, end = node.start_mark.index, node.end_mark.index
        if len(found) == 1 and not items.flow_style:
            project.replace(scope.file, items.start_mark.index, end, "[]")
        else:
            remove(project, scope.file, (start, end), [], flow=bool(items.flow_style))
        project.say(node, scope.file, f"{name} has no {item}")
