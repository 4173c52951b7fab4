"""Where backups go is checked before a host is touched; production names a place off its machine, or says why not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from plugins.plugin_utils.secrets.keys import invented_secrets, needed_secrets

if TYPE_CHECKING:
    from tests.inventory.project_copy import Project

PRODUCTION = "group_vars/production/differences.yml"
DELIVERED = "backup_repositories:\n  - type: host\n"


def said(project: Project, *inventories: str) -> list[str]:
    """What is wrong with backups."""
    found = dict.fromkeys(project.check(*(inventories or ("production",))))
    return [text for text in found if text.startswith(("backup", "group backup"))]


@pytest.fixture
def real(project: Project) -> Project:
    project.make_real()
    return project


def test_as_it_comes(real: Project) -> None:
    assert said(real) == []
    assert said(real, "staging") == []


@pytest.mark.parametrize("decided", ["backup_repositories: []\n", "", "backup_repositories: [{type: local}]\n"])
def test_production_without_a_place_off_its_machine(real: Project, decided: str) -> None:
    real.replace(PRODUCTION, DELIVERED, decided)
    (problem,) = said(real)
    assert problem.startswith("backup_repositories = ")
    assert "production has no backup off its machine" in problem
    assert "backup_repositories: [{type: host}]" in problem
    # The short way, which says why there is none; its own disk is no place for one, whatever the reason.
    real.add(PRODUCTION, 'backup_none_because: "nothing in it is worth keeping"')
    assert said(real) == ([problem] if "local" in decided else [])


def test_others_need_none(real: Project) -> None:
    real.add("group_vars/staging/differences.yml", "backup_repositories: [{type: local}]")
    assert said(real, "staging") == []
    assert said(real, "dev") == []


def test_nobody_is_in_the_group(real: Project) -> None:
    real.replace("production.yml", "backup:\n  hosts:\n    backup1:\n", "")
    (problem,) = said(real)
    assert problem.startswith(f"backup_repositories = type: host (in inventories/{PRODUCTION}:")
    assert "no machine of production is in group backup" in problem


def test_two_machines_would_be_two_halves(real: Project) -> None:
    real.replace("production.yml", "backup:\n  hosts:\n", "backup:\n  hosts:\n    production1:\n")
    (problem,) = said(real)
    assert "production has one machine for its backups, not several" in problem


def test_a_place_is_there_once(real: Project) -> None:
    real.replace(PRODUCTION, DELIVERED, f"{DELIVERED}  - type: host\n")
    (problem,) = said(real)
    assert problem.startswith("backup_repositories[1] (in")
    assert "host is there twice" in problem


@pytest.mark.parametrize(
    ("decided", "words"),
    [
        ("backup_repositories: [{type: tape}]\n", "not one of host, s3, sftp, local"),
        ("backup_repositories: [{}]\n", "type"),
        ("backup_repositories: host\n", "list"),
        (f"{DELIVERED}backup_keep: a month\n", "Write a whole number with s, m, h, d or w"),
        (f"{DELIVERED}backup_keep: 90m\n", "this is less than a day"),
        (f"{DELIVERED}backup_disk_limit: much\n", "whole number"),
        (f"{DELIVERED}backup_disk_limit: 100\n", "leaves some room"),
        (f"{DELIVERED}backup_disk_limit: -1\n", "leaves some room"),
        (f"{DELIVERED}backup_repositorys: []\n", "Write backup_repositories"),
    ],
)
def test_what_is_no_place(real: Project, decided: str, words: str) -> None:
    real.replace(PRODUCTION, DELIVERED, decided)
    assert any(words in text for text in project_problems(real)), project_problems(real)


def project_problems(project: Project) -> list[str]:
    return list(dict.fromkeys(project.check("production")))


def test_machines_that_talk_to_each_other_have_numbers(real: Project) -> None:
    real.replace("production.yml", "      machine_address: 203.0.113.32\n", "")
    (problem,) = [text for text in project_problems(real) if text.startswith("machine_address")]
    assert "is no IP address" in problem


BUCKET = {
    "type": "s3", "endpoint": "s3.eu-1.storage.test", "bucket": "kept", "region": "eu-1",
    "access_key": "{{ vault_backup_s3_key }}", "secret_key": "{{ vault_backup_s3_secret }}",
}  # fmt: skip
SERVER = {
    "type": "sftp", "host": "u1.storage.test", "port": 23, "user": "u1", "path": "/backups",
    "private_key": "{{ vault_backup_sftp_key }}",
    "known_hosts": ["# comment", "u1.storage.test ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ5"],
}  # fmt: skip


def decided(project: Project, *repositories: dict[str, object]) -> list[str]:
    """What is wrong once these are written down."""
    project.replace(PRODUCTION, DELIVERED, yaml.safe_dump({"backup_repositories": list(repositories)}))
    return said(project)


def test_a_bucket_and_a_server_are_off_the_machine(real: Project) -> None:
    assert decided(real, BUCKET, SERVER) == []


@pytest.mark.parametrize("one", [BUCKET, SERVER], ids=["s3", "sftp"])
def test_each_of_them_alone_is(real: Project, one: dict[str, object]) -> None:
    assert decided(real, one) == []


@pytest.mark.parametrize(
    ("one", "variable", "words"),
    [
        ({**BUCKET, "endpoint": "https://s3.storage.test"}, "endpoint", "this is not the name of a service"),
        ({**BUCKET, "endpoint": "s3.storage.test/kept"}, "endpoint", "this is not the name of a service"),
        ({**BUCKET, "bucket": "My_Bucket"}, "bucket", "this is not the name of a bucket"),
        ({**BUCKET, "region": "eu 1"}, "region", "this is not a region"),
        ({**BUCKET, "region": ""}, "region", "a value is required where type is s3"),
        ({**BUCKET, "secret_key": "plain"}, "secret_key", "belongs into the vault"),
        ({**BUCKET, "authority": "nonsense"}, "authority", "this is no certificate"),
        ({**BUCKET, "path_style": "maybe"}, "path_style", "this is not true or false"),
        ({**BUCKET, "host": "x.storage.test"}, "host", "type s3 has no host"),
        ({**SERVER, "host": "u1 storage"}, "host", "neither an address nor the name of a host"),
        ({**SERVER, "port": 123456}, "port", "port"),
        ({**SERVER, "user": "-oProxyCommand=x"}, "user", "this is not an account"),
        ({**SERVER, "path": "backups"}, "path", "absolute path"),
        ({**SERVER, "path": "/backups/../.."}, "path", "this is not an absolute path of plain names"),
        ({**SERVER, "known_hosts": ["SHA256:abc"]}, "known_hosts", "this is no key of a server"),
        ({**SERVER, "known_hosts": ["ssh-ed25519 AAAAnonsense"]}, "known_hosts", "this is no key of a server"),
        ({**SERVER, "private_key": "-----BEGIN PRIVATE KEY-----"}, "private_key", "belongs into the vault"),
        ({**SERVER, "bucket": "kept"}, "bucket", "type sftp has no bucket"),
        ({**SERVER, "passwort": "x"}, "passwort", "has no such key"),
    ],
)  # fmt: skip
def test_each_field_is_looked_at(real: Project, one: dict[str, object], variable: str, words: str) -> None:
    (problem,) = decided(real, one)
    assert problem.startswith(f"backup_repositories[0].{variable}")
    assert words in problem
    assert PRODUCTION in problem
    assert not re.search(r"plain\b(?! names)|BEGIN PRIVATE", problem)


def test_secrets_that_a_run_knows_already_are_not_in_the_open(real: Project) -> None:
    """A run of several parts looks again when the secrets are variables."""
    real.add("group_vars/all/app.yml", "vault_backup_s3_key: A\nvault_backup_s3_secret: B\n")
    assert not [text for text in decided(real, BUCKET) if "vault" in text]


def test_keys_that_nobody_has_given(real: Project) -> None:
    """Whoever refers to them is told where they are missing."""
    assert decided(real, BUCKET, SERVER) == []
    needed = needed_secrets(real.file(""))
    for name in ("vault_backup_s3_key", "vault_backup_s3_secret", "vault_backup_sftp_key"):
        assert needed[name].startswith(f"inventories/{PRODUCTION}")
        assert name not in invented_secrets()
