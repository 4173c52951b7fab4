"""An environment's secrets in somebody's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret, get_file_vault_secret

from plugins.plugin_utils.errors import SamestackError
from plugins.plugin_utils.inventory.files import VAULT_HEADER
from plugins.plugin_utils.secrets import dates, keys
from plugins.plugin_utils.secrets.secret_file import SecretFile

from .command import stop
from .project import PROJECT

if TYPE_CHECKING:
    from .playbook import Run


def opened(on: Run) -> SecretFile:
    """Return the secrets of an environment; asks for the vault password where nobody has given one.

    Raises SamestackError or ValueError where they cannot be read.
    """
    local = on.rehearsal or on.environment == "dev"
    folder = PROJECT / "inventories"
    loader = DataLoader()
    loader.set_vault_secrets(given_passwords(loader))
    path = keys.secret_file(folder, on.environment, local=local)
    encrypted = not local and path.exists() and path.read_text(encoding="utf-8").startswith(VAULT_HEADER)
    if encrypted and not loader._vault.secrets and not keys.password_file(folder, on.environment).is_file():
        typed = click.prompt(f"Vault password of {on.environment}", hide_input=True)
        loader.set_vault_secrets([("default", VaultSecret(typed.encode()))])
    return SecretFile(loader, folder, on.environment, local=local)


def edit_secrets(on: Run) -> None:
    """Open the secrets in an editor, and write them back, with the date of each that changed."""
    try:
        file = opened(on)
        text = edited(file.text or "---\n")
        while (problem := trouble(text)) and click.confirm(f"The text {problem}. Edit it again?", default=True):
            text = edited(text)
        if problem:
            stop("Nothing was changed.")
        values = keys.read_secrets(text)
        changed = [name for name, value in values.items() if file.values.get(name) != value]
        if changed or set(values) != set(file.values):
            file.write(text, dict.fromkeys(changed, dates.today()))
        click.echo(f"{file.place}: " + (f"changed {', '.join(changed)}." if changed else "no value is another one."))
        for note in file.notes:
            click.echo(note)
        if changed:
            click.echo(f"`./samestack provision {file.words}` brings it to the machines.")
    except (SamestackError, ValueError) as error:
        stop(str(error))


def trouble(text: str) -> str:
    """Return what is wrong with the text of secrets, without quoting it; "" where nothing is."""
    try:
        keys.read_secrets(text)
    except ValueError as error:
        return str(error)
    return ""


def given_passwords(loader: DataLoader) -> list[tuple[str, VaultSecret]]:
    """Return the vault password of ANSIBLE_VAULT_PASSWORD_FILE, if there is one; a program there is run."""
    file = os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE")
    if not file:
        return []
    secret = get_file_vault_secret(filename=str(Path(PROJECT, Path(file).expanduser())), loader=loader)
    secret.load()
    return [("default", secret)]


def edited(text: str) -> str:
    """Return a text as somebody leaves it in the editor; it is nowhere else and nobody else's meanwhile."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    # A person's own folder in memory, where there is one. What an editor leaves beside the file goes with it.
    memory = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="samestack-secrets-", dir=memory if memory.is_dir() else None) as folder:
        file = Path(folder) / "secrets.yml"
        file.write_text(text, encoding="utf-8")
        done = subprocess.run([*shlex.split(editor), str(file)], check=False)
        if done.returncode:
            stop(f"The editor ({editor}) failed. Nothing was changed.")
        return file.read_text(encoding="utf-8")
