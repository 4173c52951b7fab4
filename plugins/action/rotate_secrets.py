"""The control-node half of `rotate_secrets`: one step of a rotation, in the file with an environment's secrets."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.errors import SamestackError, failing
from ..plugin_utils.inventory.files import label, variable_files
from ..plugin_utils.secrets import dates, rotation
from ..plugin_utils.secrets.secret_file import SecretFile, secret_file_of

# In a template
ROLE = re.compile(r"\{[{%][^}]*\bdatabase_user\b")
# SECRET_KEY_FALLBACKS, and sessions that outlive a key, came with Django 4.1.
FIRST_DJANGO = [4, 1]


class ActionModule(ActionBase):
    """Make the next step."""

    _VALID_ARGS = frozenset({"kinds", "applied", "finish", "application", "network"})
    _requires_connection = False
    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `answer`: what remains, whether it has to be applied, and what to say."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False, "remote_calls": 0}
        args = self._task.args
        kinds, finish, applied = list(args["kinds"]), bool(args.get("finish")), bool(args.get("applied"))
        file = secret_file_of(self._loader, task_vars or {})
        if "database" in kinds and args.get("network"):
            check_login(file)
        accepted_for = datetime.timedelta()
        if "app_key" in kinds:
            check_key(str(file.values.get("vault_app_secret_key", "")), file.words)
            if applied and rotation.stage(file.values, "app_key") == "accept" and not finish:
                accepted_for = session_life(str(args.get("application") or ""))
        try:
            step = rotation.next_step(
                rotation.Found(file.values, dates.read(file.path)),
                kinds,
                applied=applied,
                finish=finish,
                accepted_for=accepted_for,
            )
        except ValueError as error:
            raise SamestackError(f"{file.place} {error}. Correct it, or move it away.") from None
        if step.changes and not self._task.check_mode:
            file.change(step.changes, step.dates)
        return result | {"changed": bool(step.changes), "answer": answer(step, file)}


def answer(step: rotation.Step, file: SecretFile) -> dict[str, Any]:
    """Return what the command is told."""
    say = list(step.say)
    if not step.remaining and not file.local:
        say.append(f"Commit {file.place} and {dates.dates_file(file.path).name}: the other computers need them")
    return {"remaining": step.remaining, "apply": step.apply, "say": say}


def check_login(file: SecretFile) -> None:
    """Raise SamestackError where the inventory takes the name of one role for whoever logs in: two take turns."""
    for path in [*(path for path, _, _ in variable_files(file.folder)), *sorted(file.folder.glob("*.y*ml"))]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if ROLE.search(line) and not line.lstrip().startswith("#"):
                raise SamestackError(
                    f"{label(path, file.folder.parent)}:{number} uses database_user. Over the network two roles take "
                    "turns, each with a password of its own.",
                    "Write database_login there: it is the one whose password vault_database_password is.",
                )


def check_key(value: str, environment: str) -> None:
    """Raise SamestackError for a secret key that cannot stand in a list."""
    if "," in value or value != value.strip():
        raise SamestackError(
            "vault_app_secret_key has a comma or a blank at an end, and SECRET_KEY_FALLBACKS is a list with commas: it "
            "could not be accepted beside a new one.",
            f"Give it another value (`./samestack secrets {environment} --edit`) and provision; people log in anew.",
        )


def session_life(said: str) -> datetime.timedelta:
    """Return how long what an application has signed is good for; raises SamestackError if a new key would end it."""
    try:
        found = json.loads(said)
        version, number, seconds = list(found["django"]), int(found["fallbacks"]), int(found["seconds"])
    except (ValueError, KeyError, TypeError):
        raise SamestackError("the running application did not say what its settings are") from None
    if version < FIRST_DJANGO or not number:
        why = "accepts one secret key (Django before 4.1)" if number else "does not take SECRET_KEY_FALLBACKS"
        raise SamestackError(
            f"The running application {why}: with a new key everybody would be logged out. Nothing uses it yet.",
            'Let its settings read it, as in SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[]), '
            "deploy, and run this again; or run it with --finish.",
        )
    return datetime.timedelta(seconds=seconds)
