"""Runs inside the application's own Python: a release is built, packages are compiled.

The application's manage.py is run as it stands, so that what it does to the path or the environment counts; several
commands share one process, because starting Django is what costs. The answer is the last line: SAMESTACK and JSON.
"""

from __future__ import annotations

import gzip
import json
import os
import py_compile
import runpy
import shutil
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

# Django is the application's: only its Python has it.
from importlib import import_module
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "SAMESTACK "
COMPRESSIBLE = (
    ".css", ".js", ".mjs", ".svg", ".json", ".map", ".txt", ".html", ".xml", ".ico", ".ttf", ".otf", ".eot", ".wasm",
    ".webmanifest",
)  # fmt: skip
# Below this a response fits into one packet anyway.
WORTH_BYTES = 1024


def manage(*arguments: str) -> None:
    """Run manage.py in this process; leaves it with manage.py's own exit code when that is not 0."""
    sys.argv = ["manage.py", *arguments]
    try:
        runpy.run_path("manage.py", run_name="__main__")
    except SystemExit as leaving:
        if leaving.code not in (0, None):
            raise


def answer(**values: object) -> None:
    """Print the answer on a line of its own, whatever was in the middle of one."""
    sys.stdout.flush()
    print("\n" + MARK + json.dumps(values), flush=True)


def compress(path: str) -> bool:
    """Write path.gz beside a file where that is smaller, with the same time; returns whether it did."""
    status = os.lstat(path)
    if status.st_size < WORTH_BYTES or os.path.islink(path) or os.path.exists(path + ".gz"):
        return False
    with open(path, "rb") as plain:
        packed = gzip.compress(plain.read(), 9, mtime=0)
    if len(packed) >= status.st_size:
        return False
    with open(path + ".gz", "wb") as result:
        result.write(packed)
    os.utime(path + ".gz", ns=(status.st_atime_ns, status.st_mtime_ns))
    return True


def compress_all(folder: str) -> int:
    """Compress what nginx may hand out compressed; returns how many files."""
    paths = [
        os.path.join(current, name)
        for current, _folders, names in os.walk(folder)
        for name in names
        if name.endswith(COMPRESSIBLE)
    ]
    # zlib works without the interpreter lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(compress, paths))


def compile_file(top: str, name: str, donor: str = "") -> None:
    """Write a file's byte-code, checked by the source's digest and with no folder of this host in it.

    `name` is relative to `top`; the same file's byte-code in the folder `donor` is taken where it fits the source.
    """
    path = os.path.join(top, name)
    if donor and copy_byte_code(path, os.path.join(donor, name)):
        return
    warnings.simplefilter("ignore")
    try:
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        py_compile.compile(path, dfile=name, doraise=True, invalidation_mode=mode)
    except (py_compile.PyCompileError, FileExistsError, ValueError, RecursionError):
        # Templates of code, or code of another Python: not made to be imported.
        return


def copy_byte_code(path: str, donor: str) -> bool:
    """Copy the byte-code of another source file where it fits this one; returns whether it did."""
    try:
        with open(cache_from_source(donor), "rb") as file:
            made = file.read()
        with open(path, "rb") as file:
            # PEP 552: the flags say hash-based and checked.
            head = MAGIC_NUMBER + (3).to_bytes(4, "little") + source_hash(file.read())
    except OSError:
        return False
    if not made.startswith(head):
        return False
    target = cache_from_source(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target):
        # It may be a link to what the installer keeps.
        os.unlink(target)
    with open(target, "wb") as file:
        file.write(made)
    return True


def python_files(top: str) -> list[str]:
    """Return the Python files below a folder, relative to it."""
    return sorted(
        os.path.relpath(os.path.join(current, name), top)
        for current, _folders, names in os.walk(top)
        for name in names
        if name.endswith(".py")
    )


def compile_packages(given: Mapping[str, Any]) -> None:
    """Make the byte-code of the environment given["venv"], on all processors; given["donor"] may have it already."""
    venv, donor = given["venv"], given["donor"]
    jobs = [(venv, name, donor) for name in python_files(venv) if name.startswith("lib" + os.sep)]
    with get_context("fork").Pool(os.cpu_count()) as pool:
        pool.starmap(compile_file, jobs, chunksize=32)


def sort_manifest(folder: str) -> None:
    """Write the list of hashed static files in order: the folders' own order differs from disk to disk."""
    storage = import_module("django.contrib.staticfiles.storage").staticfiles_storage
    path = os.path.join(folder, getattr(storage, "manifest_name", None) or "staticfiles.json")
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if isinstance(content.get("paths"), dict):
            content["paths"] = dict(sorted(content["paths"].items()))
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file)


def migrations() -> dict[str, object]:
    """Return the names of all migrations on the disk, and of those that they replace."""
    import_module("django").setup()
    loader = import_module("django.db.migrations.loader").MigrationLoader(None, load=False)
    loader.load_disk()
    replaced = {".".join(name) for one in loader.disk_migrations.values() for name in one.replaces}
    return {"migrations": sorted(map(".".join, loader.disk_migrations)), "replaces": sorted(replaced)}


def take_own(source: str, target: str) -> str:
    """Copy the project's own STATIC_ROOT to where static files are served, unless a command has filled that.

    Returns the folder's name in the source, "" where there is none.
    """
    folder = own_static_root(source)
    if not folder or os.listdir(target):
        return ""
    shutil.copytree(os.path.join(source, folder), target, symlinks=True, dirs_exist_ok=True)
    return folder if os.listdir(target) else ""


def own_static_root(source: str) -> str:
    """Return the folder of the source that the project's own settings name as STATIC_ROOT, "" where it is none."""
    base = os.environ.get("SAMESTACK_BASE_SETTINGS") or os.environ["DJANGO_SETTINGS_MODULE"]
    own = getattr(import_module(base), "STATIC_ROOT", None)
    folder = os.path.realpath(str(own)) if own else ""
    inside = os.path.realpath(source) + os.sep
    return folder[len(inside) :] if folder.startswith(inside) and os.path.isdir(folder) else ""


def left_out(source: str, target: str) -> dict[str, object]:
    """Return which folder of the source has static files that are ready and were not collected, and how many."""
    folder = own_static_root(source)
    ready = os.path.join(source, folder)
    if not folder or os.path.samefile(ready, target):
        return {"ready": "", "left_out": 0}
    missing = 0
    for current, _folders, names in os.walk(ready):
        there = os.path.join(target, os.path.relpath(current, ready))
        missing += sum(not name.startswith(".") and not os.path.exists(os.path.join(there, name)) for name in names)
    return {"ready": folder, "left_out": missing}


def build(given: Mapping[str, Any]) -> None:
    """Compile given["source"], and collect and compress static files where given["collect"].

    Where they are not collected, what the project has in its own STATIC_ROOT takes their place. Answers with the
    settings that nginx must agree with.
    """
    source, collect = given["source"], given["collect"]
    manage("version")
    settings = import_module("django.conf").settings
    installed = "django.contrib.staticfiles" in settings.INSTALLED_APPS
    compressed, committed, unused = 0, "", {"ready": "", "left_out": 0}
    if collect and installed:
        manage("collectstatic", "--noinput", "--verbosity", "0")
        sort_manifest(str(settings.STATIC_ROOT))
        if str(settings.STATIC_ROOT) != os.environ["STATIC_ROOT"]:
            # Without the overlay, settings may have a folder of their own, and the list of files is looked for there.
            take_own(source, os.environ["STATIC_ROOT"])
        unused = left_out(source, os.environ["STATIC_ROOT"])
    elif installed:
        committed = take_own(source, os.environ["STATIC_ROOT"])
    if installed:
        compressed = compress_all(os.environ["STATIC_ROOT"])
    for name in python_files(source):
        compile_file(source, name)
    answer(
        static_url=settings.STATIC_URL,
        media_url=settings.MEDIA_URL,
        static_root=str(settings.STATIC_ROOT or ""),
        media_root=os.path.realpath(str(settings.MEDIA_ROOT)) if settings.MEDIA_ROOT else "",
        staticfiles=installed,
        compressed=compressed,
        committed=committed,
        **unused,
        **migrations(),
    )
