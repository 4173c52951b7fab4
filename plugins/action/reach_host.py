"""One round trip that answers whether a host can be worked on: reachable, supported, python3, rights."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..plugin_utils.connection.messages import host_name, unreachable
from ..plugin_utils.connection.ssh_errors import last_words
from ..plugin_utils.connection.supported import LOOK, SUPPORTED_TEXT, is_supported, parse_look
from ..plugin_utils.connection.target import sudo_password


class ActionModule(ActionBase):
    """Look at a host by one plain command."""

    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the look found (`system`, `release`, `python`), or fail or be unreachable with one paragraph."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        task_vars = task_vars or {}
        try:
            answer = self._low_level_execute_command(LOOK, sudoable=False)
        except AnsibleConnectionFailure as error:
            user = str(self._connection.get_option("remote_user") or "the user")
            return result | {"unreachable": True, "msg": unreachable(str(error), user, task_vars)}
        try:
            look = parse_look(answer["stdout"])
        except ValueError as error:
            said = last_words(answer["stdout"] + answer["stderr"])
            fix = "Log in by hand and see what its shell prints before the first command"
            return result | {"failed": True, "msg": f"{host_name(task_vars)}: {error}; it said: {said}. {fix}."}
        problems = []
        if not is_supported(look):
            fix = f"Supported are {SUPPORTED_TEXT}. Install one of them there, or take the host out of the inventory"
            problems.append(f"{look.name} is not supported. {fix}.")
        if not look.python:
            fix = "Run `./samestack provision` for this environment: it installs it (or `sudo apt-get install python3`)"
            problems.append(f"python3 is missing, which Ansible needs. {fix}.")
        if not (look.is_root or look.sudo or sudo_password(task_vars, self._play_context)):
            user = self._play_context.remote_user or "the user"
            fix = f"Allow it there (`{user} ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d), or give the password with -K"
            problems.append(f"{user} may not use sudo without a password. {fix}.")
        if problems:
            text = "\n\n".join(f"{host_name(task_vars)}: {problem}" for problem in problems)
            return result | {"failed": True, "msg": text}
        return result | {"system": look.system, "release": look.release, "python": look.python}
