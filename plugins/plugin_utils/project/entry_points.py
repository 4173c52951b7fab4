"""Which settings module and which entry point a Django project serves with."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..errors import DecisionError
from ..text import listing, nearest
from .code import assigned_text, imported_files, module_file, parse, settings_names, text_of, walk
from .variables import variables_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PRODUCTION = ("production", "prod", "live")
# What others build on, and what tests run with
SHARED = ("base", "common")
TESTING = ("test", "testing", "tests", "ci")
DEVELOPMENT = ("dev", "develop", "development", "local", "localhost", "test", "testing", "debug", *SHARED)
# What an asgi.py has that answers more than Django's own does
MORE_THAN_HTTP = re.compile(r"ProtocolTypeRouter|URLRouter|websocket|FastAPI|Starlette|socketio|scope\s*\[")


def find_settings(folders: list[Path], given: str) -> tuple[str, list[str]]:
    """Return the settings module and what people should know about the choice."""
    if given:
        if module_file(folders, given):
            return given, []
        near = nearest(given, settings_modules(folders))
        raise DecisionError(
            "app_settings_module", given, "the source has no such module",
            f"Did you mean {listing(near)}?" if near else "Leave it empty to have it found",
        )  # fmt: skip
    named = named_settings(folders)
    if not named:
        raise DecisionError(
            "app_settings_module", given, "neither manage.py nor wsgi.py names a settings module",
            "Set it" + (_candidates(folders) or ", like mysite.settings"),
        )  # fmt: skip
    existing = [name for name in named if module_file(folders, name)]
    if not existing:
        raise DecisionError(
            "app_settings_module", given, f"manage.py names {listing(named)}, which the source does not have",
            "Set one that it has" + _candidates(folders, named),
        )  # fmt: skip
    return _choose_settings(existing, folders)


def _candidates(folders: list[Path], named: Sequence[str] = ()) -> str:
    """Return the modules that may be meant, the likeliest first: beside what is named, then as their names suit."""
    packages = {name.rpartition(".")[0] for name in named}
    first, *rest = sorted(settings_modules(folders), key=lambda name: name.rpartition(".")[0] not in packages) or [""]
    others = f" (or {listing(rest)})" if rest else ""
    return f", for example app_settings_module: {first}{others}" if first else ""


def named_settings(folders: list[Path]) -> list[str]:
    """Return what the entry points name: what serves before what manages."""
    files = [path for name in ("wsgi", "asgi") for path in _entry_files(folders[0], name)]
    names = [name for file in [*files, folders[0] / "manage.py"] if file.is_file() for name in settings_names(file)]
    return list(dict.fromkeys(names))


def _choose_settings(names: list[str], folders: list[Path]) -> tuple[str, list[str]]:
    """Prefer settings made for production, be they named or only beside the named ones."""
    for name in names:
        if name.rpartition(".")[2] in PRODUCTION:
            return name, []
    first = names[0]
    package, _, last = first.rpartition(".")
    parents = [package] if last in DEVELOPMENT else []
    file = module_file(folders, first)
    chooses = bool(file and file.name == "__init__.py" and _has_code(file))
    if file and file.name == "__init__.py" and not (chooses and _chooses(file)):
        parents.append(first)
    for candidate in [f"{parent}.{name}" for parent in filter(None, parents) for name in PRODUCTION]:
        if module_file(folders, candidate):
            return candidate, [f"manage.py names {first}; {candidate} is there too and is used"]
    if len({name.rpartition(".")[0] for name in names}) > 1 or (len(names) > 1 and last in DEVELOPMENT):
        raise DecisionError(
            "app_settings_module", "", f"the project names several settings modules, {listing(names)}", "Choose one"
        )
    beside = [f"{first}.{name}" for name in PRODUCTION if module_file(folders, f"{first}.{name}")]
    return first, [_choice(first, beside[0], file)] if chooses and beside and file else []


def _choice(package: str, production: str, file: Path) -> str:
    """Return what people should know of a settings package that chooses by itself."""
    read = listing(variables_of([file]))
    by = f", by {read}" if read else ""
    ways = f"set {read} for production in app_env and app_build_env, or " if read else ""
    return (
        f"{package} chooses by itself{by}, and {production} is beside it. If it chooses another one here: {ways}set "
        f"app_settings_module: {production}"
    )


def _chooses(path: Path) -> bool:
    """Return whether a settings package does more than to import one module for development."""
    tree = parse(path)
    for node in tree.body if tree else []:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module in DEVELOPMENT:
            continue
        if not isinstance(node, ast.Expr) or text_of(node.value) is None:
            return True
    return tree is None


def _has_code(path: Path) -> bool:
    tree = parse(path)
    return tree is None or any(not (hasattr(node, "value") and text_of(node.value)) for node in tree.body)


def settings_modules(folders: list[Path]) -> list[str]:
    """Return the modules that look like settings and can be imported, for messages: what serves before what tests."""
    found = []
    for folder in folders:
        paths = [*walk(folder, "settings.py", 3), *sorted(folder.glob("settings/*.py")),
                 *sorted(folder.glob("*/settings/*.py"))]  # fmt: skip
        names = [path.relative_to(folder).with_suffix("").parts for path in paths if path.name != "__init__.py"]
        # `production.example.py` is there to be copied.
        found += [".".join(parts) for parts in names if not any("." in part for part in parts)]
    return sorted(dict.fromkeys(found), key=suits)


def suits(module: str) -> int:
    """Return how little a settings module looks like one that serves."""
    last = module.rpartition(".")[2]
    if last in PRODUCTION:
        return 0
    if not set(module.split(".")).isdisjoint(TESTING):
        return 4
    if last in DEVELOPMENT and last not in SHARED:
        return 3
    # Those of a hosting provider set what only its machines have.
    return 1 if last in ("settings", *SHARED) else 2


def find_application(folders: list[Path], settings: str, wsgi: str, asgi: str) -> tuple[str, str, list[str]]:
    """Return (wsgi or asgi, `module:name`, what people should know about the choice).

    ASGI is used when it is set by hand, and when there is no WSGI module. Where only it answers all that the project
    does (the wsgi.py that `startproject` made often stays behind), that is said: what serves an application does not
    change by itself.
    """
    for interface, variable, value in (("asgi", "app_asgi", asgi), ("wsgi", "app_wsgi", wsgi)):
        if value:
            return interface, _checked_entry(folders, variable, value), []
    declared = _declared_applications(folders, settings)
    if "wsgi" not in declared and "asgi" in declared:
        found = _found_entry(folders, settings, "asgi", declared)
        if found:
            return "asgi", found, []
    for interface in ("wsgi", "asgi"):
        found = _found_entry(folders, settings, interface, declared)
        if found and interface == "wsgi":
            return "wsgi", found, _more_than_http(folders, settings, declared)
        if found:
            return interface, found, []
    raise DecisionError(
        "app_wsgi", "", "the source has neither a wsgi.py nor an asgi.py",
        'Add the wsgi.py that `django-admin startproject` makes, or set app_wsgi: "module:application"',
    )  # fmt: skip


def _found_entry(folders: list[Path], settings: str, interface: str, declared: dict[str, str]) -> str:
    """Return the entry point of one kind, "" without any; raises DecisionError where there are several."""
    module, _, name = declared.get(interface, "").rpartition(".")
    if module and module_file(folders, module):
        return f"{module}:{name}"
    found = entry_modules(folders, interface)
    package = settings.split(".", maxsplit=1)[0]
    beside = [entry for entry in found if entry.split(".", maxsplit=1)[0] == package]
    choice = found if len(found) == 1 else beside
    if len(choice) == 1:
        return f"{choice[0]}:application"
    if found:
        raise DecisionError(
            f"app_{interface}", "", f"the source has several {interface} modules, {listing(found)}",
            f'Choose one, like app_{interface}: "{found[0]}:application"',
        )  # fmt: skip
    return ""


def _more_than_http(folders: list[Path], settings: str, declared: dict[str, str]) -> list[str]:
    """Return what people should know where the ASGI application answers what no WSGI application can."""
    try:
        found = _found_entry(folders, settings, "asgi", declared)
    except DecisionError:
        return []
    file = module_file(folders, found.partition(":")[0]) if found else None
    mark = MORE_THAN_HTTP.search(file.read_text(errors="replace")) if file else None
    if not mark:
        return []
    return [f'Served by WSGI, though {found} has {mark[0]}: WebSockets need ASGI. By ASGI: set app_asgi: "{found}"']


def _checked_entry(folders: list[Path], variable: str, value: str) -> str:
    """Return an entry point as `module:name`; a dotted `module.name`, as Django's settings have it, is understood."""
    module, colon, name = value.partition(":")
    if not colon and not module_file(folders, module):
        module, _, name = value.rpartition(".")
    if not module or not module_file(folders, module):
        found = entry_modules(folders, variable.removeprefix("app_"))
        raise DecisionError(
            variable, value, "the source has no such module",
            f"It has {listing(found)}" if found else "Write it like mysite.wsgi:application",
        )  # fmt: skip
    return f"{module}:{name or 'application'}"


def _declared_applications(folders: list[Path], settings: str) -> dict[str, str]:
    file = module_file(folders, settings)
    found: dict[str, str] = {}
    for path in imported_files(file, folders) if file else []:
        for interface in ("wsgi", "asgi"):
            value = assigned_text(path, f"{interface.upper()}_APPLICATION")
            if value:
                found.setdefault(interface, value)
    return found


def _entry_files(folder: Path, name: str) -> list[Path]:
    """Return the modules and packages of that name, nearest first."""
    packages = [path for path in walk(folder, "__init__.py", 4) if path.parent.name == name]
    return [*walk(folder, f"{name}.py", 3), *packages]


def entry_modules(folders: list[Path], interface: str) -> list[str]:
    """Return the modules that look like an entry point of one kind, wsgi or asgi."""
    marks = (f"get_{interface}_application", "application")
    found = []
    for folder in folders:
        for path in _entry_files(folder, interface):
            if any(mark in path.read_text(errors="replace") for mark in marks):
                module = path.parent if path.name == "__init__.py" else path.with_suffix("")
                found.append(".".join(module.relative_to(folder).parts))
    return list(dict.fromkeys(found))
