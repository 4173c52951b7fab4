"""A login of its own after a change to ssh, sudo or the firewall: only where it works, the change stays.

The host's half is `module_utils/system/access.py`, whose timer this takes away. Runs on the control node.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleConnectionFailure

from ...module_utils.common.paths import STATE
from .messages import host_name
from .ssh_errors import last_words
from .target import Target, connection_variables, sudo_password

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible.plugins.action import ActionBase

FOLDER = f"{STATE}/access"
# Whoever renames the list first decides, this or the return: only one of them can.
CONFIRM = (
    f"mv {FOLDER}/kept.json {FOLDER}/confirmed && {{ systemctl stop 'samestack-go-back-*.timer'; rm -rf {FOLDER}; }}"
)
# Seconds. A service that has just been restarted may need a moment; the host goes back a minute after the change.
TRY_FOR, GOES_BACK_AFTER, CONNECT_TIMEOUT, PAUSE = 8, 75, 5, 1
OPTIONS = (
    f"ConnectTimeout={CONNECT_TIMEOUT}", "ServerAliveInterval=5", "ServerAliveCountMax=2", "ControlMaster=no",
    "ClearAllForwardings=yes", "ForwardAgent=no",
)  # fmt: skip


def confirm(action: ActionBase, result: dict[str, Any], task_vars: Mapping[str, Any], port: int | None) -> None:
    """Log in anew where a module's result awaits that; a login that does not work makes the result a failure.

    Args:
        action: whose connection says how the host is reached.
        result: the module's; `await_login` is taken out of it.
        task_vars: the host's variables.
        port: of the new login, where the change was about it.
    """
    unit = str(result.pop("await_login", "") or "")
    if not unit:
        return
    if action._connection.transport not in ("ssh", "samestack.core.ssh"):
        # Whoever works on the machine itself does not come in by what was changed.
        action._low_level_execute_command(CONFIRM)
        return
    login = Login(action, task_vars, port)
    said = login.until(CONFIRM, TRY_FOR)
    if said is None:
        return
    began = time.monotonic()
    # The connection that made the change may still be good for it; if not, the timer does the same.
    service = unit.removesuffix(".timer")
    with contextlib.suppress(AnsibleConnectionFailure):
        action._low_level_execute_command(f"systemctl start {shlex.quote(service)}.service")
    back = Login(action, task_vars, None).until("true", GOES_BACK_AFTER)
    took = f"after {time.monotonic() - began:.0f} s it is as it was before, and lets {login.user} in"
    now = took if back is None else f"it is not back after {GOES_BACK_AFTER} s ({back}): look at its console"
    before = f" Before that, this failed: {result['msg']}" if result.get("failed") else ""
    result.update(
        failed=True,
        changed=back is not None,
        msg=f"{host_name(task_vars)}: with this change to ssh, sudo or the firewall {login.user} could not log in anew "
        f"and use sudo ({said}). So the host took the change back: {now}.{before}",
        hint="Mend what you changed (security_*, ansible_port, your own files), then provision again.",
    )


class Login:
    """A way in that shares no connection with anything."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, Any], port: int | None) -> None:
        """Take how the host is reached."""
        connection = action._connection
        self._target = Target.of({**task_vars, **connection_variables(connection)})
        self.user = str(connection.get_option("remote_user") or action._play_context.remote_user or "root")
        self._password = sudo_password(task_vars, action._play_context)
        self._options = (*OPTIONS, *([f"Port={port}"] if port else []))

    def until(self, script: str, seconds: float) -> str | None:
        """Try to run a script as root by a new login; returns None once it worked, else what was said last."""
        sudo = ["sudo", "-S", "-p", ""] if self._password else ["sudo", "-n"]
        command = shlex.join([*(sudo if self.user != "root" else []), "sh", "-c", script])
        deadline = time.monotonic() + seconds
        while True:
            done = self._target.ssh(self.user, command, *self._options, script=f"{self._password}\n")
            if done.returncode == 0:
                return None
            if time.monotonic() > deadline:
                return last_words(done.stderr or done.stdout)
            time.sleep(PAUSE)
