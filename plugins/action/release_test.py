"""The control-node half of `release_test`: works out an environment for tests, in which no secret can be."""

from __future__ import annotations

import re
from typing import Any

from ansible.parsing.vault import EncryptedString
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

from ..plugin_utils.errors import failing
from ..plugin_utils.release.answers import TESTED, checked
from ..plugin_utils.release.run import current_run

# What a secret is while the tests' environment is worked out, and the password of a server that is the tests' own
HIDDEN, OPEN = "samestack-stands-for-a-secret", "scratch"
PLAIN, SECRET = "{{ service_environment | combine(app_env) }}", "{{ app_secret_env }}"
# What a template takes from somewhere else than variables: a file, the environment of a pipeline
LOOKUP = re.compile(r"\b(lookup|query|q)\s*\(")


class ActionModule(ActionBase):
    """Say to the module what the tests' environment is, and look at what it answers."""

    @failing
    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, without its arguments: they hold passwords."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args)
        args["run"] = args.get("run") or current_run(task_vars)
        servers = args.get("servers") or []
        args["environment"] = self._environment(servers, task_vars)
        args["servers"] = [{name: one[name] for name in ("name", "at", "start", "stop")} for one in servers]
        result: dict[str, Any] = self._execute_module(
            module_name="samestack.core.release_test", module_args=args, task_vars=task_vars
        )
        result.pop("invocation", None)
        # A host has no say in what is known of it apart from the result.
        result.pop("ansible_facts", None)
        if not result.get("failed"):
            checked(TESTED, result.get("tests"), str(task_vars["inventory_hostname"]))
        return result

    def _environment(self, servers: list[dict[str, Any]], task_vars: dict[str, Any]) -> dict[str, str | None]:
        """Return the application's environment as it is where the services are the tests' own; None for a secret.

        The templates are those of the application. While they are rendered no variable of the vault has its value, and
        nothing that is secret by itself: what is encrypted where it stands, and of `app_secret_env` what is no template
        of variables.
        """
        own = {name for server in servers for name in server["secrets"]}
        known: dict[str, Any] = {
            name: OPEN if name in own else HIDDEN
            for name in (*task_vars, *own)
            if name.startswith("vault_") or isinstance(task_vars.get(name), EncryptedString)
        }
        for server in servers:
            known |= server["variables"]
        for kind in ("app_env", "app_secret_env"):
            given = task_vars.get(kind)
            if isinstance(given, dict):
                known[kind] = {
                    name: HIDDEN if is_secret_itself(value, secret=kind == "app_secret_env") else value
                    for name, value in given.items()
                }
        templar = self._templar.copy_with_new_env(available_variables=task_vars | known)
        plain, secret = (templar.template(trust_as_template(text)) for text in (PLAIN, SECRET))
        values = {name: str(value) for name, value in {**plain, **secret}.items()}
        return {name: None if HIDDEN in value else value for name, value in values.items()}


def is_secret_itself(value: Any, *, secret: bool) -> bool:
    """Return whether a value of an environment is one that no other variable makes harmless.

    Args:
        value: as it is written.
        secret: whether it stands among secrets.
    """
    if isinstance(value, EncryptedString):
        return True
    return secret and ("{{" not in str(value) or bool(LOOKUP.search(str(value))))
