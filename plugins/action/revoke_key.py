"""The control-node half of `revoke_key`: a fresh log-in by another key, before one is taken out."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.connection.bootstrap import ACCEPTED
from ..plugin_utils.connection.ssh_errors import last_words
from ..plugin_utils.connection.target import Target, connection_variables
from ..plugin_utils.errors import SamestackError, failing

OTHER = "Run this with a key of yours that stays: `-- --private-key FILE`, or take this one out of your ssh-agent."


class ActionModule(ActionBase):
    """Log in anew, then let the host take the key out."""

    _VALID_ARGS = frozenset({"fingerprint", "only_look"})
    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module does; raises SamestackError where no other key logs in."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        host = str(task_vars["inventory_hostname"])
        target = Target.of({**task_vars, **connection_variables(self._connection)}, host)
        check_login(target, host, str(self._task.args["fingerprint"]))
        result |= self._execute_module("samestack.core.revoke_key", task_vars=task_vars)
        return result


def check_login(target: Target, host: str, fingerprint: str) -> None:
    """Raise SamestackError unless a fresh log-in works, and by another key than one."""
    answer = target.ssh(target.user, "true", "LogLevel=DEBUG1")
    if answer.returncode:
        said = last_words("\n".join(line for line in answer.stderr.splitlines() if not line.startswith("debug1:")))
        raise SamestackError(f"{host}: a fresh log-in failed, so that no key is taken out. ssh said: {said}", OTHER)
    # Servers that want several take the last of them last.
    used = [match["fingerprint"] for match in ACCEPTED.finditer(answer.stderr)]
    if not used:
        raise SamestackError(f"{host}: ssh did not say by which key the log-in worked. Nothing was changed.", OTHER)
    if fingerprint in used:
        raise SamestackError(
            f"{host}: this run came with the very key that is to be revoked ({fingerprint}); without it nobody might "
            "get in any more. Nothing was changed.",
            OTHER,
        )
