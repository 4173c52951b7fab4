"""Takes what Alertmanager sends, and tells people: where, they decided once, for all notices."""

from __future__ import annotations

import argparse
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from ..standalone.certificates import tell

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTICES = "notices"
#: Bytes of what is sent, letters of what is told
LONGEST, LETTERS = 1 << 20, 6000
OK, BAD, UNSENT = 200, 400, 503


def notice(sent: Mapping[str, Any], known: Mapping[str, Any], whose: str) -> tuple[str, str, str]:
    """Return kind, title and text of what Alertmanager sent; raises KeyError, TypeError, ValueError. Pure.

    What people read, and type, are words of ours: of what was sent the names of a rule and of a machine count alone;
    what is neither is passed over.
    """
    alerts = [(str(one["status"]), said) for one in sent["alerts"] if (said := words(one["labels"], known))]
    firing = [about for status, about in alerts if status == "firing"]
    shown = firing or [about for _, about in alerts]
    first, *rest = [summary for summary, _ in shown]
    more = f", and {len(rest)} more" if rest else ""
    lines = [line for summary, mend in shown for line in (summary, f"  mend: {mend}")]
    if firing:
        return "failure", f"{whose}: {first}{more}", "\n".join(lines)[:LETTERS]
    return "success", f"{whose}: well again: {first}{more}", "\n".join(lines[::2])[:LETTERS]


def words(labels: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what is wrong, and what mends it; None for what no rule of ours says of a machine of ours."""
    said, machine = known["rules"].get(labels["alertname"]), labels["instance"]
    if not said or machine not in known["machines"]:
        return None
    summary, mend = (text.format(instance=machine) for text in said)
    return summary, mend


class Taker(BaseHTTPRequestHandler):
    """Takes one message; one that nobody got is sent again by Alertmanager."""

    whose = ""
    urls = ""
    #: `rules`: what is wrong and what mends it, by name; `machines`
    known: Mapping[str, Any] = {}

    def do_POST(self) -> None:
        """Tell people what was sent."""
        length = int(self.headers.get("Content-Length") or 0)
        try:
            if not 0 < length <= LONGEST:
                raise ValueError(f"{length} bytes")
            kind, title, body = notice(json.loads(self.rfile.read(length)), self.known, self.whose)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.answer(BAD, f"not understood: {type(error).__name__}")
            return
        wanted = os.path.exists(self.urls) and os.path.getsize(self.urls) > 0
        well = not wanted or tell(self.urls, title, body, kind)
        self.answer(OK if well else UNSENT, title if well else f"could not be sent, is tried again: {title}")

    def answer(self, code: int, said: str) -> None:
        """Answer, and say in the journal what came of it."""
        print(said, file=sys.stderr, flush=True)
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing more."""


def main(arguments: list[str]) -> int:
    """Take messages until ended."""
    parser = argparse.ArgumentParser(prog="alerts", description="People are told what Alertmanager has.")
    parser.add_argument("port", type=int)
    parser.add_argument("whose", help="how a notice begins")
    parser.add_argument("known", help="a file with the rules and the machines")
    asked = parser.parse_args(arguments)
    Taker.whose = asked.whose
    with open(asked.known, encoding="utf-8") as file:
        Taker.known = json.load(file)
    Taker.urls = os.path.join(os.environ["CREDENTIALS_DIRECTORY"], NOTICES)
    Taker.timeout = 30
    with ThreadingHTTPServer(("127.0.0.1", asked.port), Taker) as server:
        server.serve_forever()
    return 0
