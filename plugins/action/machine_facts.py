"""What a machine is, and which versions it has, by one plain command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils.packages.compare import stack_of
from ..module_utils.standalone import look
from ..plugin_utils.connection.belonging import Visit, check_owner, former
from ..plugin_utils.connection.messages import host_name
from ..plugin_utils.connection.ssh_errors import last_words
from ..plugin_utils.errors import DecisionError, failing
from ..plugin_utils.inventory import environment as in_hand
from ..plugin_utils.release.answers import MACHINE, STACK, checked

# Of role host's own templates
CANDIDATES = ("nginx", "postgresql")


class ActionModule(ActionBase):
    """Look at a machine with its own Python."""

    _VALID_ARGS = frozenset({"candidates", "stack", "owner", "verb", "take_over"})

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `ansible_facts.machine`."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        packages = list(self._task.args.get("candidates") or CANDIDATES)
        stack = ["stack"] if boolean(self._task.args.get("stack") or False) else []
        command = shlex.join(["/usr/bin/python3", "-I", "-S", "-", json.dumps(packages), *stack])
        program = Path(look.__file__).read_bytes()
        answer = self._low_level_execute_command(command, in_data=program)
        # A log-in shell may have something to say before.
        lines = [line for line in answer["stdout"].splitlines() if line.startswith("{")]
        if answer["rc"] or not lines:
            said = last_words(answer["stderr"] or answer["stdout"])
            return result | {
                "failed": True,
                "msg": f"{host_name(task_vars or {})}: what it is cannot be found out: {said}",
            }
        try:
            machine = checked(MACHINE, json.loads(lines[-1]), host_name(task_vars or {}))
            if machine["stack"]:
                machine["stack"] = checked(STACK, stack_of(**machine["stack"]), host_name(task_vars or {}))
        except (ValueError, RecursionError, TypeError) as error:
            said = last_words(str(error))
            return result | {
                "failed": True,
                "msg": f"{host_name(task_vars or {})}: what it says of itself is none: {said}",
            }
        app = str((task_vars or {}).get("app_name") or "")
        if app and (home := machine["homes"].get(app, f"/srv/{app}")) != f"/srv/{app}":
            what = f"{host_name(task_vars or {})} has an account of this name already, with the home {home}"
            return result | DecisionError("app_name", app, what, "Choose another name for the application").as_result()
        machine["former"] = self._former(machine["owner"], task_vars or {})
        return result | {"ansible_facts": {"machine": machine}}

    def _former(self, found: dict[str, Any], task_vars: dict[str, Any]) -> list[str]:
        """Return the applications that the machine had before; raises SamestackError where it is somebody else's."""
        ours = dict(self._task.args.get("owner") or {})
        visit = Visit(
            host_name(task_vars) if ours else "",
            str(self._task.args.get("verb") or ""),
            rehearsal=in_hand.REHEARSAL in task_vars.get("group_names", []),
            take_over=boolean(self._task.args.get("take_over") or False),
        )
        check_owner(found, ours, visit)
        # Whoever asks again in the middle of a run names no owner: the current application is none of the former.
        return former(found, str(ours.get("app") or task_vars.get("app_name") or ""))
