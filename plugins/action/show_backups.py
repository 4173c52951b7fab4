"""Shows what hosts said of backups: as a table that fails where something is wrong, or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.backup.answers import DRILL, FILES, MOMENT, PLAN, STATUS
from ..plugin_utils.backup.table import View, drill_words, made_words, plan_words
from ..plugin_utils.errors import failing
from ..plugin_utils.release.answers import checked
from ..plugin_utils.text import json_line

if TYPE_CHECKING:
    from collections.abc import Mapping


class ActionModule(ActionBase):
    """Works on the control node alone."""

    _VALID_ARGS = frozenset({"found", "made", "drills", "plan", "files", "environment", "none_because", "format"})
    _requires_connection = False
    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what there is to say; `found` that has something wrong fails."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False, "remote_calls": 0}
        args = self._task.args
        here = str((task_vars or {}).get("inventory_hostname", ""))
        if "found" not in args:
            return result | {"say": told(args, here)}
        answers = dict(args["found"])
        found = {
            host: checked(STATUS, one["status"], host)
            for host, one in answers.items()
            if isinstance(one, dict) and one.get("status")
        }
        lost = silent(answers)
        environment = str(args.get("environment", ""))
        view = View(environment, found, lost)
        if args.get("format") == "json":
            # For programs, which look at `problems` themselves.
            self._display.display(json_line(view.as_data()))
            return result
        if not answers or not (found or lost):
            because = args.get("none_because")
            said = f"{environment} has no backups" + (f": {because}" if because else "")
            return result | {"say": [said, "docs/backups.md says how to have them."]}
        if view.problems:
            head = f"The backups of {environment} need somebody:"
            return result | {"failed": True, "say": view.lines(), "msg": "\n".join([head, *view.problems])}
        return result | {"say": view.lines()}


def silent(answers: Mapping[str, Any]) -> list[str]:
    """Return the hosts that have backups, and did not say how these stand, for whatever reason."""
    return [
        host
        for host, one in answers.items()
        if isinstance(one, dict) and not one.get("status") and not one.get("skipped")
    ]


def told(args: Mapping[str, Any], here: str) -> list[str]:
    """Return what one run did or is about to do, in words; raises AnswerError."""
    if "made" in args:
        moments = [one["moment"] for one in args["made"] if one.get("moment")]
        return made_words([checked(MOMENT, one, here) for one in moments])
    if "drills" in args:
        made = {host: one["drill"] for host, one in dict(args["drills"]).items() if one.get("drill")}
        return [line for host, one in made.items() for line in drill_words(host, checked(DRILL, one, host))]
    plan, files = checked(PLAN, args["plan"], here), checked(FILES, args["files"], here)
    return plan_words(plan, files, str(args.get("environment", "")))
