"""What goes wrong with backups turns red within one look, is told, and is well again when it is mended."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.backups.conftest import MEDIA, PROGRAM
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.backups.conftest import Backups, Writer

NEWEST_WAL = "cd /var/lib/pgbackrest/archive/noticeboard && find . -name '*.zst' | sort | tail -2 | head -1"
MORE_WAL = "cd / && sudo -u postgres psql -XqAt -c 'SELECT txid_current()' -c 'SELECT pg_switch_wal()'"
NEWEST_BACKUP = "cd /var/lib/pgbackrest/backup/noticeboard && ls -d *F | tail -1"
#: A small disk for the repository, with room for a backup and not for much more
SMALL_DISK = """
set -e
systemctl stop postgresql.service samestack-backup-incr.timer
cp -a /var/lib/pgbackrest /root/repository
mount -t tmpfs -o size=64m,mode=0750,uid=$(id -u postgres),gid=$(id -g postgres) none /var/lib/pgbackrest
cp -a /root/repository/. /var/lib/pgbackrest/; rm -rf /root/repository
systemctl start postgresql.service samestack-backup-incr.timer
"""
FILL = """
cd /var/lib/pgbackrest
fallocate -l $(df --output=avail -B1 . | tail -1 | awk '{print int($1 * 0.95)}') ballast
"""
#: What the clock does each night
EXPIRE = "systemctl start samestack-backup-look@keep.service"
FETCH = "samestack-backup-fetch.service"
MOVES = "head -c 200000 /dev/urandom"
READ = "SELECT encode(lo_get(%s), 'escape')"
SECOND = "cd / && sudo -u postgres psql -XqAt -d second -c 'TABLE t' -c \"SELECT similarity('a', 'a')\""
UNLINK = "SELECT lo_unlink(%s)"
SEGMENT = "SELECT pg_walfile_name(pg_current_wal_lsn())"
NEWEST = "SELECT last_archived_wal FROM pg_stat_archiver"
SWITCH = "INSERT INTO filling SELECT g FROM generate_series(1, 100) g"


@pytest.fixture
def mended(backups: Backups) -> Iterator[Backups]:
    """An environment that is well before, and afterwards again."""
    assert backups.well()
    yield backups
    # The server waits a minute after what could not be archived, unless there is more.
    backups.source.run(MORE_WAL)
    wait_for("all to be well again", backups.well, 60)


def test_a_flipped_byte_in_a_backup(mended: Backups) -> None:
    keeper = mended.keeper
    label = keeper.run(NEWEST_BACKUP).strip()
    folder = f"/var/lib/pgbackrest/backup/noticeboard/{label}"
    file = keeper.run(f"find {folder} -type f -size +100k ! -name 'backup.manifest*' | sort | head -1").strip()
    assert file
    keeper.run(f"cp -a {file} /root/whole; printf 'XX' | dd of={file} bs=1 seek=70000 conv=notrunc status=none")
    try:
        assert mended.cycle() == "failed"
        said = mended.problems()
        assert "is damaged" in said
        assert label in said
    finally:
        keeper.run(f"cat /root/whole > {file}; {PROGRAM} verify")


def test_one_segment_of_wal_is_missing(mended: Backups) -> None:
    keeper = mended.keeper
    for _ in range(3):
        mended.source.run(MORE_WAL)
    wait_for("the WAL to be there", mended.well, 30)
    name = keeper.run(NEWEST_WAL).strip()
    path = f"/var/lib/pgbackrest/archive/noticeboard/{name}"
    # Whoever fetches sees with the next segment that this one is not there, and brings it back.
    keeper.host.run(f"systemctl stop {FETCH}")
    keeper.run(f"mv {path} /root/segment")
    try:
        assert mended.cycle() == "failed"
        assert f"WAL {name.rpartition('/')[2][:24]} is not there" in mended.problems()
    finally:
        keeper.run(f"mv /root/segment {path}")
        keeper.host.run(f"systemctl start {FETCH}")


def test_another_key(mended: Backups) -> None:
    conf = "/etc/pgbackrest/pgbackrest.conf"
    mended.keeper.run(f"cp -a {conf} /root/conf; sed -i 's/^repo1-cipher-pass=.*/repo1-cipher-pass=another/' {conf}")
    try:
        assert mended.cycle() == "failed"
        assert "cannot be opened with this environment's key (vault_backup_key)" in mended.problems()
    finally:
        mended.keeper.run(f"cat /root/conf > {conf}")


def test_a_timer_was_stopped(mended: Backups) -> None:
    mended.source.run("systemctl stop samestack-backup-incr.timer")
    assert mended.cycle(mended.source) == "failed"
    assert "samestack-backup-incr.timer does not run" in mended.problems()
    mended.source.run("systemctl start samestack-backup-incr.timer")
    assert mended.cycle(mended.source) == "inactive"


def test_the_backup_host_is_out_of_reach(production: Backups, writer: Writer) -> None:
    """The site and its backups go on; what came meanwhile is there as soon as it is back."""
    production.source.run("systemctl stop samestack-backup-offer.service")
    try:
        wait_for("it to be seen", lambda: production.cycle() == "failed", 40)
        assert "Nothing comes from" in production.problems()
        production.source.run("systemctl start samestack-backup@incr.service")
        label = production.moments()[-1]["label"]
        assert production.answers() == 200
    finally:
        production.source.run("systemctl start samestack-backup-offer.service")
    wait_for(
        "what came meanwhile", lambda: label in str(production.keeper.run("ls /var/lib/pgbackrest/backup/noticeboard"))
    )
    wait_for("all to be well", production.well, 60)
    assert len(writer.stop()) > 100
    assert writer.lost() == []


def test_copies_of_uploads_are_whole_before_any_of_them_is_removed(production: Backups) -> None:
    """What restic would remove because of a false index cannot be fetched again."""
    keeper, folder = production.keeper, "/var/lib/samestack-uploads"
    production.upload("read.txt", "read")
    for _ in range(2):
        production.make()
    copies = keeper.run(f"ls -tr {folder}/snapshots").split()
    pack = keeper.run(f"find {folder}/data -type f -size +1k -printf '%s %p\\n' | sort -n | tail -1").split()[1]
    for days, name in zip((41, 40), copies, strict=False):
        keeper.run(f"touch -d '{days} days ago' {folder}/snapshots/{name}")
    keeper.run(f"cp -a {pack} /root/pack; printf 'XX' | dd of={pack} bs=1 seek=500 conv=notrunc status=none")
    try:
        keeper.host.run(EXPIRE)
        assert production.cycle() == "failed"
        assert "nothing is removed while not all is as it was written" in production.problems()
        assert keeper.run(f"ls -tr {folder}/snapshots").split() == copies
    finally:
        keeper.run(f"cat /root/pack > {pack}")
    keeper.run(EXPIRE)
    assert len(keeper.run(f"ls {folder}/snapshots").split()) == len(copies) - 1
    wait_for("all to be well", production.well, 60)


def test_uploads_change_while_they_are_copied(production: Backups) -> None:
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            script = f"cd {MEDIA}; for n in 1 2 3; do {MOVES} > moving.$n; rm -f moving.$n; done; date > moving"
            production.source.host.run(f"runuser -u noticeboard -- sh -c '{script}'")

    restless = threading.Thread(target=change)
    restless.start()
    try:
        assert production.make()["uploads"]["files"] > 1
    finally:
        over.set()
        restless.join()
    production.source.run(f"rm -f {MEDIA}/moving*")


def test_the_power_is_cut_while_somebody_writes(production: Backups, writer: Writer) -> None:
    wait_for("rows", lambda: len(writer.acknowledged) > 200)
    production.power(lambda: None)
    assert len(writer.stop()) > 200
    wait_for("the site to be back", lambda: quietly(production.answers) == 200, 60)
    assert writer.lost() == []
    # WAL goes there within a minute, though the server has just recovered.
    name = production.sql(f"CREATE TABLE after_the_power (n int); {SEGMENT}")
    wait_for("the WAL to be there", lambda: production.sql(NEWEST)[:24] >= name, 62)
    wait_for("all to be well", production.well, 90)


def quietly(ask: Callable[[], int]) -> int:
    """The answer, 0 where there is none."""
    try:
        return ask()
    except OSError:
        return 0


def test_the_disk_of_the_repository_fills(staging: Backups) -> None:
    """WAL is given up rather than the site, and said; the next backup is a full one, and all is well."""
    staging.source.run(SMALL_DISK)
    try:
        staging.sql("CREATE TABLE IF NOT EXISTS filling (n int)")
        staging.source.run(FILL)
        assert "No room for a" in staging.team.refuses("backup", "staging", kind_of_backup="full")
        staging.sql(SWITCH)
        staging.source.run("cd / && sudo -u postgres psql -XqAt -c 'SELECT pg_switch_wal()'")
        wait_for("WAL to be given up", lambda: staging.source.host.file("/var/lib/postgresql/samestack-dropped").exists)
        assert staging.answers() == 200
        assert staging.cycle() == "failed"
        said = staging.problems()
        assert "WAL was given up because the disk was filling" in said
        assert "failed" in said
        staging.source.run("rm /var/lib/pgbackrest/ballast")
        assert staging.make()["made"][0]["kind"] == "full"
        wait_for("all to be well", staging.well, 60)
    finally:
        staging.source.run("rm -f /var/lib/pgbackrest/ballast")


def test_more_connections_then_than_now(staging: Backups) -> None:
    """Large objects, an extension and a second database come back as well, into a server that was made smaller."""
    team = staging.team
    team.clone.decide("staging/differences.yml", database_settings={"max_connections": 140})
    team.samestack("provision", "staging", tags="postgresql")
    staging.source.run(
        "cd / && sudo -u postgres psql -Xq -c 'CREATE DATABASE second' && "
        "sudo -u postgres psql -Xq -d second -c 'CREATE TABLE t AS SELECT 7 n' -c 'CREATE EXTENSION pg_trgm'"
    )
    number = staging.sql("SELECT lo_from_bytea(0, 'a large object')")
    staging.make()
    moment = staging.now()
    team.clone.decide("staging/differences.yml", database_settings={})
    team.samestack("provision", "staging", tags="postgresql")
    staging.source.run("cd / && sudo -u postgres psql -Xq -c 'DROP DATABASE second'")
    staging.sql(UNLINK % number)
    team.samestack("restore", "staging", to=moment, confirm=True)
    assert staging.sql(READ % number) == "a large object"
    assert staging.source.run(SECOND).split() == ["7", "1"]
    assert int(staging.source.run("cd / && sudo -u postgres psql -XqAt -c 'SHOW max_connections'")) < 140
    assert staging.answers() == 200
