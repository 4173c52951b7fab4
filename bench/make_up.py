"""How long `./samestack up` takes in a fresh clone, on a computer where the base box is already built."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time

from bench.targets import LIMIT_SECONDS, REPO, STATE, BenchError, checked

CLONE = STATE / "clone"
DEVELOPMENT_ADDRESS = "10.0.3.10"


def in_use() -> bool:
    """Whether a development machine runs already: there is one address for it."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((DEVELOPMENT_ADDRESS, 22)) == 0


def in_clone(command: str) -> None:
    """Run a shell command in the clone, its output in a log. Raises `BenchError` when it fails."""
    log = STATE / "up.log"
    with log.open("ab") as stream:
        done = subprocess.run(
            ["sh", "-euc", command], cwd=CLONE, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
            check=False, timeout=LIMIT_SECONDS,
        )  # fmt: skip
    if done.returncode != 0:
        raise BenchError(f"`{command}` failed in a fresh clone:\n{log.read_text()[-1500:]}")


def make_clone() -> None:
    """Copy what a clone of the working tree would hold; the box that is built already is this computer's."""
    shutil.rmtree(CLONE, ignore_errors=True)
    CLONE.mkdir(parents=True)
    (STATE / "up.log").unlink(missing_ok=True)
    listed = checked(["git", "ls-files", "--cached", "--others", "--exclude-standard"]).splitlines()
    for name in listed:
        source, copy = REPO / name, CLONE / name
        if source.is_symlink() or source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
    (CLONE / ".samestack").mkdir()
    in_clone("git init --quiet . && box/setup")


def seconds_up() -> float:
    """Return the seconds of `./samestack up`, from a clone to the deployed site. Raises `BenchError`."""
    if in_use():
        raise BenchError(f"{DEVELOPMENT_ADDRESS}: a development machine is up. `./samestack destroy` first")
    try:
        make_clone()
        began = time.monotonic()
        in_clone("./samestack up")
        return time.monotonic() - began
    finally:
        if CLONE.exists():
            subprocess.run(["./samestack", "destroy"], cwd=CLONE, capture_output=True, check=False, timeout=120)
            shutil.rmtree(CLONE, ignore_errors=True)
