"""The control-node half of `lock_stack`, which is all of it: writes what the machines have into the stack lock."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.errors import failing
from ..plugin_utils.files import write_whole
from ..plugin_utils.project_root import project_root
from ..plugin_utils.stack.lock import FILE, locked_anew, read_lock, said, written


class ActionModule(ActionBase):
    """Write the stack lock anew for the hosts in hand."""

    _VALID_ARGS = frozenset({"environment"})
    _requires_connection = False
    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return whether the file changed, and what is new in it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        file = project_root() / FILE
        hosts = task_vars["ansible_play_hosts_all"]
        machines = {host: task_vars["hostvars"][host]["ansible_facts"]["machine"] for host in hosts}
        # Preflight has refused a broken one.
        before, _ = read_lock(file)
        sections, changes = locked_anew(before, machines)
        text = written(sections)
        old = file.read_text(encoding="utf-8") if file.is_file() else ""
        changed = text != old
        if changed and not self._task.check_mode:
            write_whole(file, text)
        say = said(changes, str(self._task.args.get("environment", "")))
        if changed and not self._task.check_mode:
            say.append(f"{FILE} is written. Commit it; `./samestack provision` installs it in the other environments.")
        diff = {"before_header": FILE, "after_header": FILE, "before": old, "after": text}
        return result | {"changed": changed, "say": say, "diff": diff}
