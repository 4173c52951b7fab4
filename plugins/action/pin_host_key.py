"""First contact, part one: the key of a new server is shown, confirmed, and pinned."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..plugin_utils.connection import bootstrap as contact
from ..plugin_utils.connection.messages import host_name, unreachable
from ..plugin_utils.connection.target import Target, connection_variables
from ..plugin_utils.inventory import environment as in_hand

COMPARE = "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the server's own console, or your provider's page"

YES = (b"y", b"yes")


class ActionModule(ActionBase):
    """Pin the host key of one server in `known_hosts` beside its inventory."""

    _VALID_ARGS = frozenset({"fingerprint", "accept"})
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the fingerprint of a newly pinned key; fails where nobody confirmed it."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        _, arguments = self.validate_argument_spec(
            {"fingerprint": {"type": "str", "default": ""}, "accept": {"type": "bool", "default": False}}
        )
        task_vars = task_vars or {}
        folder = in_hand.main_folder(task_vars.get("ansible_inventory_sources") or [])
        if folder is None:
            return result | {"failed": True, "msg": "there are no decisions beside this inventory"}
        known_hosts = folder / "known_hosts"
        target = Target.of({**task_vars, **connection_variables(self._connection)})
        if contact.is_pinned(target.known_hosts_name(), known_hosts):
            return result
        host = host_name(task_vars)
        line, said = contact.offered_key(target)
        if not line:
            return result | {"unreachable": True, "msg": unreachable(said, "anybody", task_vars)}
        shown, kind = contact.fingerprint(line)
        if refusal := self._refusal(host, f"{shown} ({kind})", shown, arguments):
            return result | {"failed": True, "msg": refusal}
        with known_hosts.open("a", encoding="utf-8") as file:
            file.write(line)
        self._display.display(f"{host}: host key {shown} ({kind}) is pinned in {known_hosts.name}; commit that file.")
        return result | {"changed": True, "fingerprint": shown}

    @staticmethod
    def _refusal(host: str, text: str, shown: str, arguments: dict[str, Any]) -> str | None:
        """Return why the key is not to be trusted, or None: it is the expected one, or somebody said yes."""
        expected = arguments["fingerprint"].replace(",", " ").split()
        if expected:
            if shown in expected:
                return None
            return (
                f"preflight_host_key_fingerprint = {' '.join(expected)} (in the command line, -e): the host shows "
                f"another key, {text} ({host}). Compare it with {COMPARE}; if they differ, do not connect."
            )
        if arguments["accept"]:
            return None
        try:
            answer = Display().prompt_until(
                f"{host} shows the host key\n    {text}\nCompare it with {COMPARE}.\n"
                "Is it the same? Type y or yes to pin it: "
            )
        except (AnsiblePromptNoninteractive, AnsiblePromptInterrupt):
            answer = None
        if isinstance(answer, bytes) and answer.strip().lower() in YES:
            return None
        return (
            f"{host}: its host key is not known yet; it is {text}. Compare it with {COMPARE}, then give it with "
            f"`--host-key {shown}` (ansible-playbook: -e preflight_host_key_fingerprint={shown})."
        )
