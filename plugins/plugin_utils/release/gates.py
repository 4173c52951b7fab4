"""Whether what staging serves may go to production: everything is looked at before anything is touched.

Runs on the control node, on what the module `release_state` found on the hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...module_utils.release.testing import why_not
from .identity import platform_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    State = Mapping[str, Any]

PATHS_SHOWN = 5


@dataclass(frozen=True)
class Gate:
    """A gate that is not met: what is wrong, and what mends it."""

    wrong: str
    mend: str

    def __str__(self) -> str:
        """Return both, in words."""
        return f"{self.wrong}. {self.mend}."


def unmet(
    staging: Mapping[str, State], production: Mapping[str, State], pending: list[str], *, acceptance: bool, room: int
) -> list[Gate]:
    """Return the gates that are not met, in the order in which they are best mended.

    Args:
        staging: what `release_state` found on each host of staging, by name.
        production: the same of production, each with `machine`, the host's facts.
        pending: migrations of the release that staging's database has not had.
        acceptance: whether somebody has to have accepted the release on staging.
        room: bytes that production's hosts must have free.
    """
    gates = list(of_staging(staging, pending, acceptance=acceptance))
    release = next(iter(staging.values()), {})
    for host, state in production.items():
        gates += of_production(host, state, release, room)
    return gates


def of_staging(staging: Mapping[str, State], pending: list[str], *, acceptance: bool) -> Iterator[Gate]:
    """Yield what is wrong with what staging serves."""
    deploy = "Deploy it there: `./samestack deploy staging`"
    served = {state["current"] for state in staging.values()}
    if served <= {""}:
        yield Gate("Staging serves no release", deploy)
        return
    if len(served) > 1:
        each = ", ".join(f"{host} {state['current'] or 'nothing'}" for host, state in staging.items())
        yield Gate(f"Staging's hosts serve different releases ({each})", deploy)
        return
    for host, state in staging.items():
        if not state["release"] or not state["sha256"]:
            yield Gate(f"{host}: what it serves is no release with a digest", deploy)
        elif state["dirty"]:
            mend = "Put that back: `./samestack repair staging`. What was tested is not what was built"
            yield Gate(f"{host}: release {state['current']} was changed there: {changed_paths(state['dirty'])}", mend)
        if not state["healthy"]:
            yield Gate(f"{host}: the site does not answer well ({state['why']})", "See `./samestack logs staging`")
    if len({state["sha256"] for state in staging.values()}) > 1:
        yield Gate("Staging's hosts have different bytes of the same release", deploy)
    first = next(iter(staging.values()))
    if first["failed"].get(first["current"]) is not None:
        yield Gate(f"The last deployment of {first['current']} on staging failed", deploy)
    if pending:
        yield Gate(f"Its migrations have not run on staging: {', '.join(pending)}", deploy)
    if acceptance and not is_accepted(first):
        yield Gate(
            f"Release {first['current']} is not accepted on staging",
            "Look at it there, then: `./samestack accept staging` (or set release_acceptance: false in "
            "inventories/group_vars/all/app.yml)",
        )


def untested(staging: Mapping[str, State], commands: Sequence[str]) -> Iterator[Gate]:
    """Yield why the tests of what staging serves do not let it go on; `commands` are those that it must have passed."""
    for host, state in staging.items():
        if state["release"] and (why := why_not(state.get("tests") or {}, commands, state["sha256"])):
            # The branch may be further by now.
            commit = (state.get("build") or {}).get("commit")
            deploy = f"./samestack deploy staging{f' --ref {commit}' if commit else ''}"
            mend = f'Run them: `{deploy}`. To promote it all the same, say why: `--skip-tests "…"`'
            yield Gate(f"{host}: release {state['current']} may not be promoted, {why}", mend)


def of_production(host: str, state: State, release: State, room: int) -> Iterator[Gate]:
    """Yield why a host of production cannot take the release."""
    problem = platform_problem(release["inputs"], state["machine"]) if release.get("inputs") else ""
    if problem:
        yield Gate(f"{host}: {problem}", "Have staging and production on one release of one system")
    if state["free"] < room:
        what = f"{host}: only {state['free'] >> 20}m are free, and release_min_free = {room >> 20}m"
        yield Gate(what, "Make room there: see docs/when-it-goes-wrong.md")
    if state["dirty"]:
        mend = "Put that back: `./samestack repair production`. The promotion would leave it behind"
        yield Gate(f"{host}: its live release was changed there: {changed_paths(state['dirty'])}", mend)


def restarting(hosts: Mapping[str, State]) -> list[str]:
    """Return a line for each worker that does not stay up: nobody has to read that out of what differs."""
    return [
        f"{host}: worker {name} restarts: {number} times"
        for host, state in hosts.items()
        for name, number in sorted((state.get("restarts") or {}).items())
    ]


def not_set(staging: Mapping[str, State], production: Mapping[str, State]) -> list[str]:
    """Return a line for each host of production that lacks variables which the settings read and staging sets.

    That they insist on them is a guess from their text: `manage.py check` says it there, before anything serves.
    """
    lacking = {name for state in staging.values() for name in state["env_missing"]}
    lines = []
    for host, state in production.items():
        if names := [name for name in state["env_missing"] if name not in lacking]:
            lines.append(f"{host}: nothing sets {', '.join(names)} there, which staging has and the settings read")
    return lines


def is_accepted(state: State) -> bool:
    """Return whether the live release, with the bytes it has, was accepted."""
    accepted: Mapping[str, Any] = state.get("accepted") or {}
    return bool(accepted) and accepted.get("sha256") == state["sha256"]


def changed_paths(dirty: Mapping[str, list[str]]) -> str:
    """Return what was changed, added or removed, in words."""
    words = [f"{path} ({kind})" for kind, paths in dirty.items() for path in paths]
    rest = len(words) - PATHS_SHOWN
    return ", ".join(words[:PATHS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
