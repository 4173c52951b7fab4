"""Runs inside the application's own Python, read from standard input: `python - build …`.

The application's manage.py is run as it stands, so that what it does to the path or the environment counts; several
commands share one process, because starting Django is what costs. The answer is the last line: SAMESTACK and JSON.
"""

from __future__ import annotations

import compileall
import gzip
import json
import os
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

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


def build(source: str, collect: bool) -> None:
    """Collect and compress static files, compile the source; answers with the settings that nginx must agree with."""
    manage("version")
    settings = import_module("django.conf").settings
    installed = "django.contrib.staticfiles" in settings.INSTALLED_APPS
    compressed = 0
    if collect and installed:
        manage("collectstatic", "--noinput", "--verbosity", "0")
        compressed = compress_all(os.environ["STATIC_ROOT"])
    compileall.compile_dir(source, quiet=2, maxlevels=20)
    answer(
        static_url=settings.STATIC_URL,
        media_url=settings.MEDIA_URL,
        static_root=str(settings.STATIC_ROOT or ""),
        staticfiles=installed,
        compressed=compressed,
    )


if __name__ == "__main__" and sys.argv[1] == "build":
    build(sys.argv[2], sys.argv[3] == "collect")
