"""A monitor, the machines that it asks, and the people who are told."""

from __future__ import annotations

import json
import shlex
import subprocess
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.chat import Chat
from tests.support.clone import Clone
from tests.support.machines import environment, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Environment, Machine

__all__ = ["environment", "site"]

HERE = "rehearsal/differences.yml"
RULES = "/etc/prometheus/samestack.rules.yml"
#: Servers have no curl
FETCH = """import ssl, sys, urllib.request
url, authority, pair = sys.argv[1:]
context = ssl.create_default_context(cafile=authority) if authority else None
if pair:
    context.load_cert_chain(pair)
sys.stdout.write(urllib.request.urlopen(url, timeout=10, context=context).read().decode())"""


def fetching(url: str, authority: str = "", pair: str = "") -> str:
    """Return the command by which a machine asks for a page; it fails where there is no answer."""
    return shlex.join(["python3", "-c", FETCH, url, authority, pair])


@dataclass
class Monitor:
    """The monitor, and what is known of it."""

    machine: Machine
    others: list[Machine]
    clone: Clone
    chat: Chat

    @property
    def all(self) -> list[Machine]:
        """All machines of the environment."""
        return [self.machine, *self.others]

    def asks(self, path: str, port: int = 9090) -> Any:
        """Return what Prometheus or Alertmanager answers."""
        return json.loads(self.machine.run(fetching(f"http://127.0.0.1:{port}/api/{path}")))

    def value(self, expression: str) -> dict[str, float]:
        """Return the numbers of an expression, by machine."""
        found = self.asks(f"v1/query?query={urllib.parse.quote(expression)}")["data"]["result"]
        return {one["metric"].get("instance", ""): float(one["value"][1]) for one in found}

    @property
    def told(self) -> list[str]:
        """Of what kinds the notices were that came from the monitor; machines tell of themselves, too."""
        whose = f"{self.machine.app}, {self.machine.kind}: "
        return [one["type"] for one in self.chat.got if one["title"].startswith(whose)]

    def firing(self) -> set[str]:
        """Return the rules that fire."""
        return {
            str(one["labels"]["alertname"])
            for one in self.asks("v1/alerts")["data"]["alerts"]
            if one["state"] == "firing"
        }


@pytest.fixture(scope="session")
def monitor(environment: Environment, site: Machine) -> Iterator[Monitor]:
    """The monitor as it comes, which tells a chat on this computer, though it is a stand-in, and with less patience."""
    (machine,) = environment.machines("monitor")
    bridge = subprocess.run(["ip", "-4", "route", "get", site.address], check=True, capture_output=True, text=True)
    chat = Chat(address=bridge.stdout.split(" src ")[1].split()[0])
    clone = Clone(environment.site.root)
    clone.decide(HERE, notices_urls=[chat.url])
    clone.samestack("provision", site.kind, "--rehearsal", "--", "-e", '{"watch_stand_in": false}')
    yield Monitor(machine, [one for one in environment.machines() if one.name != machine.name], clone, chat)
    chat.close()


@pytest.fixture
def impatient(monitor: Monitor) -> Iterator[Monitor]:
    """The monitor with rules that wait for nothing, and which asks every two seconds."""
    files = (RULES, "/etc/prometheus/samestack.yml", "/etc/prometheus/samestack-alertmanager.yml")
    for file in files:
        monitor.machine.run(f"cp -a {file} {file}.before")
    monitor.machine.run(f"sed -i 's/for: .*/for: 4s/' {RULES}")
    monitor.machine.run(f"sed -i 's/_interval: .*/_interval: 2s/' {files[1]}")
    monitor.machine.run(f"sed -i 's/group_wait: .*/group_wait: 1s/; s/p_interval: .*/p_interval: 2s/' {files[2]}")
    monitor.machine.run("systemctl reload prometheus.service prometheus-alertmanager.service")
    monitor.chat.got.clear()
    yield monitor
    for file in files:
        monitor.machine.run(f"mv {file}.before {file}")
    monitor.machine.run("systemctl reload prometheus.service prometheus-alertmanager.service")
