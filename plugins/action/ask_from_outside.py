"""What was meant to hold is asked of the running services, from where visitors and guessers come from."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.connection.messages import host_name
from ..plugin_utils.connection.outside import BY_PASSWORD, closed_ports, direct_address, offered_methods
from ..plugin_utils.connection.target import Target, connection_variables

FIND = "sudo grep -rniE 'passwordauthentication|kbdinteractive|^match' /etc/ssh/sshd_config /etc/ssh/sshd_config.d"


class ActionModule(ActionBase):
    """Ask one host."""

    _VALID_ARGS = frozenset({"keys_only", "ports"})
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return nothing of note, or fail where passwords still log in; a port that is closed is told of."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        task_vars = task_vars or {}
        _, given = self.validate_argument_spec(
            {
                "keys_only": {"type": "bool", "default": True},
                "ports": {"type": "list", "elements": "int", "default": []},
            }
        )
        target = Target.of({**task_vars, **connection_variables(self._connection)})
        user = str(self._connection.get_option("remote_user") or "root")
        host = host_name(task_vars)
        methods = offered_methods(target, user) if given["keys_only"] else []
        if guessed := [method for method in methods if method in BY_PASSWORD]:
            return result | {
                "failed": True,
                "msg": f"{host}: sshd still lets people log in by {' and '.join(guessed)} (it offers "
                f"{', '.join(methods)}), whatever Samestack's own file says: another of its files says otherwise.",
                "hint": f"Find it there and take the line out: `{FIND}`. Then provision again.",
            }
        address = direct_address(target) if given["ports"] else ""
        for port, why in closed_ports(address, given["ports"]).items() if address else ():
            self._display.warning(
                f"{host}: nobody comes to port {port} from here ({why}). A firewall in between, such as your "
                "provider's, may have to let visitors in."
            )
        return result | {"methods": methods}
