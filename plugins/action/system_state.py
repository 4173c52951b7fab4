"""Control-node half of `system_state`: renders templates and sends one call."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

from ..plugin_utils.connection.new_login import confirm
from ..plugin_utils.project_root import project_root
from ..plugin_utils.release.run import current_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DEFAULTS: dict[str, Any] = {
    "state": "file",
    "owner": "root",
    "group": "root",
    "mode": None,
    "secret": False,
    "initial": False,
    "exclusive": False,
    "keep_original": False,
    "target": None,
}
CONTENT_KEYS = ("template", "source", "content")
LIST_KEYS = ("apply", "validate", "restart", "reload")
KNOWN_KEYS = {"path", "vars", "when", *DEFAULTS, *CONTENT_KEYS, *LIST_KEYS}
OTHERWISE = ("as it is", "absent")
STATES = ("file", "first_line", "block", "directory", "link", "absent", "attributes", "original")


def flat(entries: Iterable[Any]) -> Iterator[Any]:
    """Yield the entries of a list in which lists of entries may stand, so that a task can show what it is made of."""
    for entry in entries:
        if isinstance(entry, list):
            yield from flat(entry)
        else:
            yield entry


def due(raw: Any, otherwise: str) -> Any:
    """Return an entry as its `when` leaves it: as it is, as what is there otherwise (a folder stays), or None."""
    if not isinstance(raw, dict) or boolean(raw.get("when", True)):
        return raw
    goes = otherwise == "absent" and raw.get("state") != "directory"
    return {"path": raw.get("path"), "state": "absent"} if goes else None


def normalise(raw: Any) -> dict[str, Any]:
    """Return an entry with every key set; raises AnsibleActionFail for one that makes no sense."""
    if not isinstance(raw, dict) or not str(raw.get("path", "")).startswith("/"):
        raise AnsibleActionFail(f"system_state: an entry needs an absolute `path`: {raw!r}")
    path = raw["path"]
    unknown = set(raw) - KNOWN_KEYS
    if unknown:
        raise AnsibleActionFail(f"system_state: {path}: unknown keys {sorted(unknown)}")
    entry = {**DEFAULTS, **raw}
    if entry["state"] not in STATES:
        raise AnsibleActionFail(f"system_state: {path}: state is one of {', '.join(STATES)}, not {entry['state']!r}")
    if entry["mode"] is not None and not isinstance(entry["mode"], str):
        raise AnsibleActionFail(f"system_state: {path}: write the mode as a quoted string of octal digits")
    if entry["state"] == "attributes" and entry["mode"] is None:
        raise AnsibleActionFail(f"system_state: {path}: with state attributes, a `mode` is needed")
    contents = [key for key in CONTENT_KEYS if raw.get(key) is not None]
    if len(contents) != (1 if entry["state"] in ("file", "first_line", "block") else 0):
        raise AnsibleActionFail(f"system_state: {path}: a file has exactly one of {', '.join(CONTENT_KEYS)}")
    if (entry["state"] == "link") != (entry["target"] is not None):
        raise AnsibleActionFail(f"system_state: {path}: a link, and nothing else, has a `target`")
    entry["secret"] = boolean(entry["secret"])
    entry["initial"] = boolean(entry["initial"])
    entry["exclusive"] = boolean(entry["exclusive"])
    entry["keep_original"] = boolean(entry["keep_original"])
    if entry["exclusive"] and entry["state"] != "directory":
        raise AnsibleActionFail(f"system_state: {path}: only a directory is `exclusive`")
    for key in LIST_KEYS:
        value = raw.get(key) or []
        entry[key] = [value] if isinstance(value, str) else list(value)
    return entry


def with_own_names(message: str, origins: Mapping[str, str]) -> str:
    """Return an error in which files of the project have their names there, by `origins`: {path on the host: name}.

    Where the error names none of them, those that could be meant are named behind it.
    """
    own = {path: name for path, name in origins.items() if name}
    for path, name in own.items():
        message = message.replace(path, name)
    if own and not any(name in message for name in own.values()):
        message += f" Among the new files are these of the project: {', '.join(own.values())}."
    return message


class ActionModule(ActionBase):
    """Renders the entries on the control node and applies them with one remote call."""

    TRANSFERS_FILES = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the action; the result is the module's, without the file contents."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        otherwise = self._task.args.get("otherwise", "as it is")
        if otherwise not in OTHERWISE:
            raise AnsibleActionFail(f"system_state: otherwise is one of {', '.join(OTHERWISE)}, not {otherwise!r}")
        entries = [
            self._with_data(normalise(entry), task_vars)
            for raw in flat(self._task.args.get("files") or [])
            if (entry := due(raw, otherwise)) is not None
        ]
        origins = {entry["path"]: entry.pop("origin") for entry in entries}
        arguments = {
            "owner": self._task._role.get_name() if self._task._role else "play",
            "run": current_run(task_vars),
            "files": entries,
            # Apart from the rest, because the host's journal gets to know a module's arguments.
            "contents": {entry["path"]: entry.pop("data") for entry in entries},
            "units": self._task.args.get("units") or [],
        }
        result: dict[str, Any] = self._execute_module(
            module_name="samestack.core.system_state", module_args=arguments, task_vars=task_vars
        )
        # The contents would otherwise be printed with -vvv, secrets among them.
        result.pop("invocation", None)
        port = self._task.args.get("login_port")
        confirm(self, result, task_vars, int(port) if port else None)
        said = str(result.get("msg", ""))
        if result.get("failed") and (message := with_own_names(said, origins)) != said:
            # What was raised has the words from before.
            result.pop("exception", None)
            result["msg"] = message
        return result

    def _with_data(self, entry: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Replace the entry's content key by `data` (base64)."""
        content: bytes | None = None
        if entry.get("template"):
            content = self._render(entry["template"], task_vars | (entry.get("vars") or {})).encode()
        elif entry.get("source"):
            content = Path(self._find("files", entry["source"])).read_bytes()
        elif entry.get("content") is not None:
            content = str(entry["content"]).encode()
        cleaned = {key: value for key, value in entry.items() if key not in (*CONTENT_KEYS, "vars", "when")}
        given = str(entry.get("template") or entry.get("source") or "")
        own = given.startswith("/") and Path(given).is_relative_to(project_root())
        cleaned["origin"] = str(Path(given).relative_to(project_root())) if own else ""
        return cleaned | {"data": base64.b64encode(content).decode() if content is not None else None}

    def _find(self, folder: str, name: str) -> str:
        try:
            return str(self._find_needle(folder, name))
        except AnsibleError as error:
            raise AnsibleActionFail(f"system_state: {error}") from error

    def _render(self, name: str, task_vars: dict[str, Any]) -> str:
        """Render a template as ansible.builtin.template does, block trimming included."""
        source = Path(self._find("templates", name))
        text = trust_as_template(self._loader.get_text_file_contents(str(source)))
        search = [str(Path(folder) / "templates") for folder in task_vars.get("ansible_search_path", [])]
        # Whoever finds the file on a server learns where it is made; the absolute path would differ between laptops.
        made_from = "/".join(source.parts[-4:])
        managed = {"ansible_managed": f"Made by Samestack from {made_from}; changes made here are overwritten."}
        templar = self._templar.copy_with_new_env(
            searchpath=[str(source.parent), *search], available_variables=task_vars | managed
        )
        return str(templar.template(text, escape_backslashes=False, overrides={"trim_blocks": True}) or "")
