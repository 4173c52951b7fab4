"""The program `backup` of a host: run by timers, by Samestack, or by root."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from ..common.errors import HostError
from ..common.files import usual_umask
from . import drill, fetch, handover, keep, offer, source, status, watch
from .settings import GIVEN, REPOSITORY, Settings
from .wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., int]

#: What others may read of what is written: the account's group alone
GROUP_ONLY, NOBODY_ELSE = 0o027, 0o077


def run(asked: argparse.Namespace, settings: Settings) -> int:
    """Make a backup now."""
    print(json.dumps(source.Source(settings).run(asked.kind, asked.cause)))
    return 0


def show(_: argparse.Namespace, settings: Settings) -> int:
    """How the backups stand, as JSON."""
    print(json.dumps(status.gather(settings)))
    return 0


def check(_: argparse.Namespace, settings: Settings) -> int:
    """Tell people what is wrong, and leave with 1 while something is."""
    return watch.watch(settings)


def verify(_: argparse.Namespace, settings: Settings, seldom: float = 0) -> int:
    """Read every byte of the repositories."""
    wrong = [line for lines in status.verify(settings, seldom).values() for line in lines]
    print("\n".join(wrong) or "Everything that is kept was read, and is as it was written.")
    return int(bool(wrong))


def expire(asked: argparse.Namespace, settings: Settings) -> int:
    """Remove what has expired, and read everything that is kept."""
    with keep.written_down():
        for name in keep.keep(settings) if "keeps" in settings.does else keep.forget(settings):
            print(f"Expired: {name}")
        return verify(asked, settings, status.SELDOM)


def serve(_: argparse.Namespace, settings: Settings) -> int:
    """Show the repository to the backup host."""
    offer.serve(settings, certificate())
    return 0


def follow(_: argparse.Namespace, settings: Settings) -> int:
    """Fetch from the database host."""
    os.umask(GROUP_ONLY)
    fetch.Fetch(settings).run()
    return 0


def receive(asked: argparse.Namespace, settings: Settings) -> int:
    """Take a repository from the host that keeps it; prints how many files."""
    os.umask(GROUP_ONLY)
    root = GIVEN if asked.share else REPOSITORY
    os.makedirs(root, exist_ok=True)
    print(handover.receive(settings, certificate(), root))
    return 0


def give(asked: argparse.Namespace, settings: Settings) -> int:
    """Hand a backup to a database host that waits for it; prints how many files."""
    print(handover.give(settings, asked.share))
    return 0


def prepare_drill(_: argparse.Namespace, settings: Settings) -> int:
    """Give a drill what it may know; root's."""
    drill.prepare(settings)
    return 0


def fetch_drill(_: argparse.Namespace, settings: Settings) -> int:
    """Fetch what a drill needs and is not on this host; for the drill's account."""
    os.umask(NOBODY_ELSE)
    drill.Drill(settings).fetch()
    return 0


def make_drill(_: argparse.Namespace, settings: Settings) -> int:
    """Restore the newest backup beside, and look at it; for an account of its own."""
    os.umask(NOBODY_ELSE)
    return drill.Drill(settings).run()


def record_drill(_: argparse.Namespace, settings: Settings) -> int:
    """Write down what came of a drill; root's."""
    return drill.record(settings)


VERBS: dict[str, Verb] = {
    "run": run, "status": show, "check": check, "keep": expire, "verify": verify, "offer": serve, "fetch": follow,
    "receive": receive, "give": give, "drill-prepare": prepare_drill, "drill-fetch": fetch_drill, "drill": make_drill,
    "drill-record": record_drill,
}  # fmt: skip


def certificate() -> str:
    """Return the file with this host's certificate and key."""
    return os.path.join(os.environ["CREDENTIALS_DIRECTORY"], "certificate")


def main(arguments: list[str]) -> int:
    """Do what was asked for; returns the exit code."""
    usual_umask()
    parser = argparse.ArgumentParser(prog="backup", description="Backups of this host.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, function in VERBS.items():
        verb = verbs.add_parser(name, help=str(function.__doc__))
        if name == "run":
            verb.add_argument("kind", choices=("full", "diff", "incr", "uploads"))
            verb.add_argument("--cause", default="timer", help="why, for its line")
        if name in ("receive", "give"):
            verb.add_argument("--share", type=json.loads, default={}, help="for one restore: what the plan says of it")
    asked = parser.parse_args(arguments)
    try:
        return VERBS[asked.verb](asked, Settings.read())
    except HostError as error:
        print(f"{error}\n{error.hint}".strip(), file=sys.stderr)
    except (OSError, WireError) as error:
        print(str(error), file=sys.stderr)
    return 1
