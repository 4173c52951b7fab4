"""What the decision about repositories means on a host: numbers, addresses, keys; and which releases cannot."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.backup import backup_hindrance, backup_store_keys, backup_stores, backup_targets, known_host
from plugins.module_utils.backup import judging, keep
from plugins.module_utils.backup.keep import DENIED
from roles.backup.manifest import backup as section

S3 = {
    "type": "s3", "endpoint": "s3.example.net", "bucket": "kept", "region": "eu-1",
    "access_key": "A", "secret_key": "B",
}  # fmt: skip
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----"
SFTP = {
    "type": "sftp", "host": "u1.example.net", "user": "u1", "path": "/backups/", "private_key": KEY,
    "known_hosts": ["# u1.example.net:22 SSH", "u1.example.net ssh-ed25519 AAAAC3Nz", "ssh-rsa AAAAB3Nz comment"],
}  # fmt: skip
BOTH = ["database", "uploads"]


def stores(*repositories: dict[str, Any], does: list[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    return backup_stores(repositories, does or BOTH, "site/production")


def test_each_has_its_number_whatever_else_there_is() -> None:
    found = stores(SFTP, {"type": "host"}, S3)["databases"]
    assert [(one["number"], one["name"], one["keeps"]) for one in found] == [
        (1, "local", "two"), (2, "s3", "all"), (3, "sftp", "all"),
    ]  # fmt: skip
    assert [one["number"] for one in stores(S3)["databases"]] == [2]
    assert [one["off_machine"] for one in found] == [False, True, True]


def test_who_has_a_repository_tries_it() -> None:
    """What a backup host fetches is tried there, and nothing of that host's in a bucket is."""
    assert [one["tries"] for one in stores({"type": "host"}, S3)["databases"]] == [False, True]
    assert [one["tries"] for one in stores({"type": "local"}, S3)["databases"]] == [True, True]
    (kept,) = stores({"type": "host"}, S3, does=["keeps"])["databases"]
    assert (kept["name"], kept["tries"]) == ("host", True)


def test_no_key_is_among_what_is_known() -> None:
    for one in [*stores(S3, SFTP)["databases"], *stores(S3, SFTP)["uploads"]]:
        assert not {"access_key", "secret_key", "private_key"} & set(one)
    assert backup_store_keys([S3, SFTP, {"type": "host"}]) == {
        "s3_access_key": "A", "s3_secret_key": "B", "sftp_private_key": KEY,
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {**S3, "secret_key": ""}, {**S3, "access_key": "two words"}, {**S3, "secret_key": "a\nb"},
        {**SFTP, "private_key": "ssh-ed25519 AAAA"}, {**SFTP, "private_key": KEY[:-3]},
        {**SFTP, "private_key": KEY.replace("\nb3", "\nProc-Type: 4,ENCRYPTED\n\nb3")},
    ],
)  # fmt: skip
def test_what_is_no_key_is_said_without_showing_it(wrong: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        backup_store_keys([wrong])
    assert f"type {wrong['type']}: " in str(error.value)
    assert "b3BlbnNzaA" not in str(error.value)


def test_where_files_are_copied_to() -> None:
    bucket, server = backup_targets(stores({**S3, "authority": "PEM"}, SFTP)["uploads"], {})
    assert bucket["address"] == "s3:https://s3.example.net/kept/site/production/uploads"
    assert bucket["options"] == ["s3.bucket-lookup=dns", "s3.region=eu-1"]
    assert bucket["authority"] == "/etc/samestack/backup-s3-ca.crt"
    assert set(bucket["secrets"].values()) == {"restic", "s3_access_key", "s3_secret_key"}
    assert server["address"] == "sftp:sftp:/backups/site/production/uploads"
    assert server["secrets"] == {"RESTIC_PASSWORD": "restic"}
    (path_style,) = backup_targets(stores({**S3, "path_style": True})["uploads"], {})
    assert path_style["options"][0] == "s3.bucket-lookup=path"
    assert path_style["authority"] == ""


def test_a_server_is_known_by_the_name_that_is_asked() -> None:
    (one,) = stores(SFTP)["databases"]
    assert known_host(one) == "u1.example.net ssh-ed25519 AAAAC3Nz\nu1.example.net ssh-rsa AAAAB3Nz\n"
    assert known_host({**one, "port": 23}).startswith("[u1.example.net]:23 ssh-ed25519 ")


@pytest.mark.parametrize(
    ("machine", "does", "words"),
    [
        ({"os": "debian", "release": "12"}, BOTH, "Debian 12, whose pgBackRest (2.45)"),
        ({"os": "ubuntu", "release": "22.04"}, BOTH, "Ubuntu 22.04, whose pgBackRest (2.37)"),
        ({"os": "debian", "release": "12", "packages": {"pgbackrest": "2.55.1"}}, BOTH, ""),
        ({"os": "debian", "release": "13"}, BOTH, ""),
        ({"os": "debian", "release": "13", "packages": {"pgbackrest": "2.47"}}, BOTH, "(2.47)"),
        ({"os": "debian", "release": "12"}, ["uploads"], ""),
    ],
)
def test_which_release_cannot_have_an_sftp_server(machine: dict[str, Any], does: list[str], words: str) -> None:
    said = backup_hindrance([S3, SFTP], does, machine)
    assert words in said
    assert bool(said) == bool(words)
    assert backup_hindrance([S3], does, machine) == ""


@pytest.mark.parametrize(
    ("said", "denied"),
    [
        ("unable to remove file '/site/x': [AccessDenied] Access Denied", True),
        ("sftp: permission denied", True),
        ("HTTP request failed with 403 (Forbidden)", True),
        ("HTTP request failed with 503", False),
        ("unable to connect to 'storage:443'", False),
    ],
)
def test_a_key_that_may_not_remove(said: str, denied: bool) -> None:
    assert bool(DENIED.search(said)) == denied


def test_what_expires_leaves_the_newest_before_the_horizon() -> None:
    assert keep.expired({"a": 1, "b": 2, "c": 9}, 5) == ["a"]


def test_that_nothing_expires_is_told_and_wakes_nobody() -> None:
    denied = {"s3": {"time": 1, "reason": "AccessDenied", "denied": True}}
    found = {
        "expired": denied,
        "nightly": {},
        "does": [],
        "repositories": [],
        "disk": {},
        "limit": 90,
        "checksums": None,
    }
    assert list(judging.of_expiry(found)) == []
    (said,) = judging.remarks(found)
    assert "may remove nothing (s3)" in said


def test_the_recorder_hides_every_key_of_a_repository() -> None:
    """In what it records, and in the file that it compares all the same."""
    text = (
        "[global]\nrepo2-cipher-pass=one\nrepo2-s3-key=two\nrepo2-s3-key-secret=three\nrepo2-s3-bucket=kept\n"
        "repo2-s3-key-type=shared\n"
    )
    (pattern,) = section.SERVICE.open_files.values()
    assert re.sub(pattern, "", text, flags=re.MULTILINE) == (
        "[global]\nrepo2-s3-bucket=kept\nrepo2-s3-key-type=shared\n"
    )
    hidden = [value for name, value in section.pairs(text).items() if name.endswith(section.HIDDEN)]
    assert hidden == ["one", "two", "three"]
