"""How many connections an environment's processes may want of the database, and how many processes it has room for.

Every thread of a web process keeps a connection, and during a switch two releases run side by side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError

from ..errors import Problem
from .view import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .view import HostVars, Inventory

# Threads of a web process, where nobody has decided (bench/serving.py: docs/processes.md has the figures)
THREADS = 8
# A switch has two releases.
RELEASES = 2
# Migrations, copies, `manage`, prompts and recordings; and what PostgreSQL keeps for superusers
RESERVE = 10 + 3
# PostgreSQL's default, and the step above it: to change the number restarts the server.
LEAST, STEP = 100, 100
# The decisions that say how many there are
READ = ("web_processes", "web_threads", "app_workers", "app_timers")
CONCURRENCY = re.compile(r"(?:^|\s)(?:-c|--concurrency|--pool-size|--workers|--threads|--processes)[ =]?(\d+)\b")


@dataclass(frozen=True)
class AppHost:
    """What one machine runs of the application: 0 processes or threads are as many as there is room for."""

    processors: int
    serves: bool
    processes: int = 0
    threads: int = 0
    workers: tuple[str, ...] = ()
    timers: int = 0

    @property
    def wanted_processes(self) -> int:
        """Return the web processes that this machine shall have, unless there is no room for them."""
        return (self.processes or self.processors + 1) if self.serves else 0

    @property
    def background(self) -> int:
        """Return the connections of workers, of two releases, and timers; Celery has a process for each processor."""
        found = [CONCURRENCY.search(command) for command in self.workers]
        each = [int(match[1]) + 1 if match else self.processors + 1 for match in found]
        return RELEASES * sum(each) + self.timers


@dataclass(frozen=True)
class Plan:
    """What is to be: processes and threads of each host by name, and the server's max_connections."""

    processes: dict[str, int]
    threads: dict[str, int]
    background: int
    limit: int

    @property
    def web(self) -> int:
        """Return the connections of web processes, of two releases."""
        return RELEASES * sum(number * self.threads[name] for name, number in self.processes.items())

    @property
    def needed(self) -> int:
        """Return all connections."""
        return self.web + self.background + RESERVE


def plan(hosts: Mapping[str, AppHost], limit: int) -> Plan:
    """Return the plan of an environment; `limit` is the max_connections that somebody decided, 0 is none.

    What nobody decided makes room: first threads, then processes.
    """
    background = sum(host.background for host in hosts.values())
    serving = {name: host for name, host in hosts.items() if host.serves}
    processes = {name: host.wanted_processes for name, host in serving.items()}
    threads = {name: host.threads or THREADS for name, host in serving.items()}
    room = max(limit - background - RESERVE, 0) // RELEASES
    if limit:
        # Threads as many as fit beside those that are decided, one at least.
        fixed = sum(processes[name] * host.threads for name, host in serving.items() if host.threads)
        free = sum(processes[name] for name, host in serving.items() if not host.threads)
        fitting = max(min((room - fixed) // free, THREADS), 1) if free else THREADS
        threads = {name: host.threads or fitting for name, host in serving.items()}
        while sum(processes[name] * threads[name] for name in serving) > room:
            number, most = max(
                ((processes[name], name) for name, host in serving.items() if not host.processes), default=(1, "")
            )
            if number == 1:
                break
            processes[most] -= 1
    found = Plan(processes, threads, background, limit)
    return found if limit else replace(found, limit=max(LEAST, -(-found.needed // STEP) * STEP))


def connection_count_problems(inventory: Inventory, host: str, hostvars: Mapping[str, HostVars]) -> Iterator[Problem]:
    """Yield the problem of decisions that leave no room for each other, whatever the machines of an environment are."""
    try:
        settings: Any = plain(hostvars[host].get("database_settings"))
        lists: list[Any] = [plain(hostvars[host].get(name)) for name in ("web_hosts", "worker_hosts", "app_hosts")]
        web, worker, names = lists
        values = {name: {one: plain(hostvars[name].get(one)) for one in READ} | {"processors": 1} for name in names}
        limit = int(settings["max_connections"])
        found = plan(app_hosts(values, web, worker), limit)
    except (AnsibleError, AttributeError, KeyError, TypeError, ValueError):
        # Nobody has decided how many there are; or a decision is wrong in itself, and is told of already.
        return
    if found.needed <= limit:
        return
    each = " and ".join(sorted({f"{found.processes[name]} x {found.threads[name]}" for name in found.processes}))
    what = (
        f"web processes x threads ({each}) x {RELEASES} releases during a switch take {found.web} connections to the "
        f"database, workers and timers {found.background}, and {RESERVE} are kept in reserve: {found.needed} in all"
    )
    fix = f"Write {found.needed}, lower web_processes or web_threads, or leave max_connections out: it is sized then"
    name = "database_settings.max_connections"
    yield Problem(name, inventory.place("database_settings", ("max_connections",), host), what, fix, str(limit))


def app_hosts(hosts: Mapping[str, Mapping[str, Any]], web: Iterable[str], worker: Iterable[str]) -> dict[str, AppHost]:
    """Return what hosts run, by their variables: `web_processes`, `web_threads`, `app_workers`, `app_timers`.

    `processors` is added to them by who knows it.
    """
    web, worker = list(web), list(worker)
    found = {}
    for name, values in hosts.items():
        first = name == next(iter(worker), "")
        workers = values.get("app_workers") or {} if name in worker else {}
        timers = values.get("app_timers") or {} if name in worker else {}
        found[name] = AppHost(
            processors=int(values["processors"]),
            serves=name in web,
            processes=int(values.get("web_processes") or 0),
            threads=int(values.get("web_threads") or 0),
            workers=tuple(one["command"] for one in workers.values() if first or not one.get("single")),
            timers=sum(first or bool(one.get("each_host")) for one in timers.values()),
        )
    return found
