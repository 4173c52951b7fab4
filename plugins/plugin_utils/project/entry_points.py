"""Which settings module and which entry point a Django project serves with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DecisionError
from ..text import listing, nearest
from .code import assigned_text, imported_files, module_file, parse, settings_names, text_of, walk

if TYPE_CHECKING:
    from pathlib import Path

PRODUCTION = ("production", "prod", "live")
DEVELOPMENT = ("dev", "develop", "development", "local", "localhost", "base", "common", "test", "testing", "debug")


def find_settings(folders: list[Path], given: str) -> tuple[str, list[str]]:
    """Return the settings module and what people should know about the choice."""
    if given:
        if module_file(folders, given):
            return given, []
        near = nearest(given, _settings_modules(folders))
        raise DecisionError(
            "app_settings_module", given, "the source has no such module",
            f"Did you mean {listing(near)}?" if near else "Leave it empty to have it found",
        )  # fmt: skip
    named = _named_settings(folders)
    if not named:
        raise DecisionError(
            "app_settings_module", given, "neither manage.py nor wsgi.py names a settings module",
            f"Set it, like {listing(_settings_modules(folders)) or 'mysite.settings'}",
        )  # fmt: skip
    existing = [name for name in named if module_file(folders, name)]
    if not existing:
        raise DecisionError(
            "app_settings_module", given, f"manage.py names {listing(named)}, which the source does not have",
            "Set the module that it does have" + _candidates(folders),
        )  # fmt: skip
    return _choose_settings(existing, folders)


def _candidates(folders: list[Path]) -> str:
    found = _settings_modules(folders)
    return f", such as {listing(found)}" if found else ""


def _named_settings(folders: list[Path]) -> list[str]:
    """Return what the entry points name: what serves before what manages."""
    files = [path for name in ("wsgi.py", "asgi.py") for path in walk(folders[0], name, 3)]
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
    if file and file.name == "__init__.py" and not _has_code(file):
        parents.append(first)
    for parent in filter(None, parents):
        for production in PRODUCTION:
            candidate = f"{parent}.{production}"
            if module_file(folders, candidate):
                return candidate, [f"manage.py names {first}; {candidate} is there too and is used"]
    if len({name.rpartition(".")[0] for name in names}) > 1 or (len(names) > 1 and last in DEVELOPMENT):
        raise DecisionError(
            "app_settings_module", "", f"the project names several settings modules, {listing(names)}", "Choose one"
        )
    return first, []


def _has_code(path: Path) -> bool:
    tree = parse(path)
    return tree is None or any(not (hasattr(node, "value") and text_of(node.value)) for node in tree.body)


def _settings_modules(folders: list[Path]) -> list[str]:
    """Return the modules that look like settings, for messages."""
    found = []
    for folder in folders:
        for path in walk(folder, "settings.py", 3):
            found.append(".".join(path.relative_to(folder).with_suffix("").parts))
        for path in folder.glob("*/settings/*.py"):
            if path.name != "__init__.py":
                found.append(".".join(path.relative_to(folder).with_suffix("").parts))
    return list(dict.fromkeys(found))


def find_application(folders: list[Path], settings: str, wsgi: str, asgi: str) -> tuple[str, str]:
    """Return (wsgi or asgi, `module:name`). ASGI is used when it is set by hand, or when there is no WSGI module."""
    for interface, variable, value in (("asgi", "app_asgi", asgi), ("wsgi", "app_wsgi", wsgi)):
        if value:
            return interface, _checked_entry(folders, variable, value)
    declared = _declared_applications(folders, settings)
    for interface in ("wsgi", "asgi"):
        module, _, name = declared.get(interface, "").rpartition(".")
        if module and module_file(folders, module):
            return interface, f"{module}:{name}"
        found = _entry_modules(folders, interface)
        package = settings.split(".", maxsplit=1)[0]
        beside = [entry for entry in found if entry.split(".", maxsplit=1)[0] == package]
        choice = found if len(found) == 1 else beside
        if len(choice) == 1:
            return interface, f"{choice[0]}:application"
        if found:
            raise DecisionError(
                f"app_{interface}", "", f"the source has several {interface} modules, {listing(found)}",
                f'Choose one, like app_{interface}: "{found[0]}:application"',
            )  # fmt: skip
    raise DecisionError(
        "app_wsgi", "", "the source has neither a wsgi.py nor an asgi.py",
        'Add the wsgi.py that `django-admin startproject` makes, or set app_wsgi: "module:application"',
    )  # fmt: skip


def _checked_entry(folders: list[Path], variable: str, value: str) -> str:
    """Return an entry point as `module:name`; a dotted `module.name`, as Django's settings have it, is understood."""
    module, colon, name = value.partition(":")
    if not colon and not module_file(folders, module):
        module, _, name = value.rpartition(".")
    if not module or not module_file(folders, module):
        found = _entry_modules(folders, variable.removeprefix("app_"))
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


def _entry_modules(folders: list[Path], interface: str) -> list[str]:
    marks = (f"get_{interface}_application", "application")
    found = []
    for folder in folders:
        for path in walk(folder, f"{interface}.py", 3):
            if any(mark in path.read_text(errors="replace") for mark in marks):
                found.append(".".join(path.relative_to(folder).with_suffix("").parts))
    return list(dict.fromkeys(found))
