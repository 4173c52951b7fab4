"""What goes wrong with a bucket or an sftp server is named, turns red within one look, and is well once mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.plugin_utils.secrets.authority import issue, new_authority
from tests.backups.conftest import PROGRAM
from tests.repositories.conftest import DATABASE, well
from tests.support.machines import wait_for
from tests.support.storage import BUCKET, NAME

if TYPE_CHECKING:
    from tests.backups.conftest import Writer
    from tests.repositories.conftest import Kept

CONF, SECRETS = "/etc/pgbackrest/pgbackrest.conf", "/etc/samestack/backup.secrets"
PUSH = "/etc/pgbackrest/push-2.conf"
PLACES = "/etc /var/lib/samestack /var/lib/samestack-drill /usr/local/lib/samestack /run/samestack"
#: One full backup is enough, and copies of files from now on
EXPIRE_SOON = f"""
sed -i '/^repo2-retention-full-type/d; s/^repo2-retention-full=.*/repo2-retention-full=1/' {CONF}
sed -i 's/"keep": [0-9]*/"keep": 1/' /etc/samestack/backup.json
"""
KEEP = "sleep 2; systemctl start samestack-backup-look@keep.service"
#: What everything is started with while a backup is made
ARGUMENTS = """
systemctl start --no-block samestack-backup@incr.service
for n in $(seq 100); do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; sleep 0.1; done
"""
SWITCH = "cd / && sudo -u postgres psql -XqAt -c 'SELECT txid_current()' -c 'SELECT pg_switch_wal()'"


def test_a_certificate_that_somebody_else_has_signed(mended: Kept) -> None:
    storage = mended.storage
    storage.run("cp -a /srv/storage/tls.crt /srv/storage/tls.key /root/")
    storage.present(issue([NAME, f"{BUCKET}.{NAME}", storage.address], new_authority("Somebody else's")))
    storage.serve_bucket()
    try:
        assert mended.cycle() == "failed"
        said = mended.problems()
        assert "Repository s3: " in said
        assert "unable to verify certificate presented by 'storage.test:443" in said
        assert "uploads (s3)" in said
        assert "Repository sftp" not in said
    finally:
        storage.run("cp -a /root/tls.crt /root/tls.key /srv/storage/")
        storage.serve_bucket()


def test_a_server_that_shows_another_key(mended: Kept) -> None:
    """Neither half sends anything there."""
    mended.storage.serve_sftp("another")
    try:
        assert mended.cycle() == "failed"
        said = mended.problems()
        assert "Repository sftp: " in said
        assert "known hosts failure: 'storage.test' mismatch in known hosts files" in said
        assert "uploads (sftp)" in said
        assert "Host key verification failed" in said
        assert "Repository s3" not in said
    finally:
        mended.storage.serve_sftp()


@pytest.mark.parametrize("name", ["s3", "sftp"])
def test_a_flipped_byte(mended: Kept, name: str) -> None:
    label = mended.repository(name)["backups"][0]["label"]
    path = f"{DATABASE}/backup/noticeboard/{label}"
    with mended.storage.flipped(path) if name == "sftp" else mended.storage.flipped_in_bucket(path):
        assert mended.cycle() == "failed"
        said = mended.problems()
        assert f"Repository {name} is damaged" in said
        assert label in said
        assert said.count("is damaged") == 1
    mended.source.run(f"{PROGRAM} verify")


@pytest.mark.parametrize("away", ["s3", "sftp"])
def test_one_is_away_and_the_other_goes_on(mended: Kept, writer: Writer, away: str) -> None:
    """The site lives, WAL and backups reach the other; what came meanwhile is there as soon as it is back."""
    storage, other = mended.storage, {"s3": "sftp", "sftp": "s3"}[away]
    if away == "s3":
        storage.serve_bucket(serves=False)
    else:
        storage.stop_sftp()
    try:
        before = mended.repository(other)["until"]
        assert mended.cycle() == "failed"
        said = mended.problems()
        assert f"Repository {away}: " in said
        assert f"Repository {other}" not in said
        wait_for("WAL in the other", lambda: mended.repository(other)["until"] > before + 30, 150)
        refused = mended.team.refuses("backup", "production")
        assert f"{away}: " in refused
        made = mended.moments()[-1]
        assert [one["repository"] for one in made["made"]] == [other]
        assert mended.answers() == 200
    finally:
        storage.serve_bucket()
        storage.serve_sftp()
    mended.source.run(SWITCH)
    wait_for("what came meanwhile", lambda: mended.repository(away)["until"] > made["time"], 150)
    mended.make()
    well(mended)
    assert mended.repository(away)["holes"] == []
    assert len(writer.stop()) > 100
    assert writer.lost() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (f"sed -i 's/^repo2-s3-key-secret=.*/repo2-s3-key-secret=another/' {CONF}", "SignatureDoesNotMatch"),
        (f"sed -i 's/^repo2-s3-key=.*/repo2-s3-key=AKIANOBODY/' {CONF}", "InvalidAccessKeyId"),
        (f"sed -i 's/^repo2-cipher-pass=.*/repo2-cipher-pass=another/' {CONF}", "environment's key (vault_backup_key)"),
        (f"sed -i 's/^repo3-cipher-pass=.*/repo3-cipher-pass=another/' {CONF}", "environment's key (vault_backup_key)"),
        ("ssh-keygen -qt ed25519 -N '' -f /root/other; cat /root/other > /etc/pgbackrest/sftp.key; rm /root/other*",
         "public key authentication failed"),
    ],
    ids=["secret", "key", "passphrase of s3", "passphrase of sftp", "private key"],
)  # fmt: skip
def test_another_key(mended: Kept, change: str, words: str) -> None:
    mended.source.run(f"cp -a {CONF} /root/conf; cp -a /etc/pgbackrest/sftp.key /root/key; {change}")
    try:
        assert mended.cycle() == "failed"
        assert words in mended.problems()
    finally:
        mended.source.run(f"cat /root/conf > {CONF}; cat /root/key > /etc/pgbackrest/sftp.key; rm /root/key")


def test_a_new_place_that_is_none_is_refused_by_name(staging: Kept) -> None:
    """What somebody has just written down: a bucket that is not there; what was there before goes on."""
    staging.decide(staging.storage.s3(bucket="nobodys"))
    try:
        said = staging.team.refuses("provision", "staging")
        assert "backup_repositories, type s3" in said
        assert "404" in said
        assert staging.answers() == 200
    finally:
        staging.decide(staging.storage.s3(path_style=False))
        staging.team.samestack("provision", "staging")


def test_a_release_that_cannot_check_the_servers_key(staging: Kept) -> None:
    staging.decide(staging.storage.s3(path_style=False), staging.storage.sftp())
    try:
        said = staging.team.refuses("provision", "staging")
        assert "type: sftp is not possible on Debian 12, whose pgBackRest (2.45)" in said
        assert "Write type: s3 or type: host instead" in said
        # Nothing was touched
        assert not staging.source.host.file("/etc/samestack/backup-sftp.key").exists
    finally:
        staging.decide(staging.storage.s3(path_style=False))


def test_a_key_that_may_not_remove_is_told_and_nothing_is_red(staging: Kept) -> None:
    """Backups go on, what has expired stays, and a sentence says so."""
    staging.trust("adds")
    try:
        staging.team.samestack("provision", "staging")
        staging.source.run(EXPIRE_SOON)
        labels = [staging.make("full")["label"] for _ in range(2)]
        staging.source.run(KEEP)
        assert set(labels) <= {one["label"] for one in staging.repository("s3")["backups"]}
        found = staging.status()
        assert found["problems"] == []
        assert "The key may remove nothing (s3, uploads s3)" in " ".join(found["remarks"])
        assert staging.cycle() == "inactive"
    finally:
        staging.trust("all")
        staging.team.samestack("provision", "staging")
    # With a key that may, it goes.
    staging.source.run(EXPIRE_SOON)
    last = staging.make("full")["label"]
    staging.source.run(KEEP)
    assert [one["label"] for one in staging.repository("s3")["backups"]] == [last]
    assert staging.status()["remarks"] == []
    staging.team.samestack("provision", "staging")


def test_no_key_is_where_others_read_it(production: Kept) -> None:
    """Neither in an argument of a process, nor in the journal, nor in a file that any account can read."""
    issued, source = production.storage.issued, production.source
    # The first lines of a private key say what it is, as those of every other do.
    keys = [issued["all"]["secret"], issued["sftp"]["private_key"].splitlines()[4]]
    source.give("/root/keys", "".join(f"{key}\n" for key in keys))
    found = source.run(f"grep -rlFf /root/keys {PLACES} 2>/dev/null | sort || true; rm /root/keys").split()
    assert found == [CONF, PUSH, "/etc/pgbackrest/sftp.key", "/etc/samestack/backup-sftp.key", SECRETS]
    for path in found:
        assert source.host.file(path).mode & 0o007 == 0, path
    seen = source.run(ARGUMENTS) + source.run("journalctl --no-pager")
    assert "pgbackrest" in seen
    assert "restic" in seen
    for key in keys:
        assert key not in seen
