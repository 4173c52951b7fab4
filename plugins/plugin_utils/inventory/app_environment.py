"""What is wrong with the variables that the application's environment is given: app_env and its like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ..errors import Problem
from .laws import dotted, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .files import Scalar, Setting
    from .laws import Place

ENVIRONMENTS = ("app_env", "app_secret_env", "app_build_env")
FILES = "app_secret_files"
#: Names that a release gives its processes, over everything else; and what to write instead
OF_RELEASES = {
    "DJANGO_SETTINGS_MODULE": "Set app_settings_module",
    "STATIC_ROOT": "Take the line out: Nginx serves the folder that the release is given",
    **dict.fromkeys(("PATH", "PYTHONPATH", "VIRTUAL_ENV"), "Take the line out: it leads to the release's packages"),
}
#: The same while it is built
OF_BUILDS = {
    "STATIC_ROOT": OF_RELEASES["STATIC_ROOT"],
    **dict.fromkeys(("HOME", "TMPDIR"), "Take the line out: every step of a build has folders of its own"),
    "PYTHONDONTWRITEBYTECODE": "Take the line out: byte-code is made at the end of the build",
}
OURS = "SAMESTACK_"
QUOTES = "Write it in quotes"


def arrives_as_written(scalar: Scalar) -> bool:
    """Return whether YAML takes a text without quotes as it stands: 8000, true and 1.5, but not 1.10, 007 and yes."""
    kind = scalar.tag.rpartition(":")[2]
    if kind == "bool":
        return scalar.text.lower() in ("true", "false")
    if kind == "int":
        return re.fullmatch(r"-?[0-9]+", scalar.text) is not None and str(int(scalar.text)) == scalar.text
    if kind == "float":
        return re.fullmatch(r"-?[0-9]+\.[0-9]+", scalar.text) is not None and repr(float(scalar.text)) == scalar.text
    return False


def misread(settings: list[Setting]) -> Iterator[Problem]:
    """Yield the variables whose name or value YAML takes for something else: the application would get another text."""
    for setting in settings:
        if setting.name not in ENVIRONMENTS or not isinstance(setting.value, dict):
            continue
        for path, scalar in setting.scalars.items():
            if len(path) != 1:
                continue
            name, shown = dotted(setting.name, path), show(setting.name, scalar.text)
            if scalar.is_key:
                what = f"YAML takes this name for {meaning(scalar)}"
                yield Problem(name, setting.place(path), what, f'{QUOTES}: "{scalar.text}"', None)
            elif not arrives_as_written(scalar):
                what = f"YAML takes this for {meaning(scalar)}, and the app would get that"
                quoted = QUOTES if shown == "(hidden)" else f'{QUOTES}: {path[0]}: "{scalar.text}"'
                yield Problem(name, setting.place(path), what, quoted, shown)


def meaning(scalar: Scalar) -> str:
    """Return what YAML takes a text for."""
    kind = scalar.tag.rpartition(":")[2]
    words = {"bool": "true or false", "int": "a number", "float": "a number", "null": "nothing", "timestamp": "a date"}
    return words.get(kind, kind)


def name_problems(values: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the variables that could not win over those of Samestack, and those that are set twice."""
    given = {name: values[name] for name in (*ENVIRONMENTS, FILES) if isinstance(values.get(name), dict)}
    for where in ENVIRONMENTS:
        reserved = OF_BUILDS if where == "app_build_env" else OF_RELEASES
        for name in given.get(where, {}):
            fix = reserved.get(name) or ("Take another name" if name.startswith(OURS) else "")
            if fix:
                what = "the release sets this itself, and would win"
                yield Problem(dotted(where, (name,)), place(where, (name,)), what, fix)
    plain, secret = given.get("app_env", {}), given.get("app_secret_env", {})
    for name in plain:
        if name in secret:
            what = f"app_secret_env sets it too ({place('app_secret_env', (name,))})"
            yield Problem(dotted("app_env", (name,)), place("app_env", (name,)), what, "Keep one of the two lines")
    if isinstance(plain.get("SECRET_KEY"), str):
        what = "a secret stands here in plain text"
        fix = "Take the line out: the secrets have a key. One of your own belongs to app_secret_env"
        yield Problem("app_env.SECRET_KEY", place("app_env", ("SECRET_KEY",)), what, fix)
    for name in given.get(FILES, {}):
        for where in ("app_env", "app_secret_env"):
            path = (f"{name}_FILE",)
            if path[0] in given.get(where, {}):
                what = f"{FILES}.{name} sets it too ({place(FILES, (name,))})"
                yield Problem(dotted(where, path), place(where, path), what, "Keep one of the two lines")


def database_problems(values: Mapping[str, Any], own: Callable[[], str], place: Place) -> Iterator[Problem]:
    """Yield a DATABASE_URL that leads elsewhere; `own` returns the environment's, a template while that waits.

    Migrations, copies and rollbacks are about the environment's own database.
    """
    for where in ("app_env", "app_secret_env"):
        given = values.get(where)
        url = given.get("DATABASE_URL") if isinstance(given, dict) else None
        if not isinstance(url, str) or "{{" in url:
            continue
        ours = own()
        if "{{" not in ours and leads_to(url) != leads_to(ours):
            what = "it leads to another database than this environment's, which is migrated, copied and rolled back"
            fix = 'Take the line out, or make it of ours: "{{ database_url }}"'
            yield Problem(dotted(where, ("DATABASE_URL",)), place(where, ("DATABASE_URL",)), what, fix)


def leads_to(url: str) -> tuple[str, str]:
    """Return (host, database) of a URL; a socket has no host."""
    try:
        parts = urlsplit(url)
        host = unquote(parts.hostname or "")
    except ValueError:
        return ("?", url)
    return "" if host.startswith("/") else host, unquote(parts.path.lstrip("/"))
