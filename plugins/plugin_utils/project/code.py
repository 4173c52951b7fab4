"""What a Django project's Python files say about it, read from their syntax trees; nothing is imported or run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"

# django-environ's and environs' readers whose variable has a name of its own when none is given
DEFAULT_NAMES = {
    "db": "DATABASE_URL", "db_url": "DATABASE_URL", "dj_db_url": "DATABASE_URL",
    "cache": "CACHE_URL", "cache_url": "CACHE_URL", "email": "EMAIL_URL", "email_url": "EMAIL_URL",
    "search_url": "SEARCH_URL",
}  # fmt: skip
SKIPPED_FOLDERS = {"node_modules", "__pycache__", "site-packages", "venv", "env", "build", "dist"}
# Folders below this depth hold examples and templates, not the project.
DEPTH = 4
# What readers take as the type of a value, in the place where others take its default
TYPES = {"bool", "bytes", "dict", "float", "int", "json", "list", "str", "tuple", "set", "Path", "Decimal", "Csv"}
READERS = {"env", "ENV", "config", "environ", "Env"}


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
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None


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
    found: list[Path] = []
    waiting = [path]
    while waiting:
        current = waiting.pop(0)
        if current in found:
            continue
        found.append(current)
        waiting += _imports(current, folders)
    return found


def _imports(path: Path, folders: list[Path]) -> list[Path]:
    files: list[Path | None] = []
    for node in ast.walk(parse(path) or ast.Module([], [])):
        if isinstance(node, ast.ImportFrom):
            where, module = folders, node.module or ""
            if node.level:
                parents = list(path.parents)
                where = [parents[min(node.level, len(parents)) - 1]]
            names = [f"{module}.{alias.name}".strip(".") for alias in node.names if alias.name != "*"]
            files += [module_file(where, name) for name in [*filter(None, [module]), *names]]
        elif isinstance(node, ast.Import):
            files += [module_file(folders, alias.name) for alias in node.names]
    return [file for file in files if file]


def environment_names(files: list[Path]) -> dict[str, bool]:
    """Return the environment variables that the files read: name → whether it must be set.

    Understood: os.environ and os.getenv, django-environ and environs (`env("X")`, `env.bool("X")`, `env.db()`),
    decouple (`config("X")`) and dj_database_url.
    """
    names: dict[str, bool] = {}
    for file in files:
        tree = parse(file)
        if tree is None:
            continue
        defaults = _declared_defaults(tree)
        for node in ast.walk(tree):
            for name, required in _reads(node):
                names[name] = names.get(name, False) or (required and name not in defaults)
    return dict(sorted(names.items()))


def _declared_defaults(tree: ast.Module) -> set[str]:
    """Return the names with a default in `environ.Env(DEBUG=(bool, False))`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and dotted(node.func).endswith("Env")]
    keywords = [keyword for call in calls for keyword in call.keywords]
    return {word.arg for word in keywords if word.arg and isinstance(word.value, ast.Tuple) and word.value.elts[1:]}


def _reads(node: ast.AST) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Subscript) and dotted(node.value).endswith("environ") and isinstance(node.ctx, ast.Load):
        name = text_of(node.slice)
        if name and VARIABLE_NAME.fullmatch(name):
            yield name, True
    if isinstance(node, ast.Call):
        yield from _call_reads(node)


def _call_reads(call: ast.Call) -> Iterator[tuple[str, bool]]:
    function = dotted(call.func)
    base, _, last = function.rpartition(".")
    first = text_of(call.args[0]) if call.args else None
    if function.endswith("dj_database_url.config"):
        given = [text_of(word.value) for word in call.keywords if word.arg == "env"]
        yield (given[0] if given and given[0] else first or "DATABASE_URL"), False
        return
    plain = function.endswith(("environ.get", "getenv"))
    reader = function in READERS or base in READERS
    if not plain and not reader:
        return
    if not call.args and last in DEFAULT_NAMES:
        first = DEFAULT_NAMES[last]
    if first and VARIABLE_NAME.fullmatch(first) and last not in ("setdefault", "pop"):
        yield first, reader and not plain and not _has_default(call)


def _has_default(call: ast.Call) -> bool:
    """Return whether a reader is given a default, by name or by place: the second or third, after a type."""
    if any(word.arg == "default" for word in call.keywords):
        return True
    after = call.args[1:]
    if after and dotted(after[0]) in TYPES:
        after = after[1:]
    return bool(after)
