"""What every web server is given: the application's own entry point, which learns who asks.

With live code, it also serves static files from where they are edited.
"""

import importlib  # which module it is, is known on the machine only
import os
from typing import Any

from samestack_visitor import told_asgi, told_wsgi

INTERFACE = os.environ.get("SAMESTACK_INTERFACE", "wsgi")


def own() -> Any:
    """Return the application's own entry point, by its name, as Gunicorn would."""
    module, _, name = os.environ["SAMESTACK_BASE_APPLICATION"].partition(":")
    return getattr(importlib.import_module(module), name or "application")


def with_static_files(inner: Any) -> Any:
    """Return an application that also serves static files; Django is set up by now."""
    if not importlib.import_module("django.apps").apps.is_installed("django.contrib.staticfiles"):
        return inner
    handlers = importlib.import_module("django.contrib.staticfiles.handlers")
    return (handlers.ASGIStaticFilesHandler if INTERFACE == "asgi" else handlers.StaticFilesHandler)(inner)


_own = with_static_files(own()) if os.environ.get("SAMESTACK_LIVE") else own()
application = told_asgi(_own) if INTERFACE == "asgi" else told_wsgi(_own)
