"""A machine that is watched, whoever looks at it, and the people who are told.

With SAMESTACK_WATCH_CLOCK the machine's own clock looks, and people's patience is what it is by default: what a test
prints then is how long it takes until they are told (docs/watching.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.chat import Chat
from tests.support.clone import Clone
from tests.support.machines import environment, site, wait_for
from tests.support.pings import Pings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.machines import Environment, Machine

__all__ = ["environment", "site"]

HERE = "rehearsal/differences.yml"
CLOCK = bool(os.environ.get("SAMESTACK_WATCH_CLOCK"))
PATIENCE = 60 if CLOCK else 1
#: Seconds until people are told at the latest: two looks and their patience
LONGEST = 60 + 2 * 75 if CLOCK else 30
PROGRAM = "/usr/local/lib/samestack/watch"
MEMORY, SAID = "/var/lib/samestack/watch/memory.json", "/var/lib/samestack/watch/said.json"
TELLING = '{"watch_stand_in": false}'
#: A job that prints how long the oldest one waits
WAITS = {"command": 'cat "$APP_DATA_PATH/waits" || echo 0', "schedule": "daily", "backlog": True}
#: What people decide here, so that a test need not last an hour
DECIDED = {"watch_patience": f"{PATIENCE}s", "watch_transaction": "6s", "watch_lock": "4s"}


@dataclass
class Watch:
    """One machine, and what is known of it."""

    machine: Machine
    clone: Clone
    chat: Chat
    pings: Pings
    #: When what a test does began
    began: float = 0

    def look(self) -> None:
        """Have the machine look, as its clock does each minute."""
        if CLOCK:
            time.sleep(5)
        else:
            self.machine.run("systemctl start samestack-watch.service")

    def looked(self) -> Watch:
        """Return it after one more look."""
        self.look()
        return self

    def looks(self, count: int = 2) -> None:
        """Have it look some times, with as much time in between as people's patience lasts."""
        # By the clock that would be minutes, in which nothing is measured.
        for _ in range(0 if CLOCK else count):
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
        """Let time go by in what the machine remembers: of numbers, of what visitors met, and of its last look."""
        memory = json.loads(self.machine.run(f"cat {MEMORY}"))
        memory["looked"] -= seconds
        if memory["unsent"]:
            memory["unsent"]["since"] -= seconds
        for samples in memory["series"].values():
            for one in samples:
                one[0] -= seconds
        for one in memory["exceptions"].values():
            one["last"] -= seconds
        for period in memory["periods"][-2:]:
            period["minutes"] = {str(int(name) - int(seconds) // 60): one for name, one in period["minutes"].items()}
        self.machine.give(MEMORY, json.dumps(memory))

    def over(self) -> None:
        """Let what the application has failed with be over, once it fails no more."""
        wait_for("all else is well", lambda: all(name.startswith("errors ") for name in self.looked().wrong()), 90)
        self.later(601)

    def remember(self, name: str, samples: list[list[float]]) -> None:
        """Give the machine a past of one number."""
        memory = json.loads(self.machine.run(f"cat {MEMORY}"))
        memory["series"][name] = samples
        self.machine.give(MEMORY, json.dumps(memory))

    def told_once(self, name: str) -> dict[str, Any]:
        """Assert that something is red, is told once and no more; returns the finding.

        Of what is named after itself (an exception) the beginning of the name is given.
        """

        def red() -> dict[str, Any]:
            found = [one for key, one in self.found().items() if key.startswith(name) and one["level"] == "red"]
            return found[0] if found else {}

        finding: dict[str, Any] = wait_for(f"{name} is red", red, 40)
        self.look()
        # What follows from it may turn red a little later, and is in the same notice or in none.
        wait_for("people are told", lambda: self.looked().chat.types, LONGEST)
        self.measured(name)
        self.looks(2)
        assert self.chat.types == ["failure"], self.chat.got
        assert finding["mend"] in self.chat.got[0]["message"], self.chat.got[0]
        return finding

    def well_again(self) -> None:
        """Assert that all is well, that people are told that once, and nothing more."""
        self.began = time.monotonic()
        wait_for("all is well", lambda: not self.looked().wrong(), 60 + LONGEST)
        if CLOCK:
            wait_for("people are told", lambda: self.chat.types[1:], LONGEST)
            self.measured("well again")
        self.looks(3)
        assert self.chat.types == ["failure", "success"], self.chat.got

    def measured(self, what: str) -> None:
        """Print after how long people were told."""
        print(f"MEASURED {what}: told after {time.monotonic() - self.began:.0f} s")

    def begin(self) -> None:
        """Begin where all is well and nobody knows anything else."""
        self.look()

        def well() -> bool:
            wrong = self.wrong()
            assert not wrong, wrong
            return True

        wait_for("all is well to begin with", well, 60)
        self.looks(1)
        self.chat.got.clear()
        self.pings.got.clear()
        self.began = time.monotonic()


def bridge(machine: Machine) -> str:
    """Return this computer's address, as a local machine reaches it."""
    route = subprocess.run(["ip", "-4", "route", "get", machine.address], check=True, capture_output=True, text=True)
    return route.stdout.split(" src ")[1].split()[0]


def watched_by(environment: Environment, machines: Sequence[Machine], decided: dict[str, Any]) -> Iterator[list[Watch]]:
    """Yield machines of one environment, which tell a chat on this computer, though they are stand-ins, and ping it."""
    address = bridge(machines[0])
    chat, pings = Chat(address=address), Pings(address)
    clone = Clone(environment.site.root)
    url = f"{pings.url}/{{{{ inventory_hostname }}}}"
    timers = yaml.safe_load((clone.folder / "inventories/group_vars/all/app.yml").read_text())["app_timers"]
    clone.decide(app_timers=timers | {"waits": WAITS})
    clone.decide(HERE, notices_urls=[chat.url], watch_ping_url=url, **decided)
    clone.samestack("provision", machines[0].kind, "--rehearsal", "--", "-e", TELLING)
    for machine in machines:
        # Other tests have killed processes here, and that is remembered for ten minutes.
        machine.run(f"rm -f {MEMORY}; systemctl start samestack-watch.service")
    yield [Watch(machine, clone, chat, pings) for machine in machines]
    chat.close()
    pings.close()


@pytest.fixture(scope="session")
def watched(environment: Environment, site: Machine) -> Iterator[Watch]:
    """The machine as it comes."""
    for (found,) in watched_by(environment, [site], DECIDED):
        yield found


@pytest.fixture
def watch(watched: Watch) -> Watch:
    """A machine on which all is well, of which nobody knows anything else."""
    watched.begin()
    return watched
