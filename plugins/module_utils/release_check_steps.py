"""Runs commands of a release in the application's real environment, and explains how they failed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn

from ansible.module_utils import release_host, release_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SETTINGS_FILE = "inventories/group_vars/all/app.yml"


def check(place: release_host.Place, account: Mapping[str, Any]) -> list[str]:
    """Run Django's checks; returns the migrations that are due. Raises ReleaseError."""
    python = [place.path("venv", "bin", "python"), "-", "check"]
    code, out, err = release_host.run_as_app(place, account, python, stdin=release_host.inside_source())
    answer = release_host.inside_answer(out)
    if code or answer is None:
        fail(place, account, "manage.py check --deploy", err or out)
    pending: list[str] = answer["pending"]
    return pending


def run(place: release_host.Place, account: Mapping[str, Any], commands: Sequence[str]) -> list[str]:
    """Run shell commands one after the other; returns what they printed. Raises ReleaseError."""
    printed: list[str] = []
    for command in commands:
        code, out, err = release_host.run_as_app(place, account, ["/bin/sh", "-ec", command])
        if code:
            fail(place, account, command, f"{out}\n{err}")
        printed += [line for line in out.splitlines() if line.strip()]
    return printed


def fail(place: release_host.Place, account: Mapping[str, Any], command: str, output: str) -> NoReturn:
    """Raise a ReleaseError with the application's own words, and what to do."""
    source = os.path.realpath(place.path("source"))
    why = release_text.excerpt(output, source, 12)
    message = f"Release {place.id} does not run in this environment: `{command}` failed.\n{why}"
    raise release_host.ReleaseError(message, advice(place, account, why))


def advice(place: release_host.Place, account: Mapping[str, Any], why: str) -> str:
    """Return what to do about it: name the environment variables that the settings need and have not."""
    record = place.finished or {}
    given = release_host.environment_file_names(account["env_file"])
    given |= release_host.environment_file_names(place.path("release.env"))
    named = release_text.missing_name(why)
    required = [name for name, needed in record.get("environment", {}).items() if needed and name not in given]
    missing = list(dict.fromkeys(([named] if named and named not in given else []) + (required if named else [])))
    if missing:
        names = ", ".join(missing)
        return (
            f"Set {names} in app_env or app_secret_env (in {SETTINGS_FILE}), run `make provision`, then deploy again."
        )
    if "OperationalError" in why:
        return "The database does not answer as DATABASE_URL says: `make provision` puts it in order."
    return "The release that serves was not touched. Mend this in the project and deploy again."
