"""What a Django project's Python files say about it, read from their syntax trees; nothing is imported or run."""

from __future__ import annotations

import ast
import functools
import re
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"

SKIPPED_FOLDERS = {"node_modules", "__pycache__", "site-packages", "venv", "env", "build", "dist"}
# What puts settings together of files that it names
SPLIT = "split_settings"
# Folders below this depth hold examples and templates, not the project.
DEPTH = 4


def walk(folder: Path, name: str, depth: int = DEPTH) -> Iterator[Path]:
    """Yield the files of that name below the folder, nearest first, without folders that hold other people's code."""
    if (folder / name).is_file():
        yield folder / name
    if depth > 0 and folder.is_dir():
        for child in sorted(folder.iterdir()):
            skipped = child.name.startswith(".") or child.name in SKIPPED_FOLDERS or (child / "pyvenv.cfg").exists()
            if child.is_dir() and not child.is_symlink() and not skipped:
                yield from walk(child, name, depth - 1)


def parse(path: Path) -> ast.Module | None:
    """Return the file's syntax tree, or None when it cannot be read (a newer Python's syntax, another encoding)."""
    return _read(path)[0]


def _read(path: Path) -> tuple[ast.Module | None, list[ast.AST]]:
    """Return a file's syntax tree and what it imports; nobody may change them, they are read for several reasons."""
    try:
        about = path.stat()
        return _parsed(path, about.st_mtime_ns, about.st_size)
    except (OSError, SyntaxError, ValueError):
        return None, []


@functools.lru_cache(maxsize=2048)
def _parsed(path: Path, _changed: int, _size: int) -> tuple[ast.Module, list[ast.AST]]:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    kinds = (ast.Import, ast.ImportFrom, *([ast.Call] if SPLIT in text else []))
    return tree, [node for node in ast.walk(tree) if isinstance(node, kinds)]


def module_file(folders: list[Path], module: str) -> Path | None:
    """Return the file of a dotted module name in the first folder that has it."""
    for folder in folders:
        base = folder.joinpath(*module.split("."))
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a name or an attribute of one, else an empty string."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def text_of(node: ast.AST | None) -> str | None:
    """Return the value of a string literal."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _settings_values(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the expressions that are given to DJANGO_SETTINGS_MODULE."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func).endswith("environ.setdefault"):
            if node.args and text_of(node.args[0]) == SETTINGS_VARIABLE:
                yield from node.args[1:]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            target = node.targets[0]
            if dotted(target.value).endswith("environ") and text_of(target.slice) == SETTINGS_VARIABLE:
                yield node.value


def settings_names(path: Path) -> list[str]:
    """Return the settings modules that manage.py, wsgi.py or asgi.py names, in the order of the file.

    A value that is worked out (from a variable, a condition, the environment) gives every literal in the file that
    looks like a settings module.
    """
    tree = parse(path)
    if tree is None:
        return []
    names: list[str] = []
    for value in _settings_values(tree):
        literal = text_of(value)
        names += [literal] if literal else _settings_literals(tree)
    return list(dict.fromkeys(names))


def _settings_literals(tree: ast.Module) -> list[str]:
    texts = [text for text in map(text_of, ast.walk(tree)) if text]
    return [text for text in texts if MODULE_NAME.fullmatch(text) and "settings" in text and "." in text]


def assigned_text(path: Path, name: str) -> str | None:
    """Return the string that a module-level assignment gives to the name."""
    tree = parse(path)
    for node in tree.body if tree else []:
        if isinstance(node, ast.Assign) and any(dotted(target) == name for target in node.targets):
            return text_of(node.value)
    return None


def imported_files(path: Path, folders: list[Path]) -> list[Path]:
    """Return the file and every file of the project that it imports, directly or not."""
    found: dict[Path, None] = {}
    waiting = deque([path])
    while waiting:
        current = waiting.popleft()
        if current not in found:
            found[current] = None
            waiting += _imports(current, folders)
    return list(found)


def _imports(path: Path, folders: list[Path]) -> list[Path]:
    files: list[Path | None] = []
    for node in _read(path)[1]:
        if isinstance(node, ast.ImportFrom):
            where, module = folders, node.module or ""
            if node.level:
                parents = list(path.parents)
                where = [parents[min(node.level, len(parents)) - 1]]
            names = [f"{module}.{alias.name}".strip(".") for alias in node.names if alias.name != "*"]
            files += [module_file(where, name) for name in [*filter(None, [module]), *names]]
        elif isinstance(node, ast.Import):
            files += [module_file(folders, alias.name) for alias in node.names]
        elif isinstance(node, ast.Call) and dotted(node.func) in ("include", "optional"):
            # django-split-settings: paths beside the file, which may be patterns
            names = [text for text in map(text_of, node.args) if text and not text.startswith("/")]
            files += [file for name in names for file in sorted(path.parent.glob(name)) if file.suffix == ".py"]
    return [file for file in files if file]
