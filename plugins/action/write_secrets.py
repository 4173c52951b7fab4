"""The control-node half of `write_secrets`: an environment gets the secrets that it lacks, without showing one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.action import ActionBase

from ..plugin_utils.errors import SamestackError, failing
from ..plugin_utils.files import write_whole
from ..plugin_utils.inventory import environment as in_hand
from ..plugin_utils.inventory.files import label
from ..plugin_utils.secrets import keys as store
from ..plugin_utils.secrets.vault import real_secrets_text, vault_passwords

if TYPE_CHECKING:
    from pathlib import Path


class ActionModule(ActionBase):
    """Make or complete the file with an environment's secrets."""

    _VALID_ARGS: frozenset[str] = frozenset()
    _requires_connection = False
    _supports_check_mode = True

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the file, the names that were added, and what is left for people to do (`notes`)."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        host, groups = task_vars["inventory_hostname"], task_vars["groups"]
        folder = in_hand.main_folder(task_vars.get("ansible_inventory_sources") or [])
        wrong = list(in_hand.environment_problems(task_vars, several=False))
        if wrong or folder is None:
            raise SamestackError("\n\n".join(map(str, wrong)) or "there are no decisions beside this inventory")
        environment = in_hand.environments_of(host, groups)[0]
        local = in_hand.is_local(host, groups)
        try:
            return result | self._write(folder, environment, local=local)
        except ValueError as error:
            file = label(store.secret_file(folder, environment, local=local), folder.parent)
            raise SamestackError(f"{file} {error}. Correct it, or move it away.") from None

    def _write(self, folder: Path, environment: str, *, local: bool) -> dict[str, Any]:
        path = store.secret_file(folder, environment, local=local)
        text = ""
        if path.exists():
            text = path.read_text(encoding="utf-8") if local else real_secrets_text(self._loader, folder, environment)
        values = store.read_secrets(text)
        new = store.names_to_invent(values)
        needed = store.needed_secrets(folder)
        foreign = store.missing_secrets(values, set(needed) - set(new))
        place = label(path, folder.parent)
        how = f"edit {place}" if local else f"`ansible-vault edit {place}`"
        notes = [f"{name} (used in {needed[name]}) cannot be made up. Add it with {how}." for name in foreign]
        if new and not self._task.check_mode:
            text = store.with_new_secrets(text, new)
            notes = (self._write_local(path, text) if local else self._encrypt(folder, environment, text)) + notes
        return {"changed": bool(new), "file": place, "added": new, "notes": notes}

    @staticmethod
    def _write_local(path: Path, text: str) -> list[str]:
        write_whole(path, text, 0o600)
        return []

    def _encrypt(self, folder: Path, environment: str, text: str) -> list[str]:
        """Write the encrypted file; makes up a vault password where the run was given none. Return what to tell."""
        passwords = vault_passwords(self._loader, folder, environment)
        notes = []
        if not passwords:
            file = store.password_file(folder, environment)
            password = secrets.token_urlsafe(store.SECRET_BYTES)
            write_whole(file, f"{password}\n", 0o600)
            passwords = [(environment, VaultSecret(password.encode()))]
            notes.append(
                f"A vault password was made for {environment}: {label(file, folder.parent)}. It is found there by "
                "itself on this computer. Keep a copy in a password manager: without it the secrets are lost."
            )
        vault_id, secret = passwords[0]
        # `default` is the name that Ansible gives to a password without one; such files carry no name.
        named = None if vault_id == "default" else vault_id
        encrypted = VaultLib(passwords).encrypt(text, secret, named)
        write_whole(store.secret_file(folder, environment, local=False), encrypted, 0o600)
        return notes
