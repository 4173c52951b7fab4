"""The program `watch` of a host: a timer has it look each minute, and whoever asks is told how the host is."""

from __future__ import annotations

import argparse
import json
import sys

from ..common.errors import HostError
from ..common.files import usual_umask
from . import look, peers
from .settings import Settings


def main(arguments: list[str]) -> int:
    """Do what was asked for; returns the exit code."""
    usual_umask()
    parser = argparse.ArgumentParser(prog="watch", description="Whether this host is well.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("look", help="look, and tell people what they should know")
    verbs.add_parser("show", help="how this host is, as JSON")
    verbs.add_parser("answer", help="what other hosts are told, on the connection at standard input")
    asked = parser.parse_args(arguments)
    if asked.verb == "answer":
        peers.answer()
        return 0
    try:
        settings = Settings.read()
    except HostError as error:
        print(f"{error} {error.hint}", file=sys.stderr)
        return 1
    if asked.verb == "show":
        print(json.dumps(look.show(settings)))
        return 0
    for line in look.watch(settings):
        print(line, file=sys.stderr)
    return 0
