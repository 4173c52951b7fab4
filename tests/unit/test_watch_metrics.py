"""What a look leaves as numbers: the names are stable, documented, and nothing of a finding's words is in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.watch.checks import CHECKS, backup, certificate, changes, disk, postgresql
from plugins.module_utils.watch.look import metrics_of_watch
from plugins.module_utils.watch.metrics import NAMES, Metric, of_findings, text, write
from tests.unit.test_watch_judging import BACKUP, CERTIFICATE, CHANGES, DAY, NOW, POSTGRESQL, ROOT, WELL

if TYPE_CHECKING:
    from plugins.module_utils.watch.check import Check, Facts

REPO = Path(__file__).resolve().parents[2]
SLOT = {"name": "old", "kept": 5}
STANDBY = {"name": "walreceiver", "state": "streaming", "behind": 7}


def shown(check: Check, facts: Facts) -> dict[str, float]:
    lines = text(check.metrics(facts)).splitlines()
    return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines if not one.startswith("#"))}


def replaced(facts: Facts, **other: Any) -> Facts:
    return {**facts, **other}


@pytest.mark.parametrize(
    ("check", "facts", "wanted"),
    [
        (backup.CHECK, BACKUP, {"samestack_backup_restorable_until_seconds": NOW - 30, "samestack_backup_drill_ok": 0}),
        (
            backup.CHECK,
            replaced(BACKUP, drill={"time": NOW - DAY, "ok": True}),
            {"samestack_backup_drill_seconds": NOW - DAY, "samestack_backup_drill_ok": 1},
        ),
        (
            certificate.CHECK,
            CERTIFICATE,
            {'samestack_certificate_ends_seconds{name="shop.test"}': NOW + 80 * DAY},
        ),
        (changes.CHECK, replaced(CHANGES, closed="ada", drift="noon"), {
            "samestack_maintenance": 1, "samestack_drift": 1, "samestack_frozen": 0, "samestack_run": 0,
        }),
        (disk.CHECK, {"now": NOW, "disks": {"/": ROOT}}, {
            'samestack_disk_days_left{mountpoint="/"}': float("inf"),
            'samestack_disk_used_percent{mountpoint="/"}': 50,
        }),
        (
            disk.CHECK,
            {"now": NOW, "disks": {"/": {**ROOT, "full": NOW + 3 * DAY}}},
            {'samestack_disk_days_left{mountpoint="/"}': 3},
        ),
        (postgresql.CHECK, replaced(POSTGRESQL, error="refused"), {"samestack_postgresql_up": 0}),
        (postgresql.CHECK, replaced(POSTGRESQL, slots=[SLOT], standbys=[STANDBY, {**STANDBY, "state": "catchup"}]), {
            "samestack_replication_standbys": 2,
            'samestack_replication_behind_bytes{standby="walreceiver"}': 7,
            'samestack_replication_streaming{standby="walreceiver"}': 0,
            'samestack_replication_kept_bytes{slot="old"}': 5,
        }),
    ],
)  # fmt: skip
def test_what_a_section_has(check: Check, facts: Facts, wanted: dict[str, float]) -> None:
    found = shown(check, facts)
    assert {name: found.get(name) for name in wanted} == wanted


def every() -> set[str]:
    """Return all names that checks have written here."""
    facts = replaced(POSTGRESQL, slots=[SLOT], standbys=[STANDBY])
    metrics = [one for check, known in [*WELL, (postgresql.CHECK, facts)] for one in check.metrics(known)]
    metrics += [*metrics_of_watch({"looked": NOW, "unsent": {}}), *of_findings([{"name": "site", "findings": []}])]
    return {one.name for one in metrics}


def test_the_names_are_those_of_the_page_and_none_else() -> None:
    assert every() == set(NAMES)
    page = (REPO / "docs/metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(samestack_\w+)", page)) == set(NAMES)
    assert all(re.fullmatch(r"samestack_[a-z]+(_[a-z]+)*", name) for name in NAMES)


def test_all_sections_count_what_is_wrong() -> None:
    finding = {"level": "red", "text": "secret words", "key": "k"}
    said = text(of_findings([{"name": check.name, "findings": [finding]} for check in CHECKS]))
    assert said.count('level="red"} 1\n') == len(CHECKS)
    assert "secret" not in said


def test_what_others_may_name_cannot_write_a_line() -> None:
    name = 'a"} 1\nsamestack_drift 1\n\\ \udcff'
    said = text([Metric("samestack_replication_kept_bytes", 1, {"slot": name})])
    assert said.splitlines()[2:] == [
        'samestack_replication_kept_bytes{slot="a\\"} 1\\nsamestack_drift 1\\n\\\\ ?"} 1',
    ]


def test_a_number_is_there_once_and_each_name_is_explained() -> None:
    said = text([Metric("samestack_drift", True), Metric("samestack_findings", 2, {"section": "a", "level": "red"})])
    assert said.splitlines() == [
        f"# HELP samestack_drift {NAMES['samestack_drift']}",
        "# TYPE samestack_drift gauge",
        "samestack_drift 1",
        f"# HELP samestack_findings {NAMES['samestack_findings']}",
        "# TYPE samestack_findings gauge",
        'samestack_findings{section="a",level="red"} 2',
    ]
    assert said.endswith("\n")


def test_it_is_read_by_whom_its_folder_is_for(tmp_path: Path) -> None:
    file = tmp_path / "metrics" / "samestack.prom"
    write([Metric("samestack_drift", 0)], str(file))
    assert not file.parent.exists()
    file.parent.mkdir(0o750)
    write([Metric("samestack_drift", 0)], str(file))
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o644, 0o750)
    assert file.read_text().endswith("samestack_drift 0\n")
