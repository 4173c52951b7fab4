"""The encrypted secrets of a real environment: every way in which they cannot be had is one clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret

from plugins.plugin_utils.secrets.keys import needed_secrets, new_values, with_values
from plugins.plugin_utils.secrets.vault import secret_problems

if TYPE_CHECKING:
    from pathlib import Path

    from tests.inventory.project_copy import Project

RIGHT = VaultSecret(b"right")


def problems(project: Project, password: bytes | None) -> list[str]:
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(password))] if password else [])
    return [str(problem) for problem in secret_problems(loader, project.file(""), "staging", local=False)]


@pytest.fixture
def file(project: Project) -> Path:
    path = project.file("vault/staging.yml")
    path.parent.mkdir(exist_ok=True)
    return path


def complete(project: Project) -> str:
    return with_values("", new_values(needed_secrets(project.file(""))))


def encrypt(text: str) -> bytes:
    encrypted: bytes = VaultLib([("default", RIGHT)]).encrypt(text, RIGHT)
    return encrypted


def test_all_is_well(project: Project, file: Path) -> None:
    file.write_bytes(encrypt(complete(project)))
    assert problems(project, b"right") == []


def test_no_file(project: Project) -> None:
    (problem,) = problems(project, b"right")
    assert problem.startswith(
        "secrets of staging (in inventories/vault/staging.yml): there is no such file. Run `./samestack "
    )


def test_not_encrypted(project: Project, file: Path) -> None:
    file.write_text(complete(project), encoding="utf-8")
    (problem,) = problems(project, b"right")
    assert "the file is not encrypted. Encrypt it with `ansible-vault encrypt inventories/vault/staging.yml`" in problem


@pytest.mark.parametrize(
    ("password", "says"), [(b"wrong", "the vault password is wrong"), (None, "no vault password was given")]
)
def test_no_password_or_a_wrong_one(project: Project, file: Path, password: bytes | None, says: str) -> None:
    file.write_bytes(encrypt(complete(project)))
    (problem,) = problems(project, password)
    assert problem.startswith(f"vault password (in inventories/vault/staging.yml): {says}")
    assert "--vault-password-file" in problem
    assert ".samestack/vault-password-staging" in problem


def test_the_password_that_was_made_here_is_found(project: Project, file: Path) -> None:
    file.write_bytes(encrypt(complete(project)))
    kept = project.root / ".samestack" / "vault-password-staging"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("right\n", encoding="utf-8")
    kept.chmod(0o644)
    (problem,) = problems(project, None)
    assert "others on this computer can read the file. Run `chmod 600 .samestack/vault-password-staging`" in problem
    kept.chmod(0o600)
    assert problems(project, None) == []


def test_a_key_without_a_value(project: Project, file: Path) -> None:
    file.write_bytes(
        encrypt(complete(project).replace("vault_database_password: ", "# ") + "vault_redis_password: ''\n")
    )
    found = problems(project, b"right")
    assert [problem.split(" ")[0] for problem in found] == ["vault_database_password", "vault_redis_password"]
    assert all("Add it with `ansible-vault edit inventories/vault/staging.yml`" in problem for problem in found)


def test_a_file_that_is_no_yaml(project: Project, file: Path) -> None:
    file.write_bytes(encrypt("vault_x: [hunter2"))
    (problem,) = problems(project, b"right")
    assert "holds no YAML" in problem
    assert "hunter2" not in problem


def test_a_value_that_lies_open_in_the_inventory_is_none(project: Project, file: Path) -> None:
    file.write_bytes(encrypt(complete(project).replace("vault_redis_password: ", "# ")))
    project.add("group_vars/staging/own.yml", "vault_redis_password: open")
    (problem,) = problems(project, b"right")
    assert problem.startswith("vault_redis_password (in inventories/vault/staging.yml): it has no value")
