"""Reads the encrypted secrets of staging and production: Ansible's own vault, or SOPS. On the control node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret

from ..errors import Problem, SecretError
from ..inventory.files import VAULT_HEADER, label
from . import sops
from .keys import (
    is_readable_by_others,
    local_secrets,
    missing_secrets,
    names_to_invent,
    needed_secrets,
    next_password_file,
    password_file,
    read_secrets,
    secret_file,
    written_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ansible.parsing.dataloader import DataLoader

    VaultSecrets = list[tuple[str, VaultSecret]]

GIVE = "with --vault-password-file or ANSIBLE_VAULT_PASSWORD_FILE, with --ask-vault-pass, or in {file}"


def vault_passwords(loader: DataLoader, folder: Path, environment: str) -> VaultSecrets:
    """Return the vault passwords that the run was given, and the one that `./samestack secrets` invented here."""
    given: VaultSecrets = list(loader._vault.secrets or [])
    for kept in (password_file(folder, environment), next_password_file(folder, environment)):
        if kept.is_file():
            given.append((environment, VaultSecret(kept.read_bytes().strip())))
    return given


def opening(passwords: VaultSecrets, content: str) -> tuple[str, VaultSecret]:
    """Return the first password that opens an encrypted text; where none does, the first."""
    for vault_id, secret in passwords:
        try:
            VaultLib([(vault_id, secret)]).decrypt(content)
        except AnsibleError:
            continue
        return vault_id, secret
    return passwords[0]


def real_secrets_text(loader: DataLoader, folder: Path, environment: str) -> str:
    """Return the decrypted text of an environment's vault file; raises SecretError."""
    path = secret_file(folder, environment, local=False)
    place = label(path, folder.parent)
    if not path.is_file():
        fix = f"Run `./samestack secrets {environment}`: it makes the file with random values and encrypts it"
        raise SecretError(Problem(f"secrets of {environment}", place, "there is no such file", fix))
    content = path.read_text(encoding="utf-8")
    if sops.is_sops(content):
        return sops.decrypted(path, place)
    if not content.startswith(VAULT_HEADER):
        fix = f"Encrypt it with `ansible-vault encrypt {place}`, and change the secrets if the file ever was in git"
        raise SecretError(Problem(f"secrets of {environment}", place, "the file is not encrypted", fix))
    passwords = vault_passwords(loader, folder, environment)
    try:
        return str(VaultLib(passwords).decrypt(content).decode())
    except AnsibleError:
        what = "the vault password is wrong for this file" if passwords else "no vault password was given for this file"
        fix = f"Give it {GIVE.format(file=label(password_file(folder, environment), folder.parent))}"
        raise SecretError(Problem("vault password", place, what, fix)) from None


def environment_secrets(
    loader: DataLoader, folder: Path, environment: str, *, local: bool
) -> tuple[str, dict[str, Any]]:
    """Return the name of the file with the secrets of an environment, and the secrets; raises SecretError.

    A local environment's are made on first use.
    """
    path = secret_file(folder, environment, local=local)
    place = label(path, folder.parent)
    try:
        values = (
            local_secrets(folder, environment)
            if local
            else read_secrets(real_secrets_text(loader, folder, environment))
        )
    except ValueError as error:
        how = f"open it with `ansible-vault edit {place}` and correct it" if not local else "correct or delete it"
        raise SecretError(Problem(f"secrets of {environment}", place, f"the file {error}", how.capitalize())) from None
    return place, values


def secret_problems(loader: DataLoader, folder: Path, environment: str, *, local: bool) -> Iterator[Problem]:
    """Yield what is wrong with the secrets of an environment: no file, no password, values that are missing."""
    try:
        place, values = environment_secrets(loader, folder, environment, local=local)
    except SecretError as error:
        yield error.problem
        return
    kept = password_file(folder, environment)
    if kept.is_file() and is_readable_by_others(kept):
        fix = f"Run `chmod 600 {label(kept, folder.parent)}`"
        yield Problem("vault password", label(kept, folder.parent), "others on this computer can read the file", fix)
    needed = needed_secrets(folder)
    invented = names_to_invent(values)
    # A real environment's secret is in its vault, and nowhere else.
    harmless = written_secrets(folder, environment) if local else set()
    for name in missing_secrets(values, needed.keys() - harmless):
        how = f"add it with `ansible-vault edit {place}`" if not local else f"write a line `{name}: …` into that file"
        if name in invented and not local:
            how += f", or run `./samestack secrets {environment}`, which makes one up"
        yield Problem(name, place, f"it has no value, and {needed[name]} uses it", how[0].upper() + how[1:])
