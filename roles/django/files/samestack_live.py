"""Entry point for live code: the application's own, which also serves static files from where they are edited."""

import importlib  # which module it is, is known on the machine only
import os
import pdb

if "SAMESTACK_BREAKPOINTS" in os.environ:
    # As people wrote it before there was breakpoint()
    debugger = importlib.import_module("samestack_debug")
    pdb.set_trace = debugger.set_trace
    if "SAMESTACK_DEBUGGER" in os.environ:
        debugger.listen(int(os.environ["SAMESTACK_DEBUGGER"]))

_module, _, _name = os.environ["SAMESTACK_BASE_APPLICATION"].partition(":")
# By its name, as Gunicorn would
application = getattr(importlib.import_module(_module), _name or "application")

# The import above has set Django up.
if importlib.import_module("django.apps").apps.is_installed("django.contrib.staticfiles"):
    handlers = importlib.import_module("django.contrib.staticfiles.handlers")
    if os.environ.get("SAMESTACK_INTERFACE") == "asgi":
        application = handlers.ASGIStaticFilesHandler(application)
    else:
        application = handlers.StaticFilesHandler(application)
