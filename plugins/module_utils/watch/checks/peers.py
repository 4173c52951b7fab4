"""Section `peers`: whether the other hosts of the environment are there, look at themselves, and can tell people.

A host that is down cannot tell it. Of those that are left the first of the inventory does: people are told once.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .. import peers
from ..check import RED, SILENT, UNSENT, Check, Facts, Finding, Look
from ..spans import span
from ..visit import reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def gather(look: Look) -> Facts | None:
    """Return the facts, None where there is no other host."""
    hosts = {one["name"]: one["address"] for one in look.settings.peers}
    others = {name: address for name, address in hosts.items() if name != look.settings.name}
    if not others:
        return None
    found: dict[str, Facts] = {}

    def hear(name: str, address: str) -> None:
        found[name] = asked(address)

    # Not `concurrent.futures`, which takes as long to be imported as the answers do.
    threads = [threading.Thread(target=hear, args=one) for one in others.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"own": look.settings.name, "order": list(hosts), "hosts": {name: found[name] for name in others}}


def asked(address: str) -> Facts:
    """Return what a host says, or why it says nothing."""
    try:
        return {"error": "", **peers.ask(address)}
    except OSError as error:
        return {"error": reason(error)}
    except (ValueError, KeyError, TypeError):
        return {"error": "what it says is no answer"}


def well(about: Facts) -> bool:
    """Return whether a host is there, looks, and can tell people."""
    return not about["error"] and about["looked"] <= SILENT and about["unsent"] <= UNSENT


def judge(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield which of them is not well; the first of the others that is tells people."""
    hosts = facts["hosts"]
    for name, about in hosts.items():
        teller = next(one for one in facts["order"] if one == facts["own"] or (one != name and well(hosts[one])))
        elsewhere = teller != facts["own"]
        if about["error"]:
            yield Finding(name, RED, f"{name} does not answer: {about['error']}", "provision", elsewhere=elsewhere)
        elif about["looked"] > SILENT:
            text = f"nobody watches {name}: its last look was {span(about['looked'])} ago"
            words = {"unit": "samestack-watch.timer", "host": name}
            yield Finding(f"{name} silent", RED, text, "start", words, elsewhere=elsewhere)
        elif about["unsent"] > UNSENT:
            text = f"{name} could not send a notice for {span(about['unsent'])}"
            yield Finding(f"{name} unsent", RED, text, "provision", elsewhere=elsewhere)


def words(facts: Facts) -> str:
    """Return who answers."""
    there = [name for name, about in facts["hosts"].items() if not about["error"]]
    return f"{', '.join(there)} {'answers' if len(there) == 1 else 'answer'}" if there else "none answers"


CHECK = Check("peers", 5, gather, judge, words, worked_on=True)
