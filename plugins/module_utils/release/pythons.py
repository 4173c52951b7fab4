"""Pythons that releases bring to a host: unpacked by uv as a stranger, sealed as root's, removed when no one has them.

The archive comes from the control node, and nothing is done with it before its digest is what the release names: root
itself runs nothing of it. One copy serves all applications of a host, and none of them can write to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from typing import TYPE_CHECKING, Any

from ..common import text
from ..common.errors import HostError, check_space
from ..common.files import write_atomic
from ..common.folders import make_folder, read_file
from ..common.held_folder import PathError
from ..common.host_lock import private_lock
from ..common.paths import RUN
from .files import archive as release_archive
from .files import contents
from .files.tree_copy import TreeCopy
from .interpreter import HOME
from .sandbox import INSIDE, Sandbox, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .interpreter import Interpreter
    from .place import Place

#: Seconds for which one stays that nothing uses: between its arrival and the end of the build that wanted it
YOUNG = 3600
#: Seconds that another run may take to unpack one
PATIENCE = 300
LOCK, WORKING = f"{RUN}/python", "another run installs a Python on this host"
FOLDER = re.compile("[0-9a-f]{12}")
USED = re.compile(rf"^home\s*=\s*{re.escape(HOME)}/([0-9a-f]{{12}})/", re.MULTILINE)
#: uv compiles the library itself; by the digest of nothing, because what is sealed does not change.
UNCHECKED = "UNCHECKED_HASH"


def is_there(interpreter: Interpreter) -> bool:
    """Return whether a Python is on this host, whole."""
    return os.path.isfile(interpreter.folder + ".contents") and os.path.isfile(interpreter.program)


def wanted(interpreter: Interpreter) -> None:
    """Note that somebody is about to use it."""
    os.utime(interpreter.folder + ".contents")


def install(params: Mapping[str, Any], interpreter: Interpreter) -> bool:
    """Install a Python where it is missing; returns whether it was. Raises HostError and OSError."""
    with private_lock(LOCK, PATIENCE, WORKING):
        if is_there(interpreter):
            wanted(interpreter)
            return False
        check_space(os.path.dirname(HOME), params["min_free"])
        with Sandbox(os.path.join(os.path.dirname(params["uv_cache"]), "python"), params["min_free"] // 2) as sandbox:
            unpack(sandbox, params, interpreter)
        return True


def unpack(sandbox: Sandbox, params: Mapping[str, Any], interpreter: Interpreter) -> None:
    """Have uv unpack the archive in the place of the Python, and seal what it made."""
    folder = interpreter.folder
    for path in (HOME, folder):
        make_folder(path).close()
    given = {folder: sandbox.make("python"), f"{INSIDE}/home": sandbox.make("home")}
    os.mkdir(sandbox.path("archive"), 0o755)
    name = verified_copy(params["archive"], sandbox.path("archive"), interpreter.sha256)
    listed = json.dumps(as_list(interpreter, name))
    write_atomic(sandbox.path("archive/list.json"), listed)
    env = {
        "PATH": "/usr/bin:/bin", "HOME": f"{INSIDE}/home", "TMPDIR": f"{INSIDE}/home", "LANG": "C.UTF-8",
        "UV_CACHE_DIR": f"{INSIDE}/home/cache", "UV_PYTHON_CACHE_DIR": f"{INSIDE}/archive", "UV_NO_PROGRESS": "1",
        "PYC_INVALIDATION_MODE": UNCHECKED,
    }  # fmt: skip
    command = [
        params["uv"], "--no-config", "--offline", "--color", "never", "python", "install", "--no-bin",
        "--compile-bytecode", "--install-dir", folder, "--python-downloads-json-url", f"{INSIDE}/archive/list.json",
        interpreter.key,
    ]  # fmt: skip
    shown = [f"BindReadOnlyPaths={sandbox.path('archive')}:{INSIDE}/archive"]
    version = [interpreter.program, "-I", "-S", "-B", "-c", "import ssl, sys; print('%d.%d' % sys.version_info[:2])"]
    for step in command, version:
        done = sandbox.run(Step(step, "/", env, given, shown))
        if done.returncode or (step is version and done.stdout.strip() != interpreter.minor):
            raise HostError(
                f"{interpreter.key} does not run on this host.\n{text.last_lines(done.stderr or done.stdout)}",
                "Choose another one (app_python), or take the host's own: app_python: host",
            )
    new, old = folder + ".new", folder + ".old"
    for left in new, old:
        release_archive.clear(left)
    make_folder(new).close()
    made = TreeCopy(os.path.join(new, interpreter.key), owner=sandbox.uid, donor=release_archive.NOBODY)
    entries = made.take(os.path.join(given[folder], interpreter.key))
    os.sync()
    # Processes may run from one that somebody has damaged.
    os.rename(folder, old)
    os.rename(new, folder)
    release_archive.clear(old)
    write_atomic(folder + ".contents", contents.Contents(entries).text)


def verified_copy(source: str, folder: str, sha256: str) -> str:
    """Copy an archive into a folder of root's, under the name that uv looks for; returns what its address ends with.

    Raises HostError where its digest is not the wanted one: what is compared is what was copied.
    """
    name = os.path.basename(source)
    target = os.path.join(folder, name)
    digest = hashlib.sha256()
    with open(source, "rb") as file, open(target, "xb") as copy:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            copy.write(chunk)
        os.fchmod(copy.fileno(), 0o644)
    if digest.hexdigest() != sha256:
        raise HostError(f"{name}: its digest is {digest.hexdigest()[:12]}…, not {sha256[:12]}….", "Run this again.")
    return name.split("-", 1)[1]


def as_list(interpreter: Interpreter, name: str) -> dict[str, Any]:
    """Return uv's list with that one Python; its address only names the archive, which is there."""
    _, version, _, architecture, _ = interpreter.key.split("-")
    major, minor, patch = map(int, version.split("."))
    entry = {
        "name": "cpython", "arch": {"family": architecture, "variant": None}, "os": "linux", "libc": "gnu",
        "major": major, "minor": minor, "patch": patch, "prerelease": "", "url": f"https://localhost/{name}",
        "sha256": interpreter.sha256, "variant": None, "build": None,
    }  # fmt: skip
    return {interpreter.key: entry}


def prune(place: Place) -> list[str]:
    """Remove the Pythons that no environment of any application here is made with; returns `python-<id>` of each."""
    found, removed = folders(), list[str]()
    # Where another run is at it, its turn or the next one's is early enough.
    with contextlib.suppress(HostError), private_lock(LOCK, 0, WORKING):
        needed = used(place) if found else set()
        for name in found:
            mark = os.path.join(HOME, name + ".contents")
            if name not in needed and not is_young(mark):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(mark)
                release_archive.clear(os.path.join(HOME, name))
                removed.append(f"python-{name}")
    return removed


def folders() -> list[str]:
    """Return the names of the Pythons' folders."""
    with contextlib.suppress(FileNotFoundError):
        return sorted({name[:12] for name in os.listdir(HOME) if FOLDER.match(name)})
    return []


def is_young(mark: str) -> bool:
    """Return whether somebody may be about to use what a file stands for."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - os.stat(mark).st_mtime < YOUNG
    return False


def used(place: Place) -> set[str]:
    """Return the folders of the Pythons that environments are made with: of all applications beside this one, too."""
    return {name for path in environments(os.path.dirname(place.root)) for name in USED.findall(settings(path))}


def environments(top: str) -> Iterator[str]:
    """Yield the description of each environment of releases, and of live code, below the applications' folders."""
    for root in listed(top):
        for folder in ("venvs", "releases"):
            for name in listed(os.path.join(top, root, folder)):
                inner = [] if folder == "venvs" else ["venv"]
                yield os.path.join(top, root, folder, name, *inner, "pyvenv.cfg")


def listed(folder: str) -> list[str]:
    """Return the names in a folder, none where it cannot be listed."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def settings(path: str) -> str:
    """Return the description of an environment, "" where there is none that root or its builder wrote."""
    try:
        return read_file(path).decode(errors="replace")
    except (OSError, PathError):
        return ""
