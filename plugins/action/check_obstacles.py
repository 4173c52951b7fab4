"""What others have on a machine that would be in the way: one program is sent there before anything is changed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.standalone import obstacles
from ..plugin_utils.connection.messages import host_name
from ..plugin_utils.connection.ssh_errors import last_words
from ..plugin_utils.errors import failing
from ..plugin_utils.release.answers import OBSTACLES, checked


class ActionModule(ActionBase):
    """Look at one host."""

    _VALID_ARGS = frozenset({"ports", "users", "postgresql", "port", "names", "anyway"})
    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return nothing of note, or fail with a paragraph for each; with `anyway` they are told, and no more."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        task_vars = task_vars or {}
        _, given = self.validate_argument_spec(
            {
                "ports": {"type": "dict", "default": {}},
                "users": {"type": "list", "elements": "str", "default": []},
                "postgresql": {"type": "str", "default": ""},
                "port": {"type": "int", "default": 5432},
                "names": {"type": "list", "elements": "str", "default": []},
                "anyway": {"type": "bool", "default": False},
            }
        )
        request = {name: given[name] for name in ("ports", "users", "postgresql", "port", "names")}
        command = shlex.join(["/usr/bin/python3", "-I", "-S", "-", json.dumps(request)])
        answer = self._low_level_execute_command(command, in_data=Path(obstacles.__file__).read_bytes())
        lines = [line for line in answer["stdout"].splitlines() if line.startswith("[")]
        host = host_name(task_vars)
        if answer["rc"] or not lines:
            said = last_words(answer["stderr"] or answer["stdout"])
            return result | {"failed": True, "msg": f"{host}: what is on it cannot be found out: {said}"}
        found = checked(OBSTACLES, json.loads(lines[-1]), host)
        texts = [f"{host}: {one['what']}. {one['fix']}." for one in found]
        if not texts or given["anyway"]:
            for text in texts:
                self._display.warning(text)
            return result | {"obstacles": texts}
        return result | {
            "failed": True,
            "msg": "\n\n".join(texts),
            "hint": "Nothing was changed. Where it is meant to be so, the same with `--anyway` passes over it.",
        }
