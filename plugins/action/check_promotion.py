"""Refuses a promotion whose gates are not met, with the whole list, before anything is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.release.interpreter import brought_by
from ..module_utils.release.testing import SKIPPED, why_not
from ..plugin_utils.errors import SamestackError, failing
from ..plugin_utils.parity.compare import compare
from ..plugin_utils.parity.gate import Verdict, gates, judge, notes, ways_out
from ..plugin_utils.parity.store import read_of_host
from ..plugin_utils.project.repository import commits_between, mirror_of
from ..plugin_utils.project_root import project_root
from ..plugin_utils.release.answers import STATE, checked
from ..plugin_utils.release.gates import Gate, not_set, restarting, unmet, untested
from ..plugin_utils.release.run import current_run

REFUSED = "Staging's release does not go to production"
#: As many lines fit into the reason of a failure; more are told before it.
LINES = 10
# Where release_source keeps its mirrors; without one the commits are not told.


class ActionModule(ActionBase):
    """Compare staging with production, on this computer."""

    _VALID_ARGS = frozenset(
        {
            "staging", "production", "pending", "acceptance", "tests", "skip_tests", "room", "source", "manifests",
            "accept", "reason",
        }
    )  # fmt: skip
    _requires_connection = False

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the `release` that is promoted and `say`; raises SamestackError for gates that are not met."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False, "remote_calls": 0}
        args = self._task.args
        staging, production = args["staging"], args["production"]
        for host, state in {**staging, **production}.items():
            checked(STATE, state, host)
        not_met = unmet(
            staging,
            production,
            list(args.get("pending") or []),
            acceptance=bool(args.get("acceptance", True)),
            room=int(args.get("room") or 0),
        )
        if not args.get("skip_tests"):
            not_met += untested(staging, list(args.get("tests") or []))
        verdict, differing = self._parity()
        not_met += differing
        found: dict[str, Any] = next(iter(staging.values()), {})
        restarts = [
            *restarting(staging), *(f"{line}; the promotion replaces it" for line in restarting(production)),
        ]  # fmt: skip
        # Without a release there is nothing to foresee either.
        if not_met and not (self._task.check_mode and found.get("sha256")):
            listed = [*(f"- {gate}" for gate in not_met), *ways(verdict), *restarts]
            if len(listed) > LINES:
                told = f"{REFUSED}: {len(not_met)} things stand in the way, each is told above"
                return result | {"failed": True, "say": listed, "msg": told}
            raise SamestackError("\n".join([f"{REFUSED}:", *listed]))
        build, served = found["build"], next(iter(production.values()))
        source = args.get("source") or {}
        mirror = mirror_of(
            project_root() / ".samestack" / "sources", str(source.get("type", "")), str(source.get("url", ""))
        )
        commits = commits_between(str(mirror), str(served["build"].get("commit", "")), str(build.get("commit", "")))
        release = {
            "id": found["current"],
            "sha256": found["sha256"],
            "label": build.get("label", ""),
            "environment": found["environment"],
            "python": brought_by(found),
            "migrations": build.get("migrations", []),
            "commits": commits,
            "tests": self._tests(found),
        }
        say = [*(f"Not met: {gate}" for gate in not_met), *(ways(verdict) if not_met else []), *restarts]
        say += not_set(staging, production)
        say += [f"Accepted: {difference.name} ({difference.kind})" for difference in verdict.accepted]
        if verdict.accepted:
            # The ledger's line of this run keeps it.
            run = current_run(task_vars)
            kept = notes(verdict, str(args.get("reason") or ""))
            result["ansible_facts"] = {"run": {**run, "notes": {**run.get("notes", {}), **kept}}}
        if served["current"] != found["current"]:
            say += [f"Release {release['id']} ({release['label']}), which staging serves"]
            say += [f"  {commit['commit'][:10]} {commit['subject']}" for commit in commits]
        return result | {"release": release, "say": say}

    def _tests(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return what production keeps of the release's tests: what staging has, or that they are of no account now."""
        args = self._task.args
        known: dict[str, Any] = found.get("tests") or {}
        commands = list(args.get("tests") or [])
        if args.get("skip_tests") and why_not(known, commands, found.get("sha256", "")):
            skipped = {"result": SKIPPED, "reason": str(args["skip_tests"]), "commands": commands}
            return skipped | {"sha256": found.get("sha256", "")}
        # Environments of its tests are on the machine that ran them.
        return {name: value for name, value in known.items() if name != "vid"} if commands else {}

    def _parity(self) -> tuple[Verdict, list[Gate]]:
        """Return what the manifests of both say of a promotion; nothing where there are none."""
        args = self._task.args
        store = project_root() / ".samestack" / "manifests"
        envelopes = [read_of_host(Path(file), store) for file in args.get("manifests") or []]
        comparison = compare(envelopes)
        verdict = judge(comparison, args.get("accept") or "", str(args.get("reason") or ""))
        return verdict, [Gate(wrong, mend) for wrong, mend in gates(verdict, comparison)]


def ways(verdict: Verdict) -> list[str]:
    """Return the line that says how to go on all the same, where it can be said."""
    text = ways_out(verdict)
    return [text] if text else []
