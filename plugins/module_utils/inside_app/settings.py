"""Runs inside the application's own Python: Django's settings as they are in force, and the web server's."""

from __future__ import annotations

import os
import sys

# Django and Gunicorn are the application's: only its Python has them.
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .program import answer, manage

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Modules whose objects' text is their value
SPEAKING = ("datetime", "decimal", "uuid", "re", "zoneinfo", "ipaddress", "fractions")
SIMPLE = (str, int, float, bool, type(None))


def describe(given: Mapping[str, Any]) -> None:
    """Tell every setting of Django's that is not its default, and Gunicorn's from the file given["gunicorn"]."""
    manage("version")
    found = {"settings": settings(), "django": import_module("django").get_version()}
    if given["gunicorn"]:
        try:
            found["gunicorn"] = gunicorn(given["gunicorn"])
        # Whatever a file of settings raises, the rest is known.
        except (Exception, SystemExit) as error:
            found["trouble"] = f"{type(error).__name__}: {error}"
    answer(**found)


def settings() -> dict[str, Any]:
    """Return the settings that differ from Django's own, as `diffsettings` finds them; dictionaries by dotted names."""
    conf = import_module("django.conf")
    conf.settings._setup()
    wrapped = conf.settings._wrapped
    default = vars(conf.global_settings)
    found: dict[str, Any] = {}
    for name in sorted(one for one in dir(wrapped) if one.isupper()):
        value = getattr(wrapped, name)
        if name not in default or default[name] != value:
            flatten(name, value, found)
    return found


def flatten(name: str, value: Any, found: dict[str, Any]) -> None:
    """Add a value by its name; what is inside of dictionaries, and of lists of those, by names of its own.

    A name says whether its value is secret, so none may be hidden in the text of another.
    """
    if isinstance(value, dict) and value:
        for key, one in sorted(value.items(), key=lambda pair: str(pair[0])):
            flatten(f"{name}.{key}", one, found)
    elif isinstance(value, (list, tuple)) and any(isinstance(one, (dict, list, tuple)) for one in value):
        for number, one in enumerate(value):
            flatten(f"{name}.{number}", one, found)
    else:
        found[name] = plain(value)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: the same text in every process."""
    if isinstance(value, SIMPLE):
        return value
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(shown(one) for one in value)
    return shown(value)


def shown(value: Any) -> str:
    """Return a value as text; of objects of the application's only their kind, whatever they say of themselves."""
    if isinstance(value, (str, int, float, type(None))):
        return str(value)
    if value in ({}, []):
        return str(value)
    if callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    kind = type(value)
    if isinstance(value, os.PathLike) or kind.__module__.split(".")[0] in SPEAKING:
        return str(value)
    return f"<{kind.__module__}.{kind.__qualname__}>"


def gunicorn(path: str) -> dict[str, Any]:
    """Return the settings of Gunicorn's that a file changes, and its version."""
    application = import_module("gunicorn.app.wsgiapp").WSGIApplication
    # Its constructor would read this program's arguments, and load the application.
    app = application.__new__(application)
    app.usage, app.prog, app.cfg, app.callable, app.logger = None, None, None, None, None
    app.load_default_config()
    # As Gunicorn itself does before it reads its file
    sys.path.insert(0, os.getcwd())
    app.load_config_from_file(path)
    known = app.cfg.settings
    default = import_module("gunicorn.config").Config().settings
    changed = {name: known[name].get() for name in known if known[name].get() != default[name].get()}
    found = {name: plain(value) for name, value in sorted(changed.items())}
    return {"version": import_module("gunicorn").__version__, **found}
