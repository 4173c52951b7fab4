"""Keeps django-migration-linter on the host: outside of every release, without a Django of its own."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from ...common import text
from ...common.errors import HostError
from ..fetching import CERTIFICATES, PYTHON, fetch_account
from ..files.archive import NOBODY
from ..files.tree_copy import TreeCopy
from ..sandbox import INSIDE, Sandbox, Step, online

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME = "/opt/samestack"
PACKAGE = "django-migration-linter"
# What it imports itself; Django is the application's.
NEEDED = (PACKAGE, "appdirs")


def folder(params: Mapping[str, Any]) -> str:
    """Return where the linter of the wanted version is; "" when there is none to use."""
    version = params["pins"].get(PACKAGE)
    return os.path.join(HOME, f"migration-linter-{version}") if version else ""


def present(params: Mapping[str, Any]) -> str:
    """Return its folder where it is installed, else ""."""
    path = folder(params)
    return path if path and os.path.isdir(path) else ""


def install(params: Mapping[str, Any]) -> None:
    """Install it where it is missing, fetched by an account that may not write where it goes; raises HostError."""
    target = folder(params)
    if not target or params["dry"] or os.path.isdir(target):
        return
    account = fetch_account(params)
    wanted = [f"{name}=={params['pins'][name]}" for name in NEEDED]
    command = [params["uv"], "--no-config", "pip", "install", "--quiet", "--no-deps", "--no-build", "--python", PYTHON]
    env = {"PATH": "/usr/bin:/bin", "HOME": INSIDE, "UV_CACHE_DIR": f"{INSIDE}/cache", "UV_NO_PROGRESS": "1",
           "UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy", "SSL_CERT_FILE": CERTIFICATES}  # fmt: skip
    with Sandbox(os.path.join(os.path.dirname(params["uv_cache"]), "linter")) as sandbox:
        given = {f"{INSIDE}/cache": params["uv_cache"], f"{INSIDE}/linter": sandbox.make("linter", account.pw_uid)}
        command += ["--target", f"{INSIDE}/linter", *wanted]
        done = sandbox.run(Step(command, "/", env, given, online(), params["fetch_user"]))
        if done.returncode:
            raise HostError(
                f"{wanted[0]}, which looks at migrations, cannot be installed.\n{text.last_lines(done.stderr)}",
                "Let this host reach its package index, or do without: `--allow-breaking` closes the site while "
                "migrating.",
            )
        shutil.rmtree(target + ".new", ignore_errors=True)
        TreeCopy(target + ".new", owner=account.pw_uid, donor=NOBODY).take(sandbox.path("linter"))
    os.rename(target + ".new", target)
