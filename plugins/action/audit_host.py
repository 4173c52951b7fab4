"""What an audit measures on a host, by one program that is sent there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.standalone import audit
from ..plugin_utils.audit.waivers import waived, waivers
from ..plugin_utils.connection.messages import host_name
from ..plugin_utils.connection.ssh_errors import last_words
from ..plugin_utils.project_root import ENGINE, project_path

# Shorter texts would be found everywhere, and are no secrets.
SHORTEST = 12


class ActionModule(ActionBase):
    """Audit one host."""

    _VALID_ARGS = frozenset({"app", "environment"})
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the file that has what the host answered."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        task_vars = task_vars or {}
        _, given = self.validate_argument_spec(
            {name: {"type": "str", "required": True} for name in ("app", "environment")}
        )
        secrets = [self._templar.template(text) for name, text in task_vars.items() if name.startswith("vault_")]
        request = {
            "app": given["app"],
            "secrets": sorted({line for text in secrets for line in secret_lines(text)}),
            "waived": waived(waivers(ENGINE / "docs" / "security.md"), "cis"),
        }
        # By standard input: an argument could be read by everybody there.
        program = Path(audit.__file__).read_text(encoding="utf-8")
        program += f"\nmain(json.loads({json.dumps(json.dumps(request))}))\n"
        answer = self._low_level_execute_command("/usr/bin/python3 -I -S -", in_data=program.encode())
        lines = [line for line in answer["stdout"].splitlines() if line.startswith("{")]
        if answer["rc"] or not lines:
            said = last_words(answer["stderr"] or answer["stdout"])
            return result | {"failed": True, "msg": f"{host_name(task_vars)}: it could not be audited: {said}"}
        folder = Path(project_path(".samestack/audit")) / given["environment"]
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{task_vars['inventory_hostname']}.json"
        file.write_text(lines[-1] + "\n", encoding="utf-8")
        return result | {"file": str(file)}


def secret_lines(text: object) -> list[str]:
    """Return what of a secret can be looked for: itself, or the lines of a key; certificates are no secrets."""
    if not isinstance(text, str) or "BEGIN CERTIFICATE" in text:
        return []
    return [line.strip() for line in text.splitlines() if len(line.strip()) >= SHORTEST and "-----" not in line]
