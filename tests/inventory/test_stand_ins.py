"""Which local machines have nothing to do, by the decisions as Ansible resolves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from box.resolve import Inventory
from tests.inventory.project_copy import Project

if TYPE_CHECKING:
    from pathlib import Path

S3 = '[{type: s3, endpoint: s3.example.org, bucket: b, region: r, access_key: a, secret_key: "{{ vault_nobody }}"}]'


def test_this_computer_is_told_where_caught_mail_is_read(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert Inventory(str(project.file("dev.yml"))).domains("dev1") == ["noticeboard.test", "mail.noticeboard.test"]
    assert Inventory(str(project.file("rehearsal.yml"))).domains("staging1") == ["staging.noticeboard.test"]
    dev = "group_vars/dev/differences.yml"
    project.replace(dev, "app_catch_mail: true", "app_catch_mail: false")
    assert Inventory(str(project.file("dev.yml"))).domains("dev1") == ["noticeboard.test"]


def test_a_name_that_the_site_has_itself_is_the_sites(tmp_path: Path) -> None:
    project = Project(tmp_path)
    names = 'app_domains:\n  - "{{ app_name }}.test"'
    project.replace("group_vars/dev/differences.yml", names, f"{names}\n  - mail.noticeboard.test")
    inventory = Inventory(str(project.file("dev.yml")))
    assert inventory.domains("dev1") == ["noticeboard.test", "mail.noticeboard.test"]
    assert inventory.variables("dev1", "app_mail_domain") == {
        **inventory.variables("dev1"), "app_mail_domain": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("decided", "idle"),
    [
        ("[{type: host}]", []),
        ("[]", ["backup1"]),
        (S3, ["backup1"]),
        ("[{type: local}, {type: host}]", []),
        # Whatever it comes to
        ('"{{ nobodys }}"', []),
    ],
)
def test_a_machine_for_backups_of_which_there_are_none(tmp_path: Path, decided: str, idle: list[str]) -> None:
    project = Project(tmp_path)
    project.replace(
        "group_vars/production/differences.yml",
        "backup_repositories:\n  - type: host\n",
        f"backup_repositories: {decided}\n",
    )
    assert Inventory(str(project.file("rehearsal.yml"))).idle() == idle


def test_one_that_does_something_else_is_needed(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add("group_vars/production/differences.yml", "backup_none_because: none is kept")
    text = project.file("group_vars/production/differences.yml").read_text(encoding="utf-8")
    text = text.replace("backup_repositories:\n  - type: host\n", "backup_repositories: []\n")
    project.file("group_vars/production/differences.yml").write_text(text, encoding="utf-8")
    project.replace("rehearsal.yml", "worker:\n  hosts:\n", "worker:\n  hosts:\n    backup1:\n")
    assert Inventory(str(project.file("rehearsal.yml"))).idle() == []
