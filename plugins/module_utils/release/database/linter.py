"""Keeps django-migration-linter on the host: outside of every release, without a Django of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from ...common import text
from ...common.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME = "/opt/samestack"
PACKAGE = "django-migration-linter"
# What it imports itself; Django is the application's.
NEEDED = (PACKAGE, "appdirs")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def folder(params: Mapping[str, Any]) -> str:
    """Return where the linter of the wanted version is; "" when there is none to use."""
    version = params["pins"].get(PACKAGE)
    return os.path.join(HOME, f"migration-linter-{version}") if version else ""


def present(params: Mapping[str, Any]) -> str:
    """Return its folder where it is installed, else ""."""
    path = folder(params)
    return path if path and os.path.isdir(path) else ""


def install(params: Mapping[str, Any]) -> None:
    """Install it where it is missing, by the builder, who may not write where it goes; raises HostError."""
    target = folder(params)
    if not target or params["dry"] or os.path.isdir(target):
        return
    account = pwd.getpwnam(params["build_user"])
    scratch = os.path.join(os.path.dirname(params["uv_cache"]), "linter")
    shutil.rmtree(scratch, ignore_errors=True)
    for path in (params["uv_cache"], scratch):
        os.makedirs(path, exist_ok=True)
        os.chown(path, account.pw_uid, account.pw_gid)
    wanted = [f"{name}=={params['pins'][name]}" for name in NEEDED]
    command = [params["uv"], "pip", "install", "--quiet", "--no-deps", "--python", "/usr/bin/python3"]
    done = subprocess.run(
        [*command, "--target", scratch, *wanted], cwd="/", user=account.pw_uid, group=account.pw_gid, extra_groups=[],
        umask=0o022, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": scratch, "UV_CACHE_DIR": params["uv_cache"], "UV_NO_PROGRESS": "1",
             "UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy", "SSL_CERT_FILE": CERTIFICATES},
    )  # fmt: skip
    if done.returncode:
        raise HostError(
            f"{wanted[0]}, which looks at migrations, cannot be installed.\n{text.last_lines(done.stderr)}",
            "Let this host reach its package index, or do without: `--allow-breaking` closes the site while migrating.",
        )
    owned_by_root(scratch)
    shutil.rmtree(target + ".new", ignore_errors=True)
    shutil.move(scratch, target + ".new")
    os.rename(target + ".new", target)


def owned_by_root(top: str) -> None:
    """Give a tree to root."""
    for current, folders, files in os.walk(top):
        for name in [".", *folders, *files]:
            os.lchown(os.path.join(current, name), 0, 0)
