"""The file with the secrets of one environment: read, changed, written as a whole, with the dates beside it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from ansible.parsing.vault import VaultLib, VaultSecret

from ..errors import SamestackError
from ..files import write_whole
from ..inventory import environment as in_hand
from ..inventory.files import label
from . import dates, keys, sops
from .vault import opening, real_secrets_text, vault_passwords

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping
    from pathlib import Path

    from ansible.parsing.dataloader import DataLoader


def words(environment: str, *, local: bool) -> str:
    """Return an environment as it is typed: the local stand-in of another is its rehearsal."""
    return f"{environment} --rehearsal" if local and environment != "dev" else environment


class SecretFile:
    """The secrets of an environment of the inventory in a folder, as they are now."""

    def __init__(self, loader: DataLoader, folder: Path, environment: str, *, local: bool) -> None:
        """Read them. Raises SecretError where they cannot be had, ValueError where they cannot be understood."""
        self.loader, self.folder, self.environment, self.local = loader, folder, environment, local
        self.path = keys.secret_file(folder, environment, local=local)
        self.place = label(self.path, folder.parent)
        self.text = self._read() if self.path.exists() else ""
        self.values: dict[str, Any] = keys.read_secrets(self.text)
        #: What people have to be told of what was done
        self.notes: list[str] = []

    @property
    def words(self) -> str:
        """Return the environment as it is typed."""
        return words(self.environment, local=self.local)

    @property
    def is_sops(self) -> bool:
        """Tell whether the file is encrypted with SOPS."""
        return not self.local and self.path.exists() and sops.is_sops(self.path.read_text(encoding="utf-8"))

    def _read(self) -> str:
        if self.local:
            return self.path.read_text(encoding="utf-8")
        return real_secrets_text(self.loader, self.folder, self.environment)

    def change(
        self, changes: Mapping[str, str | None], changed: Mapping[str, datetime.date | None] | None = None
    ) -> None:
        """Give secrets other values, or (None) none.

        Args:
            changes: the values, by name.
            changed: their dates where that is not today; None leaves the date as it was.
        """
        text = keys.with_values(self.text, changes)
        when: dict[str, datetime.date | None] = {**dict.fromkeys(changes, dates.today()), **(changed or {})}
        self.write(text, {name: date for name, date in when.items() if date})

    def write(self, text: str, changed: Mapping[str, datetime.date]) -> None:
        """Put another text in the file's place, encrypted where it has to be, and note the dates."""
        values = keys.read_secrets(text)
        if self.local:
            write_whole(self.path, text, 0o600)
        else:
            self._encrypt(text)
        self.text, self.values = text, values
        dates.write(self.path, values, changed)

    def _encrypt(self, text: str) -> None:
        """Write the encrypted file; makes up a vault password where the run was given none."""
        if self.is_sops:
            sops.write(self.path, self.place, text)
            return
        passwords = vault_passwords(self.loader, self.folder, self.environment)
        if not passwords:
            file = keys.password_file(self.folder, self.environment)
            password = secrets.token_urlsafe(keys.SECRET_BYTES)
            write_whole(file, f"{password}\n", 0o600)
            passwords = [(self.environment, VaultSecret(password.encode()))]
            self.notes.append(
                f"A vault password was made for {self.environment}: {label(file, self.folder.parent)}. It is found "
                "there by itself on this computer. Keep a copy in a password manager: without it the secrets are lost."
            )
        # Several may be at hand, also one that was good until the file got another.
        before = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        self._seal(text, *(opening(passwords, before) if before else passwords[0]))

    def _seal(self, text: str, vault_id: str, secret: VaultSecret) -> None:
        # `default` is the name that Ansible gives to a password without one; such files carry no name.
        named = None if vault_id == "default" else vault_id
        write_whole(self.path, VaultLib([(vault_id, secret)]).encrypt(text, secret, named), 0o600)

    def rekey(self) -> Path | None:
        """Encrypt the file with a new vault password; returns where that is kept, None where SOPS knows by itself.

        Wherever this is cut off, a password that opens the file is kept, and the next call goes on with it.
        """
        if self.is_sops:
            sops.rekey(self.path, self.place)
            return None
        coming = keys.next_password_file(self.folder, self.environment)
        if not coming.is_file():
            write_whole(coming, f"{secrets.token_urlsafe(keys.SECRET_BYTES)}\n", 0o600)
        self._seal(self.text, self.environment, VaultSecret(coming.read_bytes().strip()))
        return coming.replace(keys.password_file(self.folder, self.environment))


def secret_file_of(loader: DataLoader, task_vars: Mapping[str, Any]) -> SecretFile:
    """Return the secrets of the one environment that a run is about; raises SamestackError."""
    host, groups = task_vars["inventory_hostname"], task_vars["groups"]
    folder = in_hand.main_folder(task_vars.get("ansible_inventory_sources") or [])
    wrong = list(in_hand.environment_problems(task_vars, several=False))
    if wrong or folder is None:
        raise SamestackError("\n\n".join(map(str, wrong)) or "there are no decisions beside this inventory")
    environment, local = in_hand.environments_of(host, groups)[0], in_hand.is_local(host, groups)
    try:
        return SecretFile(loader, folder, environment, local=local)
    except ValueError as error:
        place = label(keys.secret_file(folder, environment, local=local), folder.parent)
        raise SamestackError(f"{place} {error}. Correct it, or move it away.") from None
