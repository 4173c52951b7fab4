"""Runs a command, and starts it anew when Python code below the current folder changes: workers with live code.

    python samestack_watch.py "python manage.py run_worker" TERM

Looks at the files' times, because not every provider's synced folders report changes.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from samestack_stop import ask

LOOK_SECONDS = 1.0
# Who has saved a file waits for it.
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


def stop(child: "subprocess.Popen[bytes]", number: int, seconds: float | None) -> None:
    """Ask the command to end, by a signal; insist when it does not within some seconds (None: systemd insists)."""
    ask(child.pid, number, set())
    with suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
    # What it leaves behind, or all of it.
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def tell(text: str) -> None:
    """Have systemd show a text as the unit's status (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, suppress(OSError):
            notify.sendto(f"STATUS={text}".encode(), address)


def wait(child: "subprocess.Popen[bytes]", top: str) -> bool:
    """Wait until code changes; returns False where the command has ended well before."""
    seen = times(top)
    while times(top) == seen:
        with suppress(subprocess.TimeoutExpired):
            if child.returncode is None and child.wait(LOOK_SECONDS) != 0:
                text = f"has ended with code {child.returncode}, and is started again when code changes"
                tell(text)
                print(f"This worker {text}.", file=sys.stderr, flush=True)
        # A clean end is systemd's to start again.
        if child.returncode == 0:
            return False
        if child.returncode is not None:
            # Broken code is being edited.
            time.sleep(LOOK_SECONDS)
    return True


def main(command: str, number: int) -> int:
    """Run the command until this program is told to stop; returns the exit code."""
    for told in {signal.SIGTERM, signal.Signals(number)}:
        signal.signal(told, lambda *_: sys.exit(0))
    top = os.path.realpath(os.getcwd())
    while True:
        tell("")
        child = subprocess.Popen(["/bin/sh", "-c", command], start_new_session=True)
        patience = None
        try:
            if not wait(child, top):
                return 0
            patience = STOP_SECONDS
        finally:
            stop(child, number, patience)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], getattr(signal, f"SIG{sys.argv[2]}")))
