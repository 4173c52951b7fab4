"""The control-node half of `write_secrets`: an environment gets the secrets that it lacks, without showing one."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.errors import DecisionError, SamestackError, failing
from ..plugin_utils.inventory.formats import FORMATS, parse_duration
from ..plugin_utils.secrets import dates, keys, overview
from ..plugin_utils.secrets.secret_file import SecretFile, secret_file_of

DAY = 86400


class ActionModule(ActionBase):
    """Make or complete the file with an environment's secrets, and say how old they are."""

    _VALID_ARGS = frozenset({"age", "ages"})
    _requires_connection = False
    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the file, the names that were added, all of them with their ages, what differs, and notes."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self._task.args
        usual = days("security_secret_age", args["age"])
        ages = {name: days(f"security_secret_ages.{name}", text) for name, text in (args.get("ages") or {}).items()}
        file = secret_file_of(self._loader, task_vars or {})
        try:
            added = self._add(file)
            known = dates.read(file.path)
        except ValueError as error:
            raise SamestackError(f"{file.place} {error}. Correct it, or move it away.") from None
        others = overview.others(file.folder, file.environment, local=file.local)
        return result | {
            "changed": bool(added),
            "file": file.place,
            "added": added,
            "notes": [*file.notes, *self._foreign(file, added)],
            "table": list(overview.table(file.words, known, ages, usual)),
            "differences": list(overview.differences(file.words, file.values, others)),
        }

    def _add(self, file: SecretFile) -> list[str]:
        """Give the file what it lacks and may be made up; returns the names."""
        new = keys.names_to_invent(file.values)
        if self._task.check_mode:
            return new
        if new:
            file.change(dict(keys.new_values(new)))
        elif file.values:
            # What `ansible-vault edit` brought in has no date, but a name.
            dates.write(file.path, file.values, {})
        return new

    @staticmethod
    def _foreign(file: SecretFile, added: list[str]) -> list[str]:
        needed = keys.needed_secrets(file.folder)
        edit = f"`./samestack secrets {file.words} --edit`"
        return [
            f"{name} (used in {needed[name]}) cannot be made up. Add it with {edit}."
            for name in keys.missing_secrets(file.values, set(needed) - set(added))
        ]


def days(name: str, text: Any) -> int:
    """Return a duration in whole days; raises DecisionError."""
    try:
        return parse_duration(str(text)) // DAY
    except ValueError as error:
        raise DecisionError(name, text, str(error), FORMATS["duration"].advice) from error
