"""The program `backup` of a host: run by timers, by Samestack, or by root."""

from __future__ import annotations

import argparse
import json
import os
import sys

from ..common.errors import HostError
from ..common.files import usual_umask
from . import fetch, keep, offer, source, status, watch
from .settings import Settings


def main(arguments: list[str]) -> int:
    """Do what was asked for; returns the exit code."""
    usual_umask()
    parser = argparse.ArgumentParser(prog="backup", description="Backups of this host.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="make a backup now")
    run.add_argument("kind", choices=("full", "diff", "incr", "uploads"))
    run.add_argument("--cause", default="timer", help="why, for its line")
    verbs.add_parser("status", help="how the backups stand, as JSON")
    verbs.add_parser("check", help="tell people what is wrong, and leave with 1 while something is")
    verbs.add_parser("keep", help="remove what has expired, and read everything that is kept")
    verbs.add_parser("verify", help="read every byte of the repositories")
    verbs.add_parser("offer", help="show the repository to the backup host")
    verbs.add_parser("fetch", help="fetch from the database host")
    asked = parser.parse_args(arguments)
    try:
        return do(asked, Settings.read())
    except HostError as error:
        print(f"{error}\n{error.hint}".strip(), file=sys.stderr)
        return 1


def do(asked: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked for; returns the exit code. Raises HostError."""
    if asked.verb == "run":
        print(json.dumps(source.Source(settings).run(asked.kind, asked.cause)))
    elif asked.verb == "status":
        print(json.dumps(status.gather(settings)))
    elif asked.verb == "check":
        return watch.watch(settings)
    elif asked.verb in ("keep", "verify"):
        if asked.verb == "keep" and "keeps" in settings.does:
            for name in keep.keep(settings):
                print(f"Expired: {name}")
        wrong = [line for lines in status.verify(settings).values() for line in lines]
        print("\n".join(wrong) or "Everything that is kept was read, and is as it was written.")
        return 1 if wrong else 0
    elif asked.verb == "offer":
        offer.serve(settings, os.path.join(os.environ["CREDENTIALS_DIRECTORY"], "certificate"))
    elif asked.verb == "fetch":
        os.umask(0o027)
        fetch.Fetch(settings).run()
    return 0
