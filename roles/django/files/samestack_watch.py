"""Runs a command, and starts it anew when Python code below the current folder changes: workers with live code.

    python samestack_watch.py "python manage.py run_worker"

Looks at the files' times, because not every provider's synced folders report changes.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

LOOK_SECONDS = 1.0
STOP_SECONDS = 10
SKIPPED = {"node_modules", "__pycache__", "media", "static"}


def times(top: str) -> dict[str, float]:
    """Return the modification times of the Python files below a folder, by path."""
    found = {}
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in SKIPPED]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                try:
                    found[path] = os.stat(path).st_mtime
                except FileNotFoundError:
                    # An editor was quicker.
                    continue
    return found


def stop(child: subprocess.Popen[bytes]) -> None:
    """Ask the command, and what it started, to end; insist when it does not."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def main(command: str) -> int:
    """Run the command until this program is told to stop; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    top = os.path.realpath(os.getcwd())
    while True:
        seen = times(top)
        child = subprocess.Popen(["/bin/sh", "-c", command], start_new_session=True)
        try:
            while times(top) == seen:
                # Broken code is being edited: wait for the next change. A clean end is systemd's to start again.
                if child.poll() == 0:
                    return 0
                time.sleep(LOOK_SECONDS)
        finally:
            stop(child)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
