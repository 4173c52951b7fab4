"""A machine that is watched, whoever looks at it, and the people who are told."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.chat import Chat
from tests.support.clone import Clone
from tests.support.machines import environment, site, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Environment, Machine

__all__ = ["environment", "site"]

HERE = "rehearsal/differences.yml"
PATIENCE = 1
PROGRAM = "/usr/local/lib/samestack/watch"
MEMORY = "/var/lib/samestack/watch/memory.json"
#: What people decide here, so that a test need not last an hour
DECIDED = {"watch_patience": f"{PATIENCE}s", "watch_transaction": "6s", "watch_lock": "4s"}


@dataclass
class Watch:
    """One machine, and what is known of it."""

    machine: Machine
    clone: Clone
    chat: Chat

    def look(self) -> None:
        """Have the machine look, as its clock does each minute."""
        self.machine.run("systemctl start samestack-watch.service")

    def looks(self, count: int = 2) -> None:
        """Have it look some times, with as much time in between as people's patience lasts."""
        for _ in range(count):
            self.look()
            time.sleep(PATIENCE)

    def typed(self, *words: str) -> tuple[int, str]:
        """Type `./samestack status` for the machine's environment; returns the exit code and what was said."""
        code = self.clone.run("./samestack", "status", self.machine.kind, "--rehearsal", *words)
        return code, self.clone.output

    def asked(self) -> dict[str, Any]:
        """Return what the machine says of itself: `status` asks it for the same."""
        answer: dict[str, Any] = json.loads(self.machine.run(f"{PROGRAM} show"))
        return answer

    def found(self) -> dict[str, dict[str, Any]]:
        """Return what is not well, by section and key; what is only to be known as well."""
        return {f"{part['name']} {one['key']}": one for part in self.asked()["sections"] for one in part["findings"]}

    def wrong(self) -> list[str]:
        """Return what is red or yellow."""
        return [name for name, one in self.found().items() if one["level"] != "note"]

    def mend(self, finding: dict[str, Any]) -> str:
        """Type what a line ends with, exactly; returns what it said."""
        text = str(finding["mend"])
        if text.startswith("./samestack "):
            assert self.clone.run("sh", "-c", text) == 0, self.clone.output[-3000:]
            return self.clone.output
        where, _, command = text.partition(": ")
        assert where.startswith("on ")
        return self.machine.run(command)

    def later(self, seconds: float) -> None:
        """Let time go by in what the machine remembers: of numbers, and of its last look."""
        memory = json.loads(self.machine.run(f"cat {MEMORY}"))
        memory["looked"] -= seconds
        for samples in memory["series"].values():
            for one in samples:
                one[0] -= seconds
        self.machine.give(MEMORY, json.dumps(memory))

    def remember(self, name: str, samples: list[list[float]]) -> None:
        """Give the machine a past of one number."""
        memory = json.loads(self.machine.run(f"cat {MEMORY}"))
        memory["series"][name] = samples
        self.machine.give(MEMORY, json.dumps(memory))

    def told_once(self, name: str) -> dict[str, Any]:
        """Assert that something is red, is told once and no more; returns the finding."""

        def red() -> dict[str, Any]:
            finding: dict[str, Any] = self.found().get(name) or {}
            return finding if finding.get("level") == "red" else {}

        finding: dict[str, Any] = wait_for(f"{name} is red", red, 40)
        self.look()
        # What follows from it may turn red a little later, and is in the same notice or in none.
        wait_for("people are told", lambda: self.look() or self.chat.types, 30)
        self.looks(2)
        assert self.chat.types == ["failure"], self.chat.got
        assert finding["mend"] in self.chat.got[0]["message"], self.chat.got[0]
        return finding

    def well_again(self) -> None:
        """Assert that all is well, that people are told that once, and nothing more."""
        wait_for("all is well", lambda: self.look() or not self.wrong(), 60)
        self.looks(3)
        assert self.chat.types == ["failure", "success"], self.chat.got


def bridge(machine: Machine) -> str:
    """Return this computer's address, as a local machine reaches it."""
    route = subprocess.run(["ip", "-4", "route", "get", machine.address], check=True, capture_output=True, text=True)
    return route.stdout.split(" src ")[1].split()[0]


@pytest.fixture(scope="session")
def watched(environment: Environment, site: Machine) -> Iterator[Watch]:
    """The machine as it comes, which tells a chat on this computer, though it is a stand-in."""
    root = environment.site.root
    chat = Chat(address=bridge(site))
    clone = Clone(root)
    clone.decide(HERE, notices_urls=[chat.url], **DECIDED)
    clone.samestack("provision", site.kind, "--rehearsal", "--", "-e", '{"watch_stand_in": false}')
    # Other tests have killed processes here, and that is remembered for ten minutes.
    site.run(f"rm -f {MEMORY}; systemctl start samestack-watch.service")
    yield Watch(site, clone, chat)
    chat.close()


@pytest.fixture
def watch(watched: Watch) -> Watch:
    """A machine on which all is well, of which nobody knows anything else."""
    watched.look()
    wait_for("all is well to begin with", lambda: not watched.wrong(), 60)
    watched.looks(2)
    watched.chat.got.clear()
    return watched
