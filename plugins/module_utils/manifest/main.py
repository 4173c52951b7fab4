"""The recorder's command line: `record [--cause WORD] [--run ID] [--who NAME] [--answer] [--look] [--drift]`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from ..common import paths, priority
from ..common.files import read_json, write_atomic
from ..common.ledger import OURS, is_locked
from ..common.recorder import TROUBLE
from . import drift as manifest_drift
from .history import FOLDER, TIME, History
from .reading import apt_log
from .reading.cache import Cache
from .reading.machine import Host
from .record import digest_of, manifest, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG, KEY = f"{paths.CONFIG}/recorder.json", f"{paths.CONFIG}/manifest.key"
CACHE = FOLDER + "/recorder/cache.json"
LOCK = f"{paths.RUN}/lock"
HISTORY_SHOWN = 50
CAUSES = (*OURS, "nightly", "apt", "asked")
# How long a recording after an apt run waits for the next one to end (seconds)
APT_PATIENCE, APT_LOOK = 600, 1


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="record", description="Write down what is on this host.")
    parser.add_argument("--cause", choices=CAUSES, default="asked", help="why this is recorded")
    parser.add_argument("--run", default="", help="the run in hand")
    parser.add_argument("--who", default="", help="who began it")
    parser.add_argument("--look", action="store_true", help="keep nothing")
    parser.add_argument(
        "--answer", action="store_true", help="print the manifest, the baseline and the history as JSON"
    )
    parser.add_argument("--drift", action="store_true", help="what changed outside of our runs is in the answer")
    return parser.parse_args(arguments)


def apt_is_at_work() -> bool:
    """Return whether a process holds dpkg's lock."""
    try:
        inode = os.stat("/var/lib/dpkg/lock-frontend").st_ino
        with open("/proc/locks", encoding="ascii") as locks:
            return any(re.search(rf":{inode} \d+ ", line) for line in locks)
    except OSError:
        return False


def wait_for_apt() -> None:
    """Let apt finish: a recording shows what it has left behind, not what it is doing."""
    deadline = time.monotonic() + APT_PATIENCE
    while apt_is_at_work() and time.monotonic() < deadline:
        time.sleep(APT_LOOK)


def record(asked: argparse.Namespace) -> dict[str, Any]:
    """Record, and return what the module `manifest` returns."""
    config = read_json(CONFIG)
    if config is None:
        raise SystemExit(f"{CONFIG} is not there: run `./samestack provision`")
    with open(KEY, encoding="ascii") as file:
        key = file.read().strip()
    history = History()
    began = time.monotonic()
    with history.alone():
        cache = Cache(CACHE)
        content = manifest(Host(config, key, cache))
        text = text_of(content)
        now = {"time": time.strftime(TIME, time.gmtime()), "cause": asked.cause, "run": asked.run, "who": asked.who}
        drift = manifest_drift.drift(history, json.loads(text), now["time"], config["app"]) if asked.drift else []
        line = {**now, "digest": digest_of(text)}
        if not asked.look:
            line = history.add(text, {name: now[name] for name in ("cause", "run", "who")})
            cache.save()
    baseline = history.baseline
    answer = {**line, "seconds": round(time.monotonic() - began, 2), "drift": drift}
    if asked.answer:
        since = manifest_drift.seconds(baseline["time"]) if baseline else 0
        answer |= {"manifest": content, "baseline": baseline, "history": history.lines[-HISTORY_SHOWN:]}
        answer["packages_log"] = apt_log.since(since) if baseline else []
    return answer


def main(arguments: Sequence[str]) -> int:
    """Record as the arguments say; returns the exit code."""
    asked = options(arguments)
    os.umask(0o077)
    priority.settle()
    if asked.cause == "apt":
        wait_for_apt()
        if is_locked(LOCK):
            print("A run of ours is at work on this host: it records what it leaves behind.")
            return 0
    try:
        answer = record(asked)
    except Exception as error:
        write_atomic(TROUBLE, f"{type(error).__name__}: {error}\n", 0o600)
        raise
    with contextlib.suppress(FileNotFoundError):
        os.unlink(TROUBLE)
    print(json.dumps(answer) if asked.answer else f"{answer['digest']} in {answer['seconds']} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
