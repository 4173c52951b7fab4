"""Backups, and where they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.templates.reading import Render


def test_backups_elsewhere_are_sent_to_whom_they_are_meant_for(render: Render) -> None:
    """A server's certificate or key is checked, keys are where nobody reads them, and a drill has no network."""
    (production,) = render("debian-13", "backups elsewhere")
    conf = production.text("/etc/pgbackrest/pgbackrest.conf")
    assert "repo1-" not in conf
    for line in (
        "repo2-type=s3", "repo2-path=/noticeboard/rehearsal-production/database", "repo2-s3-uri-style=host",
        "repo2-storage-ca-file=/etc/samestack/backup-s3-ca.crt", "repo3-sftp-host-key-check-type=strict",
        "repo3-sftp-known-host=/etc/samestack/backup-sftp.hosts",
        "repo3-path=/backups/noticeboard/rehearsal-production/database",
    ):  # fmt: skip
        assert f"\n{line}\n" in conf
    assert "verify" not in conf
    alone = production.text("/etc/pgbackrest/push-3.conf")
    assert "archive-async=y" in alone
    assert "repo2-" not in alone
    assert production.entries["/etc/pgbackrest/push-1.conf"]["state"] == "absent"
    script = production.text("/usr/local/lib/samestack/pgbackrest-archive")
    assert "for conf in /etc/pgbackrest/push-2.conf /etc/pgbackrest/push-3.conf; do" in script
    assert production.text("/etc/samestack/backup-sftp.hosts").startswith("[u1.example.net]:23 ssh-ed25519 AAAA")
    assert "StrictHostKeyChecking yes" in production.text("/etc/samestack/backup-sftp.conf")
    modes = {path: production.entries[path]["mode"] for path in production.matching(r".*sftp\.key")}
    assert modes == {"/etc/samestack/backup-sftp.key": "0600", "/etc/pgbackrest/sftp.key": "0600"}
    unit = "/etc/systemd/system/samestack-backup-drill{}.service"
    assert "PrivateNetwork=yes" in production.text(unit.format(""))
    assert "PrivateNetwork" not in production.text(unit.format("-fetch"))
    (staging,) = render("debian-13", "staging")
    assert unit.format("-fetch") not in staging.entries


def test_a_backup_host_is_reached_over_ipv6(render: Render) -> None:
    found = {one.host: one for one in render("debian-13", "backups over ipv6")}
    assert '"rest:https://[fd00::32]:8433/"' in found["production1"].text("/etc/samestack/backup.json")
    assert "--addr=[fd00::32]:8433" in found["backup1"].text("/etc/systemd/system/samestack-backup-uploads.service")
