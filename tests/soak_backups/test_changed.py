"""A database gets checksums of its pages; backups are turned off, and on again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.machines import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.backups.conftest import Backups

#: As of a cluster that was made before Samestack, by a release whose initdb puts none on
WITHOUT = """
version=$(ls /var/lib/postgresql | grep -E '^[0-9]+$')
systemctl stop postgresql@$version-main
sudo -u postgres /usr/lib/postgresql/$version/bin/pg_checksums --disable -D /var/lib/postgresql/$version/main >/dev/null
systemctl start postgresql@$version-main
"""
KEPT = "pgbackrest/archive pgbackrest/backup samestack-uploads samestack/backup-uploads"
FILES = f"cd /var/lib && find {KEPT} -type f ! -name '*.info*' ! -name '*.lock' 2>/dev/null | sort || true"
UNITS = "systemctl list-units --all --plain --no-legend 'samestack-backup*'; ls -R /etc/systemd/system"
LISTENING = "ss -Htln | awk '{print $4}' | grep -E ':(8432|8433)$' || true"
SWITCH = "cd / && sudo -u postgres psql -XqAt -c 'SELECT txid_current()' -c 'SELECT pg_switch_wal()'"
#: A backup that is at work for as long as another program holds the lock of those
AT_WORK = """
systemd-run --quiet --unit=in-its-way flock /run/samestack/backup.lock sleep 600
systemctl start --no-block samestack-backup@diff.service
"""
DECIDED: dict[str, list[dict[str, str]]] = {"production": [{"type": "host"}], "staging": [{"type": "local"}]}


def test_pages_get_checksums_while_the_site_is_closed(backups: Backups) -> None:
    team, kind = backups.team, backups.kind
    backups.source.run(WITHOUT)
    assert "no page checksums" in team.samestack("provision", kind)
    assert backups.sql("SHOW data_checksums") == "off"
    assert any("no page checksums" in line for line in backups.status()["remarks"])
    before = backups.moments()[-1]["label"]
    team.samestack("maintenance", kind, on=True, message="The database is tended")
    try:
        assert "pages have checksums now" in team.samestack("provision", kind)
    finally:
        team.samestack("maintenance", kind, off=True)
    assert backups.sql("SHOW data_checksums") == "on"
    assert not backups.source.run("find /run/systemd/system -name '*checksums*'")

    def full() -> bool:
        made: list[dict[str, Any]] = backups.moments()[-1].get("made") or []
        return bool(made and made[0]["label"] > before and made[0]["kind"] == "full")

    wait_for("a full backup, which looks at them", full, 60)
    wait_for("all to be well", lambda: backups.status()["problems"] == [], 60)
    assert "Nothing changed on" in team.samestack("provision", kind)
    assert backups.answers() == 200


@pytest.fixture
def decide(backups: Backups) -> Callable[[list[dict[str, str]]], None]:
    """Decides where backups go, and has that brought about."""

    def decided(repositories: list[dict[str, str]]) -> None:
        why = {"backup_repositories": repositories, "backup_none_because": "" if repositories else "a test"}
        backups.team.clone.decide(f"{backups.kind}/differences.yml", **why)
        backups.team.samestack("provision", backups.kind)

    return decided


def test_turned_off_and_on_again(backups: Backups, decide: Callable[[list[dict[str, str]]], None]) -> None:
    team, kind = backups.team, backups.kind
    machines = {machine.name: machine for machine in (backups.source, backups.keeper)}.values()
    backups.sql("CREATE TABLE IF NOT EXISTS turned (n int); TRUNCATE turned; INSERT INTO turned VALUES (1)")
    backups.make()
    moment = backups.now()
    backups.sql("INSERT INTO turned VALUES (2)")
    backups.make()
    kept = {machine.name: machine.run(FILES).split() for machine in machines}
    since = backups.status()["hosts"][backups.keeper.name]["repositories"][0]["since"]
    assert all(kept.values())
    backups.source.run(AT_WORK)
    decide([])
    backups.source.run("systemctl stop in-its-way")
    for machine in machines:
        assert "samestack-backup" not in machine.host.run(UNITS).stdout, machine.name
        assert machine.run(LISTENING).strip() == ""
        assert "843" not in machine.run("nft list ruleset")
        assert not machine.host.file("/etc/samestack/backup.secrets").exists
        assert not machine.host.file("/etc/pgbackrest/pgbackrest.conf").exists
        assert machine.run("systemctl --failed --plain --no-legend").strip() == ""
        assert set(kept[machine.name]) <= set(machine.run(FILES).split())
    assert backups.sql("SHOW archive_mode") == "off"
    assert "has no backups" in team.samestack("backups", kind)
    team.samestack("provision", kind)
    assert "Nothing changed on" in team.clone.output
    for _ in range(3):
        backups.source.run(SWITCH)
    assert backups.answers() == 200
    decide(DECIDED[kind])
    wait_for("a full backup, and all to be well", lambda: backups.status()["problems"] == [], 120)
    assert backups.sql("SHOW archive_mode") == "on"
    team.samestack("provision", kind)
    assert "Nothing changed on" in team.clone.output
    # What was kept is worth as much as it was.
    assert backups.status()["hosts"][backups.keeper.name]["repositories"][0]["since"] == since
    if backups.keeper is backups.source:
        team.samestack("restore", kind, to=moment, confirm=True)
        assert backups.sql("SELECT n FROM turned") == "1"
        wait_for("all to be well", lambda: backups.status()["problems"] == [], 120)
