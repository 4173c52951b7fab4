"""A new password of a package index: asked for, tried at the index, and only then in the place of the one before."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import click

from plugins.plugin_utils.errors import SamestackError
from plugins.plugin_utils.inventory.files import read_settings
from plugins.plugin_utils.secrets import dates
from plugins.plugin_utils.secrets.rotation import NEXT

from .command import stop, unknown
from .playbook import run
from .project import PROJECT
from .secret_editor import opened

if TYPE_CHECKING:
    from .playbook import Run

#: A password that is one secret and nothing else
SECRET = re.compile(r"\s*\{\{\s*(vault_[a-z0-9_]+)\s*\}\}\s*")


def declared(on: Run) -> dict[str, str]:
    """Return the secret that is the password of each package index of an environment, by the index's name."""
    groups = {"all": 0, on.environment: 1}
    found: dict[str, str] = {}
    settings, _ = read_settings(PROJECT / "inventories", PROJECT)
    # What an environment says takes the place of what all say, as Ansible has it.
    for setting in sorted((one for one in settings if one.owner in groups), key=lambda one: groups[one.owner]):
        if setting.name == "release_package_indexes" and isinstance(setting.value, dict):
            passwords = {name: str((index or {}).get("password") or "") for name, index in setting.value.items()}
            found = {str(name): match[1] for name, text in passwords.items() if (match := SECRET.fullmatch(text))}
    return found


def rotate_index(on: Run, name: str, pass_env: str) -> None:
    """Ask for the new password of an index, try it from the host that builds, and put it in the place of the old."""
    indexes = declared(on)
    if not indexes:
        stop(
            "release_package_indexes has no index whose password is a secret. "
            'Write password: "{{ vault_index_password }}" there (inventories/group_vars/all/app.yml).'
        )
    if name and name not in indexes:
        raise click.UsageError(unknown("package index", name, indexes, f"Write one of: {', '.join(indexes)}"))
    if not name and len(indexes) > 1:
        raise click.UsageError(f"--name: there are several package indexes. Write one of: {', '.join(indexes)}")
    name = name or next(iter(indexes))
    secret = indexes[name]
    try:
        file = opened(on)
        value = asked(name, pass_env)
        if value == file.values.get(secret):
            stop(f"{secret} has this value already. Nothing was changed.")
        if "--check" in on.options:
            click.echo(f"{file.place}: {secret} would be tried at {name}, and changed.")
            return
        # The file is the one way by which it reaches the playbook: no argument and no environment ever has it.
        file.change({f"{secret}{NEXT}": value})
        status = run(on.arguments("check-index", index_name=name, index_secret=f"{secret}{NEXT}"))
        same = [other for other, used in indexes.items() if used == secret]
        if status:
            file.change({f"{secret}{NEXT}": None})
            click.echo(f"{file.place}: {secret} is what it was.", err=True)
            sys.exit(status)
        file.change({secret: value, f"{secret}{NEXT}": None})
    except (SamestackError, ValueError) as error:
        stop(str(error))
    click.echo(f"{file.place}: changed {secret}. The next build uses it for {', '.join(same)}.")
    for note in file.notes:
        click.echo(note)
    if not file.local:
        click.echo(f"Commit {file.place} and {dates.dates_file(file.path).name}, and withdraw the one before there.")


def asked(name: str, pass_env: str) -> str:
    """Return the new password: from a variable, from standard input, or from whoever sits at the terminal."""
    if pass_env:
        # What is started from here has no business with it.
        value, source = os.environ.pop(pass_env, ""), f"the variable {pass_env}"
    elif sys.stdin.isatty():
        value, source = click.prompt(f"New password of {name}", hide_input=True), "what was typed"
    else:
        value, source = sys.stdin.readline().rstrip("\r\n"), "standard input"
    if not re.fullmatch(r"[!-~]+", value):
        stop(f"The new password of {name} is no word of plain letters and signs ({source}). Nothing was changed.")
    return value
