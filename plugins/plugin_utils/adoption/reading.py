"""What Django settings say, read from their syntax trees: nothing is imported, and no value of a secret is taken.

The files are the settings module and what it imports, in that order, so what is read first is what counts.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..project.code import dotted, imported_files, module_file, parse, text_of
from ..project.variables import default_of, reads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What stands for a value that is only known when the code runs
UNKNOWN = object()
#: Settings that name each other in a circle come to an end here.
DEEPEST = 20


@dataclass(frozen=True)
class Said:
    """A setting where it is given: its expression, `file:line`, and whether it holds whenever the file runs."""

    node: ast.expr
    place: str
    sure: bool


@dataclass
class Settings:
    """The settings of a project, as they are written.

    Attributes:
        root: the folder of the source.
        folders: those that modules are imported from.
        files: the settings module's file and those that it imports.
    """

    root: Path
    folders: list[Path]
    files: list[Path]
    _said: dict[str, list[Said]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path, folders: list[Path], module: str) -> Settings:
        """Read a settings module and what it imports of the project."""
        file = module_file(folders, module)
        settings = cls(root, folders, imported_files(file, folders) if file else [])
        for path in settings.files:
            settings._read(path)
        return settings

    def _read(self, path: Path) -> None:
        tree = parse(path)
        found: dict[str, list[Said]] = {}
        for statement, sure in statements(tree.body if tree else [], sure=True):
            for name, value in given(statement):
                found.setdefault(name, []).append(Said(value, self.place(path, statement), sure))
        for name, said in found.items():
            # In one file the last word counts, between files the first: they are in the order of their imports.
            self._said.setdefault(name, []).extend(reversed(said))

    def place(self, path: Path, node: ast.AST | None = None) -> str:
        """Return `file:line`, relative to the source."""
        line = getattr(node, "lineno", 1)
        return f"{path.relative_to(self.root).as_posix()}:{line}"

    def names(self) -> list[str]:
        """Return the names of all settings."""
        return list(self._said)

    def said(self, name: str) -> Said | None:
        """Return where a setting is given, the place that counts; None where it is not."""
        found = self._said.get(name, [])
        return next((one for one in found if one.sure), found[0] if found else None)

    def every(self, name: str) -> list[Said]:
        """Return every place that gives a setting, or adds to it."""
        return self._said.get(name, [])

    def value(self, name: str, depth: int = 0) -> Any:
        """Return a setting's value as far as it is written out, UNKNOWN where it is not."""
        said = self.said(name)
        return self.known(said.node, depth) if said else UNKNOWN

    def known(self, node: ast.AST, depth: int = 0) -> Any:
        """Return the value of an expression as far as it is written out; parts that are not are UNKNOWN."""
        if depth > DEEPEST:
            return UNKNOWN
        deeper = depth + 1
        match node:
            case ast.Constant():
                found: Any = node.value
            case ast.List() | ast.Tuple() | ast.Set():
                found = [self.known(item, deeper) for item in node.elts if not isinstance(item, ast.Starred)]
            case ast.Dict():
                pairs = [pair for pair in zip(node.keys, node.values, strict=True) if pair[0]]
                found = {str(self.known(key, deeper)): self.known(value, deeper) for key, value in pairs if key}
            case ast.Name():
                found = self.value(node.id, deeper)
            case ast.BinOp(op=ast.Add()):
                found = added(self.known(node.left, deeper), self.known(node.right, deeper))
            case ast.JoinedStr():
                parts = [self.known(part, deeper) for part in node.values]
                found = "".join(parts) if all(isinstance(part, str) for part in parts) else UNKNOWN
            case ast.FormattedValue():
                found = self.known(node.value, deeper)
            case ast.Call():
                found = self._default(node, deeper)
            case _:
                found = UNKNOWN
        return found

    def _default(self, call: ast.Call, depth: int) -> Any:
        """Return what a reader of the environment gives where nobody sets the variable."""
        default = default_of(call, ())
        named = any(word.arg == "default" for word in call.keywords)
        return self.known(default, depth + 1) if default and (named or reads(call)) else UNKNOWN

    def texts(self, *names: str) -> Iterator[tuple[str, str]]:
        """Yield every text inside of settings, and its `file:line`."""
        for name in names:
            for said in self.every(name):
                file = said.place.rpartition(":")[0]
                for node in ast.walk(said.node):
                    text = text_of(node)
                    if text is not None:
                        yield text, f"{file}:{getattr(node, 'lineno', 1)}"

    def apps(self) -> dict[str, str]:
        """Return the installed apps as they are written, and where."""
        lists = [name for name in self.names() if name == "INSTALLED_APPS" or name.endswith("_APPS")]
        found: dict[str, str] = {}
        for text, place in self.texts(*lists):
            found.setdefault(text, place)
        return found


def added(left: Any, right: Any) -> Any:
    """Return the sum of two values as far as they are known."""
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    return next((one for one in (left, right) if isinstance(one, list)), UNKNOWN)


def statements(body: list[ast.stmt], *, sure: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield the statements of a module that run when it is imported, and whether they always do.

    Those of classes count: django-configurations keeps settings there.
    """
    for node in body:
        yield node, sure
        if isinstance(node, ast.If | ast.Try | ast.With):
            inside = [*node.body, *getattr(node, "orelse", [])]
            yield from statements(inside, sure=sure and isinstance(node, ast.With))
        elif isinstance(node, ast.ClassDef):
            yield from statements(node.body, sure=sure)


def given(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a statement gives a value to, or adds to."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value
            elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                key = text_of(target.slice)
                if key:
                    yield target.value.id, ast.copy_location(ast.Dict([target.slice], [statement.value]), statement)
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign) and isinstance(statement.target, ast.Name):
        if statement.value:
            yield statement.target.id, statement.value
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("append", "extend", "insert", "update"):
            name = dotted(call.func.value)
            if name and call.args:
                yield name, call.args[-1]
