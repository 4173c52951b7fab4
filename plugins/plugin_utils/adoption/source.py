"""A project while it is being read: what deployments detect of it, its settings, and which of its files matter here."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..project.code import dotted, module_file, parse, text_of
from ..project.packages import developed_with
from ..project.source import path_files
from ..project.variables import variables_of
from .finding import line_of
from .reading import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..project.detect import Project
    from ..project.variables import Variable

#: Code that does not run where the site is served, or is not the project's
ASIDE = re.compile(
    r"(^|/)(tests?|testing|migrations|node_modules|site-packages|docs?|examples?|\.venv|venv)(/|$)|(^|/)(conftest|test_[^/]*)\.py$"
)
#: More would be read for longer than people wait
MOST_FILES = 4000
LARGEST = 1_000_000


@dataclass(frozen=True)
class Source:
    """A folder with a Django project, and what `detect` found in it.

    Attributes:
        root: the folder.
        project: what deployments would find.
        settings: its settings, as they are written.
    """

    root: Path
    project: Project
    settings: Settings

    @classmethod
    def of(cls, root: Path, project: Project) -> Source:
        """Read what `detect` found."""
        folders = [root / project.directory, *(root / name for name in project.python_path)]
        return cls(root, project, Settings.of(root, folders, project.settings))

    @property
    def packages(self) -> dict[str, str | None]:
        """The packages that a server gets, and their versions."""
        return self.project.packages.versions

    @cached_property
    def development(self) -> dict[str, str | None]:
        """The packages that live code has beside them."""
        return developed_with(self.root, self.project.packages)

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """The environment variables that the settings read."""
        return variables_of(self.settings.files)

    @cached_property
    def files(self) -> list[str]:
        """The files of the project that git knows or would add, relative to it."""
        return path_files(self.root)

    @cached_property
    def code(self) -> dict[str, str]:
        """The text of the project's Python files, by path: those that run where it is served."""
        names = [name for name in self.files if name.endswith(".py") and not ASIDE.search(name)]
        return {name: text for name in names[:MOST_FILES] if (text := self.text(name))}

    def text(self, name: str) -> str:
        """Return a file's text, "" where there is none or it is no text of a sensible size."""
        path = self.root / name
        try:
            # Whatever a link leads to is not the project's.
            if not path.is_file() or path.is_symlink() or path.stat().st_size > LARGEST:
                return ""
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def place(self, name: str, text: str = "") -> str:
        """Return `file:line` of the first line of a file that has a text."""
        return f"{name}:{line_of(self.root / name, text) if text else 1}"

    def variable_place(self, name: str) -> str:
        """Return where the settings first name a variable of the environment, "" where they do not."""
        # A field of a class may have a prefix that stands elsewhere.
        tails = "|".join("_".join(name.split("_")[at:]) for at in range(name.count("_") + 1))
        for wanted in (rf"['\"]{name}['\"]|\b{name}=", rf"(?i)^\s+(?:{tails})\s*:"):
            for file in self.settings.files:
                text = file.read_text(encoding="utf-8", errors="replace")
                if match := re.search(wanted, text, re.MULTILINE):
                    # A line's indent may begin lines before.
                    line = text[: match.end()].count("\n") + 1
                    return f"{file.relative_to(self.root).as_posix()}:{line}"
        return ""

    def package_place(self, name: str) -> str:
        """Return where a package is listed."""
        listing = self.project.packages
        wanted = re.compile(rf"^.*\b{re.escape(name).replace('-', '[-_.]')}\b", re.IGNORECASE | re.MULTILINE)
        # The first of them that has it
        files = [listing.file, *(listing.development.files if name in self.development else [])]
        file = next((one for one in files if wanted.search(self.text(one))), listing.file)
        listed = wanted.search(self.text(file))
        if not listed and "-" in name:
            # An extra of a package counts as a package.
            return self.package_place(name.partition("-")[0])
        return f"{file}:{self.text(file)[: listed.start()].count(chr(10)) + 1}" if listed else f"{file}:1"

    def has(self, *names: str) -> str:
        """Return the first of some packages that a server gets, "" for none."""
        return next((name for name in names if name in self.packages), "")

    def app(self, *names: str) -> str:
        """Return the first of some apps that are installed, as it is written; "" for none. `a.b` counts as `a`, too."""
        for written in self.settings.apps():
            if any(written == name or written.startswith(f"{name}.") for name in names):
                return written
        return ""

    def mentioned(self, pattern: str) -> str:
        """Return `file:line` of the first Python line that has a pattern, "" for none."""
        wanted = re.compile(pattern)
        for name, text in self.code.items():
            found = wanted.search(text)
            if found:
                return f"{name}:{text[: found.start()].count(chr(10)) + 1}"
        return ""

    def module_of(self, name: str) -> str:
        """Return the dotted name of a Python file of the project, "" where none of its folders leads to it."""
        for folder in self.settings.folders:
            path = self.root / name
            if path.is_relative_to(folder):
                parts = path.relative_to(folder).with_suffix("").parts
                return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        return ""

    def command_file(self, command: str) -> str:
        """Return the file of a management command that the project itself has, "" for none."""
        ending = f"management/commands/{command}.py"
        return next((name for name in self.files if name.endswith(ending)), "")


@dataclass(frozen=True)
class Address:
    """An entry of a list of URLs: its path as far as it is written out, what it leads to, and where it stands."""

    path: str
    target: ast.expr
    place: str


def addresses(source: Source) -> Iterator[Address]:
    """Yield the addresses that a project serves, those of lists of its own that it includes with their whole path."""
    module = source.settings.value("ROOT_URLCONF")
    if isinstance(module, str):
        yield from _addresses(source, module, "/", set())


def _addresses(source: Source, module: str, prefix: str, seen: set[str]) -> Iterator[Address]:
    file = module_file(source.settings.folders, module)
    tree = parse(file) if file else None
    if not file or not tree or module in seen:
        return
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if dotted(call.func).rpartition(".")[2] not in ("path", "re_path", "url") or not call.args[1:]:
            continue
        text = pattern_of(source, call.args[0])
        if text is None:
            continue
        # What a pattern begins with, as far as it is no pattern
        plain = re.sub(r"[\[(\\$?*+<].*", "", text.removeprefix("^"))
        path = prefix + plain.lstrip("/")
        if plain == text.removeprefix("^").removesuffix("$"):
            yield Address(path, call.args[1], source.settings.place(file, call))
        inside = included(call.args[1])
        if inside:
            yield from _addresses(source, inside, path, {*seen, module})


def pattern_of(source: Source, node: ast.expr) -> str | None:
    """Return the text of an address's pattern, None where nothing says it.

    Of one that is put together it is what is written out: a prefix is empty as a rule.
    """
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "" for part in node.values)
    setting = dotted(node)
    if setting.startswith("settings."):
        value = source.settings.value(setting.partition(".")[2])
        return value if isinstance(value, str) else None
    return text_of(node)


def included(target: ast.expr) -> str:
    """Return the module that `include("…")` names, "" for anything else."""
    if isinstance(target, ast.Call) and dotted(target.func).rpartition(".")[2] == "include" and target.args:
        first = target.args[0]
        if isinstance(first, ast.Tuple) and first.elts:
            first = first.elts[0]
        return text_of(first) or dotted(first)
    return ""
