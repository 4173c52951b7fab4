"""Asks PostgreSQL's own parser what statements do; keeps it (pglast) on the host, outside of every release.

On the host and not on the control node: what is parsed is anybody's SQL, the parser is C, and a host must be able to do
the laptop no harm. As the application's user, which could do no more by it than it may anyway. With the host's Python
and not the application's: there is a build of pglast for each one of the systems that are supported (a test looks), so
that nothing is compiled, and the application's packages and ours are never in one process.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

from ...common import text
from ...common.errors import HostError
from ...standalone import read_sql
from ..application import run_as_app
from ..fetching import CERTIFICATES, PYTHON, fetch_account
from ..files.archive import NOBODY
from ..files.tree_copy import TreeCopy
from ..sandbox import INSIDE, Sandbox, Step, online

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..place import Place

HOME = "/opt/samestack"
PACKAGE = "pglast"


def folder(params: Mapping[str, Any]) -> str:
    """Return where the parser of the wanted version is, for this host's Python; "" when there is none to use."""
    version = params["pins"].get(PACKAGE)
    return os.path.join(HOME, f"sql-parser-{version}-{sys.implementation.cache_tag}") if version else ""


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
    wanted = f"{PACKAGE}=={params['pins'][PACKAGE]}"
    command = [params["uv"], "--no-config", "pip", "install", "--quiet", "--no-deps", "--no-build", "--python", PYTHON]
    env = {"PATH": "/usr/bin:/bin", "HOME": INSIDE, "UV_CACHE_DIR": f"{INSIDE}/cache", "UV_NO_PROGRESS": "1",
           "UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy", "SSL_CERT_FILE": CERTIFICATES}  # fmt: skip
    with Sandbox(os.path.join(os.path.dirname(params["uv_cache"]), "sql-parser")) as sandbox:
        given = {f"{INSIDE}/cache": params["uv_cache"], f"{INSIDE}/parser": sandbox.make("parser", account.pw_uid)}
        command += ["--target", f"{INSIDE}/parser", wanted]
        done = sandbox.run(Step(command, "/", env, given, online(), params["fetch_user"]))
        if done.returncode:
            raise HostError(
                f"{wanted}, PostgreSQL's parser that looks at migrations, cannot be installed.\n"
                f"{text.last_lines(done.stderr)}",
                "Let this host reach its package index, or do without: `--allow-breaking` closes the site while "
                "migrating.",
            )
        shutil.rmtree(target + ".new", ignore_errors=True)
        TreeCopy(target + ".new", owner=account.pw_uid, donor=NOBODY).take(sandbox.path("parser"))
    os.rename(target + ".new", target)


def read(place: Place, params: Mapping[str, Any], texts: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Return what each text of SQL does (`standalone/read_sql.py`); raises HostError where nobody can tell."""
    if not texts:
        return []
    asked = json.dumps({"folder": present(params), "texts": list(texts)})
    program = f"{inspect.getsource(read_sql)}\n\nanswer({asked!r})\n"
    code, out, err = run_as_app(place, params, [PYTHON, "-I", "-"], stdin=program)
    if code:
        raise HostError(f"PostgreSQL's parser does not run.\n{text.last_lines(err or out)}")
    found: list[list[dict[str, Any]]] = json.loads(out.splitlines()[-1])
    return found
