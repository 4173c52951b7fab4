"""Brings the declared folders of uploads from one host to the control node, and from there to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.copies import uploads
from ..plugin_utils.copies.sanitise_file import FILE, read
from ..plugin_utils.copies.stream import Remote, beside
from ..plugin_utils.errors import failing
from ..plugin_utils.project_root import project_root

STATES = {"left": uploads.LEAVE, "arrived": uploads.ARRIVE, "put_back": uploads.BACK}


class ActionModule(ActionBase):
    """Move uploads, where any are declared."""

    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what was done."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False, "say": []}
        words: dict[str, Any] = {"type": "str", "required": True}
        names = ("user", "media", "data", "file")
        _, args = self.validate_argument_spec(
            {"state": {**words, "choices": list(STATES)}, **dict.fromkeys(names, words)}
        )
        if self._task.check_mode:
            return result
        path, state = project_root() / FILE, args["state"]
        folders = read(path).uploads if path.exists() else []
        file = beside(Path(args["file"]), "uploads")
        if not folders or (state != "left" and not file.exists()):
            return result
        remote = Remote.of(self, task_vars or {})
        app = uploads.Application(args["user"], args["media"], args["data"])
        command = uploads.command(STATES[state], app, folders, file.name)
        if state == "left":
            remote.bring(command, file)
        elif state == "arrived":
            with file.open("rb") as stream:
                remote.send(stream, command)
        else:
            with Path("/dev/null").open("rb") as nothing:
                remote.send(nothing, command)
        size = file.stat().st_size >> 10
        said = {"left": f"Uploads: {', '.join(folders)}, {size} KiB", "put_back": "The uploads are those from before"}
        return result | {"changed": True, "say": [said[state]] if state in said else []}
