"""Sees to it that a host has the Python that a release brings: fetched here, sent where it is missing."""

from __future__ import annotations

import shlex
from typing import Any

from ..module_utils.release.interpreter import Interpreter
from ..plugin_utils.errors import failing
from ..plugin_utils.release.pythons import Pythons
from ..plugin_utils.release.transfer import Transfers

# One look, without Python on the host; who is about to use it says so, and it is not removed meanwhile.
LOOK = "if [ -f {mark} ] && [ -x {program} ]; then {wanted}; echo there; fi"


class ActionModule(Transfers):
    """Looks first; most runs end there."""

    @failing
    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return whether it was installed; raises SamestackError where it cannot be had."""
        super().run(tmp, task_vars)
        args = self.arguments(task_vars)
        interpreter = Interpreter.of(str(args["python"]))
        if not interpreter or self.is_there(interpreter):
            return {"changed": False}
        pythons = Pythons(self.base, str(args.pop("mirror", "")), str(args.pop("downloads", "")))
        archive = pythons.archive(interpreter)
        if self._task.check_mode:
            return {"changed": True}
        folder = self._make_tmp_path()
        try:
            return self.module("release_python", {**args, "archive": self.send(archive, folder)}, task_vars)
        finally:
            self._remove_tmp_path(folder)

    def is_there(self, interpreter: Interpreter) -> bool:
        """Look at what the host has."""
        mark = shlex.quote(interpreter.folder + ".contents")
        wanted = ":" if self._task.check_mode else f"touch {mark}"
        command = LOOK.format(mark=mark, program=shlex.quote(interpreter.program), wanted=wanted)
        return "there" in self._low_level_execute_command(command)["stdout"].split()
