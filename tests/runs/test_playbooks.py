"""The inventory's rules through ansible-playbook: the plays stop where they should, and say so in one paragraph."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.inventory.project_copy import PROJECT, Project

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def play(project: Project, playbook: str, inventory: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [
        str(PLAYBOOK),
        "-i",
        str(project.file(f"{inventory}.yml")),
        str(PROJECT / "playbooks" / playbook),
        *arguments,
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    environment.pop("ANSIBLE_VAULT_PASSWORD_FILE", None)
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, env=environment, cwd=PROJECT, stdin=subprocess.DEVNULL
    )


def test_a_typo_stops_the_run_before_any_host(project: Project) -> None:
    project.add("group_vars/dev/differences.yml", "web_upload_limt: 1g")
    run = play(project, "preflight.yml", "dev")
    assert run.returncode != 0
    assert "web_upload_limt = 1g (in inventories/group_vars/dev/differences.yml:" in run.stdout + run.stderr
    assert "The hosts can be worked on" not in run.stdout


def test_an_empty_inventory_is_no_success(project: Project) -> None:
    project.file("staging.yml").write_text("staging: {hosts: {}}\n", encoding="utf-8")
    run = play(project, "preflight.yml", "staging")
    assert run.returncode != 0
    assert "the inventory has no hosts" in run.stdout + run.stderr


def test_machines_that_were_never_made(project: Project) -> None:
    run = play(project, "preflight.yml", "dev")
    assert run.returncode != 0
    assert "the machine has not been made yet" in run.stdout
    assert "./samestack up" in run.stdout


def test_a_source_that_is_not_there_stops_a_run_before_any_host(project: Project) -> None:
    """The machine has not been made, and that is not what is said."""
    repository = project.root / "site"
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(repository)], check=True)
    commit = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org", "commit"]
    subprocess.run([*commit, "--quiet", "--allow-empty", "--message=one"], check=True)
    source = f"type: git\n  url: {repository}\n  ref: mian"
    project.replace("group_vars/all/app.yml", "type: path\n  path: examples/noticeboard", source)
    for words, said in (
        ([], "app_source.ref = mian (in inventories/group_vars/all/app.yml)"),
        (["-e", "release_ref=v1"], "release_ref = v1 (in the command line)"),
    ):
        run = play(project, "deploy.yml", "rehearsal", "--limit", "staging", *words)
        assert run.returncode != 0
        assert said in run.stdout, run.stdout
        assert "the machine has not been made yet" not in run.stdout
    run = play(project, "deploy.yml", "rehearsal", "--limit", "staging", "-e", "release_ref=main")
    assert "the machine has not been made yet" in run.stdout


def test_a_source_is_looked_at_without_any_host(project: Project) -> None:
    shutil.copytree(PROJECT / "examples/noticeboard", project.root / "examples/noticeboard", dirs_exist_ok=True)
    looks = ["-e", "release_look=project preflight_environments=any preflight_fetches=true"]
    for inventory in ("dev", "rehearsal"):
        run = play(project, "validate.yml", inventory, *looks)
        assert run.returncode == 0, run.stdout
    project.replace("group_vars/all/app.yml", '# app_settings_module: ""', "app_settings_module: noticeboard.prod")
    for inventory in ("dev", "rehearsal"):
        run = play(project, "validate.yml", inventory, *looks)
        assert run.returncode != 0
        assert "app_settings_module = noticeboard.prod" in run.stdout + run.stderr


def vault(password: Path) -> VaultLib:
    return VaultLib([("default", VaultSecret(password.read_bytes().strip()))])


def decrypt(project: Project, environment: str, password: Path) -> dict[str, str]:
    text = project.file(f"vault/{environment}.yml").read_text(encoding="utf-8")
    values: dict[str, str] = yaml.safe_load(vault(password).decrypt(text))
    return values


def test_secrets_are_made_once_encrypted_and_never_shown(project: Project) -> None:
    project.make_real()
    project.replace("production.yml", "www.noticeboard.net", "127.0.0.1\n      ansible_port: 9")
    first = play(project, "secrets.yml", "production", "-vvv")
    assert first.returncode == 0, first.stdout
    password = project.root / ".samestack" / "vault-password-production"
    assert password.stat().st_mode & 0o777 == 0o600
    file = project.file("vault/production.yml")
    assert file.read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT")
    before, values = file.read_bytes(), decrypt(project, "production", password)
    assert {"vault_app_secret_key", "vault_database_password", "vault_redis_password"} <= set(values)
    assert all(len(value) >= 64 for value in values.values())
    assert len(set(values.values())) == len(values)

    again = play(project, "secrets.yml", "production", "-vvv")
    assert "changed=0" in again.stdout
    assert file.read_bytes() == before

    # The inventory is legal and its secrets are loaded; the server does not answer.
    loaded = play(project, "preflight.yml", "production", "-vvv")
    assert loaded.returncode != 0
    assert "ok=3" in loaded.stdout, loaded.stdout
    assert "production1, ansible_host = 127.0.0.1 (in inventories/production.yml:" in loaded.stdout
    assert "no ssh server listens there" in loaded.stdout
    for run in (first, again, loaded):
        shown = run.stdout + run.stderr
        assert not [value for value in (*values.values(), password.read_text().strip()) if value in shown]


def test_a_key_that_is_missing_is_added_and_the_others_stay(project: Project, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("one for the test\n", encoding="utf-8")
    file = project.file("vault/staging.yml")
    file.parent.mkdir(exist_ok=True)
    text = "# mine\nvault_database_password: kept\nvault_mail_password: mine\n"
    file.write_bytes(vault(password).encrypt(text, vault(password).secrets[0][1]))
    assert play(project, "secrets.yml", "staging", "--vault-password-file", str(password)).returncode == 0
    values = decrypt(project, "staging", password)
    assert values.items() >= {"vault_database_password": "kept", "vault_mail_password": "mine"}.items()
    assert len(values["vault_app_secret_key"]) == 64
    assert not (project.root / ".samestack" / "vault-password-staging").exists()
