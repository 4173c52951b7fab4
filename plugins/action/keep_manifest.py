"""Keeps a host's manifest on the control node, with what the inventory says of the host: its envelope."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

from ..module_utils.manifest.reading.key import derived_key
from ..plugin_utils.errors import SamestackError, failing
from ..plugin_utils.inventory import environment as in_hand
from ..plugin_utils.parity import declared
from ..plugin_utils.parity.answers import FOUND
from ..plugin_utils.parity.envelope import Envelope, check_manifest
from ..plugin_utils.parity.intended import SiteTasks, with_role
from ..plugin_utils.parity.store import Store
from ..plugin_utils.parity.timeline import seconds
from ..plugin_utils.project_root import ENGINE, project_root
from ..plugin_utils.release.answers import checked
from ..plugin_utils.secrets.vault import environment_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The secret from which the key of a manifest's digests follows, on both sides
KEY_FROM = "vault_app_secret_key"
# Seconds. A recording from the future would be the newest for as long as it is one.
CLOCK_AHEAD = 86400


def plain(value: object) -> Any:
    """Return a templated value with everything inside it resolved."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


class ActionModule(ActionBase):
    """Write one envelope; nothing is asked of the host."""

    _VALID_ARGS = frozenset({"found"})
    _requires_connection = False

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `file`, the envelope's; fails for a manifest that this code cannot compare."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False, "remote_calls": 0}
        task_vars = task_vars or {}
        host, groups, hostvars = task_vars["inventory_hostname"], task_vars["groups"], task_vars["hostvars"]
        environment = next(iter(in_hand.environments_of(host, groups)), "")
        found = self._task.args["found"]
        check_manifest(found["manifest"], host)
        checked(FOUND, found, host)
        ahead = seconds(found["time"]) - time.time()
        if ahead > CLOCK_AHEAD:
            what = f"its clock is {ahead / 3600:.0f} h ahead of this computer's, and the newest recording counts"
            raise SamestackError(f"{host}: {what}.", "Set its clock (`timedatectl` there), or this computer's.")
        envelope = Envelope(
            environment=environment,
            host=host,
            functions=tuple(declared.topology([host], groups)[host]),
            time=found["time"],
            digest=found["digest"],
            manifest=found["manifest"],
            cause=str(found.get("cause") or "asked"),
            baseline=found.get("baseline"),
            history=tuple(found.get("history") or ()),
            declared=self._declared(environment, found["manifest"]["sections"], task_vars, hostvars),
            rehearsal=host in groups.get(in_hand.REHEARSAL, []),
        )
        return result | {
            "ansible_facts": {"manifest_file": str(Store(project_root() / ".samestack" / "manifests").save(envelope))}
        }

    def _declared(
        self, environment: str, sections: Mapping[str, Any], task_vars: Mapping[str, Any], hostvars: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what the inventory says of this host."""
        host, groups = task_vars["inventory_hostname"], task_vars["groups"]
        folder = in_hand.main_folder(task_vars.get("ansible_inventory_sources") or []) or project_root() / "inventories"
        local = in_hand.is_local(host, groups)
        _, secrets = environment_secrets(self._loader, folder, environment, local=local)
        allowed, others = self._value("allowed_differences"), groups[environment]
        names = ["app_domains", "app_static_domain", "django_env", "django_secret_env", *allowed]
        values = {name: self._value(name) for name in names if name in task_vars}
        addresses = {other: {"machine_address": plain(hostvars[other].get("machine_address", ""))} for other in others}
        key = derived_key(str(secrets[KEY_FROM]))
        return {
            "variables": {
                **declared.variables(allowed, values, [str(one) for one in secrets.values()]),
                "login": str(self._value("ansible_user")) if "ansible_user" in task_vars else "",
            },
            "topology": declared.topology(others, groups),
            "tokens": declared.tokens(values, addresses),
            "intended": {
                **declared.intended_environment(values, sections, key),
                **declared.intended_files(self._entries(task_vars), sections, key, self._value("parity_names")),
            },
        }

    def _value(self, name: str) -> Any:
        """Return a variable of this host, resolved."""
        return plain(self._templar.template(trust_as_template("{{ " + name + " }}")))

    def _entries(self, task_vars: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the files that the roles put on this host; {} where its facts are not known."""
        facts = task_vars.get("ansible_facts") or {}
        if "machine" not in facts:
            return {}
        values = {**task_vars, "ansible_facts": facts}
        try:
            return SiteTasks(ENGINE, self._loader).contents(lambda task: with_role(values, task)).entries
        except AnsibleError as error:
            raise SamestackError(f"what the roles put on {task_vars['inventory_hostname']}: {error}") from error
