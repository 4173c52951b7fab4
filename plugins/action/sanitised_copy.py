"""The control-node half of `sanitised_copy`: it knows what is declared, and gets the file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

from ..module_utils.common.paths import COPIES
from ..plugin_utils.copies.answers import ASKED, ENTRIES, MADE
from ..plugin_utils.copies.proposing import said as words_of
from ..plugin_utils.copies.proposing import sorted_out, with_proposals
from ..plugin_utils.copies.sanitise_file import FILE, Sanitise, plan, read
from ..plugin_utils.copies.stream import Remote, beside, own_file
from ..plugin_utils.errors import SamestackError, failing
from ..plugin_utils.project_root import project_root
from ..plugin_utils.release.answers import checked
from ..plugin_utils.release.run import current_run, who

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "samestack.core.sanitised_copy"


class ActionModule(ActionBase):
    """Have a copy made, get it, and have it removed there."""

    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what is known of the copy, and where it lies on this computer."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args)
        own = {"verb": "copy", "who": who(), "environment": str(args.get("environment", ""))}
        args["run"] = args.get("run") or current_run(task_vars) or own
        if args.get("state") == "recorded":
            return result | self.module(args, task_vars)
        asked = checked(ASKED, args.pop("models", {}), "the application's host")
        if args.get("state") == "proposed":
            return result | self.propose(args, asked, task_vars)
        said = read(project_root() / FILE)
        args["plan"], notes = plan(said, asked["models"], asked["passwords"])
        file = Path(args.pop("file", "") or project_root() / ".samestack/copies/copy.pgdump")
        result |= self.module(args, task_vars)
        result["say"] = [*notes, *(result.get("say") or [])]
        if result.get("failed") or self._task.check_mode or args.get("state") == "checked":
            return result
        made = checked(MADE, {name: result.get(name) for name in ("sha256", "copy")}, "the database's host")
        try:
            self.get(args["app"], file, made["sha256"], task_vars)
        finally:
            self.module({**args, "state": "removed", "plan": {}, "key": ""}, task_vars)
        about = {name: value for name, value in made["copy"].items() if name != "empty"}
        # What is loaded with it says in the other ledger what was proven here.
        with own_file(beside(file, "about")) as told:
            told.write(json.dumps(about).encode())
        return result | {"file": str(file), "copy": about, "say": [*result["say"], *words(made["copy"])]}

    def propose(self, args: dict[str, Any], asked: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Add to the file what is not declared; returns the result."""
        path = project_root() / FILE
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        said = read(path) if there.strip() else Sanitise()
        args["plan"], _notes = plan(said, asked["models"], asked["passwords"])
        result = self.module({**args, "models": dict(asked)}, task_vars)
        if result.get("failed"):
            return result
        entries = checked(ENTRIES, result.get("entries"), "the database's host")
        found = sorted_out(entries, asked["models"])
        text = with_proposals(there, found)
        changed = text != there and bool(entries)
        if changed and not self._task.check_mode:
            path.write_text(text, encoding="utf-8")
        return {"changed": changed, "say": words_of(found)}

    def get(self, app: str, file: Path, sha256: str, task_vars: Mapping[str, Any]) -> None:
        """Get the copy's file; raises SamestackError where it is not the one that was made."""
        Remote.of(self, task_vars).bring(f"cat {COPIES}/{app}-leaving/copy.dump", file)
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            file.unlink()
            raise SamestackError("The copy was damaged on its way.", "Run the same command again.")

    def module(self, args: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module; its arguments stay out of the result."""
        result: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=dict(args), task_vars=task_vars)
        result.pop("invocation", None)
        result.pop("ansible_facts", None)
        return result


def words(about: Mapping[str, Any]) -> list[str]:
    """Return what was proven, in words."""
    said = [
        f"A copy of {about['rows']} rows; {about['columns']} columns are changed, and of {about['compared']} values "
        f"that they had {about['common']} are in it"
    ]
    if about["empty"]:
        said.append(f"Left out with all rows: {', '.join(about['empty'])}")
    if about["objects"]:
        said.append(f"Left out: {about['objects']} large objects")
    return said
