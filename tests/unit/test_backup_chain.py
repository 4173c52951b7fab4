"""Which moments backups and archived WAL allow, and what is wrong with them: pure, by made-up repositories."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from plugins.action.show_backups import silent
from plugins.filter.backup import backup_stores, backup_targets
from plugins.module_utils.backup import chain, judging, keep, offer, pgbackrest, restic, wire
from plugins.module_utils.backup.chain import Backup
from plugins.plugin_utils.backup.answers import STATUS
from plugins.plugin_utils.backup.table import View, amount

if TYPE_CHECKING:
    from pathlib import Path

HOUR, DAY = 3600, 86400
NOW = 1_800_000_000.0


def name(count: int, line: int = 1) -> str:
    return chain.named(line, count)


def backup(count: int, last: int, stop: float = NOW - HOUR, kind: str = "full", line: int = 1) -> Backup:
    label = f"20270115-{count:06d}F"
    return Backup(label, kind, int(stop) - 5, int(stop), name(count, line), name(last, line), 100, 50)


def archived(*counts: int, line: int = 1, since: float = NOW - HOUR) -> dict[str, float]:
    return {name(count, line): since + 10 * place for place, count in enumerate(counts)}


def test_names_of_segments_count_over_files() -> None:
    assert name(0) == "000000010000000000000000"
    assert name(256, 2) == "000000020000000100000000"
    assert [chain.number(name(count)) for count in (0, 255, 256, 70_000)] == [0, 255, 256, 70_000]
    assert chain.timeline(name(5, 17)) == 17
    # Bigger segments: fewer in a file
    assert chain.number("000000010000000100000003", 64 << 20) == 67


def test_until_is_the_last_segment_without_a_hole() -> None:
    found = chain.window([backup(3, 4)], archived(3, 4, 5, 6))
    assert (found.newest, found.until, found.holes) == (name(6), NOW - HOUR + 30, [])
    assert found.since == NOW - HOUR


def test_a_hole_ends_what_can_be_restored_until_the_next_backup() -> None:
    found = chain.window([backup(3, 4)], archived(3, 4, 5, 7, 8))
    assert (found.newest, found.holes) == (name(5), [name(6)])
    later = chain.window([backup(3, 4), backup(8, 8, NOW - 60, "incr")], archived(3, 4, 5, 7, 8, 9))
    assert (later.newest, later.holes) == (name(9), [name(6)])


def test_a_backup_without_its_own_wal_is_useless() -> None:
    found = chain.window([backup(3, 4)], archived(3, 5))
    assert (found.useless, found.until, found.since) == (["20270115-000003F"], 0, 0)
    assert found.holes == [name(4)]


def test_nothing_at_all() -> None:
    assert chain.window([], {}) == chain.Window()
    assert not chain.nothing_waits(chain.window([], {}), name(3))


def test_a_restore_begins_a_timeline_and_leaves_no_hole() -> None:
    wal = archived(3, 4, 5, 6, 7, 8) | archived(5, 6, line=2, since=NOW - 100)
    way = chain.lineage(2, f"1\t0/{5 << 24:X}\tat restore point\n")
    found = chain.window([backup(3, 4)], wal, way)
    assert (found.newest, found.holes, found.until) == (name(6, 2), [], NOW - 90)
    # What the server goes on to write now counts, not what it wrote before.
    assert chain.nothing_waits(found, name(7, 2))
    assert not chain.nothing_waits(found, name(8, 2))


def test_a_backup_of_what_was_left_behind_is_none_of_the_new_timeline() -> None:
    early, late = backup(3, 4), backup(7, 7, NOW - 60)
    early, late = (Backup(**{**vars(one), "lsn": f"0/{number << 24:X}"}) for one, number in ((early, 4), (late, 7)))
    wal = archived(3, 4, 5, 6, 7, 8) | archived(5, 6, line=2) | archived(5, 6, 7, line=3, since=NOW - 50)
    way = chain.lineage(3, f"1\t0/{(5 << 24) + 99:X}\tat restore point\n")
    found = chain.window([early, late], wal, way)
    assert (found.since, found.newest, found.until) == (early.stop, name(7, 3), NOW - 30)
    # On its own timeline it counts.
    assert chain.window([early, late], wal, chain.Lineage(1)).until == late.stop


def test_histories_name_where_each_timeline_was_left() -> None:
    text = '1\t0/F015860\tat restore point "p1"\n2\t1/10000000\tbefore 2026-11-29 10:00:00+00\n'
    way = chain.lineage(3, text)
    assert way == chain.Lineage(3, {1: 0xF015860, 2: (1 << 32) + 0x10000000})
    assert [way.timeline_of(count) for count in (14, 15, 256, 271, 272)] == [1, 2, 2, 2, 3]


def test_a_way_ends_at_what_is_missing_on_it() -> None:
    wal = archived(3, 4, 5, 7, 8, since=NOW - HOUR)
    assert chain.reach(backup(3, 4), wal, chain.Lineage(1)) == (NOW - HOUR + 20, name(6))
    assert chain.reach(backup(7, 8), wal, chain.Lineage(1)) == (NOW - HOUR, "")
    # What was given up last is missed by what the server writes alone.
    assert chain.reach(backup(7, 8), wal, chain.Lineage(1), name(9))[1] == ""
    assert chain.reach(backup(7, 8), wal, chain.Lineage(1), name(12))[1] == name(9)
    # On another timeline, what was written before it was left counts.
    way = chain.lineage(2, f"1\t0/{5 << 24:X}\tat restore point\n")
    wal = archived(3, 4, 5, 6) | archived(5, 6, line=2, since=NOW - 100)
    assert chain.reach(backup(3, 4), wal, way) == (NOW - 90, "")
    del wal[name(5, 2)]
    assert chain.reach(backup(3, 4), wal, way)[1] == name(5, 2)


def test_nothing_waits_where_the_server_writes_the_next_segment() -> None:
    found = chain.window([backup(3, 4)], archived(3, 4, 5))
    assert chain.nothing_waits(found, name(6))
    assert chain.nothing_waits(found, name(5))
    assert not chain.nothing_waits(found, name(7))
    assert not chain.nothing_waits(found, "")


def repository(**other: Any) -> dict[str, Any]:
    told = vars(backup(3, 4))
    return {
        "name": "host", "type": "host", "off_machine": True, "trouble": "", "backups": [told], "since": NOW - HOUR,
        "until": NOW - 29, "newest": name(6), "holes": [], "given_up": [], "useless": [], "bytes": 1_500_000,
        "damaged": [], **other,
    }  # fmt: skip


def status(**other: Any) -> dict[str, Any]:
    return {
        "time": NOW, "does": ["keeps"], "loss": 60, "limit": 90, "repositories": [repository()],
        "server": {"current": name(7)}, "checksums": None, "last": {}, "timers": {"samestack-backup-keep.timer": True},
        "dropped": None, "disk": {"/var/lib/pgbackrest": 20}, "uploads": [],
        "fetch": {"looked": NOW - 3, "server": {"a": 1}}, "fetches": {"address": "10.0.3.30"}, "drill": {},
        "expired": {}, "nightly": {"time": NOW - DAY, "reason": ""}, "moments": [], **other,
    }  # fmt: skip


def test_all_is_well() -> None:
    assert judging.problems(status()) == {}
    STATUS.check(status())


def test_what_was_given_up_before_the_newest_full_backup_is_past() -> None:
    found = chain.window([backup(3, 4), backup(8, 8)], archived(3, 4, 5, 8, 9))
    assert (found.holes, found.past) == ([name(6), name(7)], [name(6), name(7)])
    assert chain.window([backup(3, 4)], archived(3, 4, 5, 8, 9)).past == []
    one = repository(holes=[name(6), name(7)], given_up=[name(6)])
    assert f"WAL {name(7)} is not there" in " ".join(judging.problems(status(repositories=[one])).values())
    past = status(repositories=[repository(holes=[name(6)], given_up=[name(6)])])
    assert judging.problems(past) == {}
    assert name(6) in " ".join(judging.remarks(past))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"repositories": [repository(until=NOW - 200)]}, "nothing newer than 2027-01-15 07:56:40 UTC (3 min ago)"),
    ({"repositories": [repository(trouble="it cannot be opened")]}, "Repository host: it cannot be opened"),
    ({"repositories": [repository(since=0, until=0, backups=[])]}, "has nothing that can be restored"),
    ({"repositories": [repository(damaged=["invalid checksum 'x'"])]}, "is damaged: invalid checksum 'x'"),
    ({"repositories": [repository(holes=[name(5), name(6)])]}, f"WAL {name(5)} and 1 more is not there"),
    ({"repositories": [repository(useless=["L"])]}, "backup L cannot be restored"),
    ({"repositories": [repository(backups=[vars(backup(3, 4, NOW - 4 * HOUR))])]}, "the newest backup is from"),
    ({"repositories": [repository(backups=[{**vars(backup(3, 4)), "rotten": True}])]}, "pages with a wrong checksum"),
    ({"uploads": [{"name": "host", "off_machine": True, "trouble": "gone", "copies": 0}]}, "uploads (host): gone"),
    ({"uploads": [{"name": "host", "off_machine": True, "trouble": "", "copies": 0}]}, "no copy of the uploads"),
    ({"uploads": [{"name": "host", "off_machine": True, "trouble": "", "copies": 2, "newest": NOW - DAY}]}, "last cop"),
    ({"last": {"last": {"ok": False, "kind": "diff", "time": NOW - 70, "reason": "No room"}}}, "70 s ago: No room"),
    ({"timers": {"samestack-backup-incr.timer": False}}, "samestack-backup-incr.timer does not run"),
    ({"dropped": {"time": NOW - 300, "first": name(9)}}, f"from {name(9)} on (5 min ago)"),
    ({"fetch": {"trouble": "refused", "since": NOW - 600, "time": NOW}}, "from 10.0.3.30 since 2027-01-15 07:50:00"),
    ({"fetch": {"looked": NOW - 300, "server": {"a": 1}}}, "Nothing was heard of 10.0.3.30"),
    ({"fetch": {"looked": NOW - 3, "server": {}}}, "database server of 10.0.3.30 does not answer"),
    ({"drill": {"ok": False, "time": NOW - HOUR, "reason": "no rows"}}, "The last drill failed 1 h 0 min ago: no rows"),
    ({"drill": {"ok": False, "time": NOW - HOUR, "reason": "x", "repository": "s3"}}, "The last drill (of s3) failed"),
    ({"drill": {"ok": True, "time": NOW - 9 * DAY}}, "The last drill was 9 days ago"),
    ({"expired": {"s3": {"time": NOW, "reason": "no answer", "denied": False}}}, "not be removed (s3): no answer"),
    ({"nightly": {"time": NOW - 70, "reason": "KeyError 'x'"}}, "not looked at to the end 70 s ago: KeyError 'x'"),
    ({"disk": {"/var/lib/pgbackrest": 90}}, "is 90 % full: nothing more is taken (backup_disk_limit is 90)."),
    ({"nightly": {"time": NOW - 4 * DAY, "reason": ""}}, "What is kept was last looked at 4 days ago."),
]  # fmt: skip


@pytest.mark.parametrize(("what", "said"), WRONG, ids=[said for _, said in WRONG])
def test_each_thing_that_is_wrong_is_one_sentence(what: dict[str, Any], said: str) -> None:
    (sentence,) = judging.problems(status(**what)).values()
    assert said in sentence
    assert View("production", {"backup1": status(**what)}).problems == [f"backup1: {sentence}"]


def test_what_is_only_to_be_known() -> None:
    here = status(
        does=["database"], repositories=[repository(off_machine=False)], fetch={}, fetches={}, checksums=False
    )
    assert judging.problems(here) == {}
    said = " ".join(judging.remarks({**here, "disk": {"/": 86}}))
    assert "On the same disk: no backup" in said
    assert "The disk of / is 86 % full" in said
    assert "no page checksums" in said
    # Another host has a copy
    assert "same disk" not in " ".join(judging.remarks({**here, "kept": True}))


def test_the_table_says_until_when() -> None:
    view = View("production", {"backup1": status()})
    assert view.lines()[0] == "production is restorable until 2027-01-15 07:59:31 UTC (29 s ago)"
    assert view.as_data()["restorable_until"] == NOW - 29
    assert view.as_data()["problems"] == []
    assert View("production", {}).lines()[0] == "production is restorable until never: there is no backup"
    assert View("production", {"backup1": status()}, ["production1"]).problems == [
        "production1: it did not say how its backups stand."
    ]


def test_what_is_off_the_machine_counts_first() -> None:
    here = status(repositories=[repository(name="local", off_machine=False, until=NOW)])
    assert View("production", {"p": here, "backup1": status()}).until == NOW - 29


@pytest.mark.parametrize(
    ("size", "words"), [(999, "999 B"), (1500, "1.5 KB"), (31_116_205, "31.1 MB"), (2e12, "2.0 TB")]
)
def test_amounts(size: float, words: str) -> None:
    assert amount(size) == words


def test_what_expires_is_what_nothing_needs() -> None:
    arrived = {"old": 10.0, "older": 5.0, "new": 30.0}
    # A moment since 20 needs the newest from before it.
    assert keep.expired(arrived, 20) == ["older"]
    assert keep.expired(arrived, 5) == []
    assert keep.expired({"only": 1.0}, 99) == []


def test_the_time_that_a_burglar_writes_counts_for_nothing(tmp_path: Any) -> None:
    """What pretends to be from next year, or from long ago, arrives now."""
    (tmp_path / "29991231-000000F").mkdir()
    assert keep.expired({one.name: keep.arrival(str(one)) for one in tmp_path.iterdir()}, 5) == []


class Kept:
    """A repository of which pgBackRest says so much."""

    def __init__(self, *backups: Backup) -> None:
        self.backups = lambda: list(backups)
        self.account = SimpleNamespace(pw_uid=os.getuid())


def segments(folder: Path, *counts: int, age: float, line: int = 1) -> None:
    for count in counts:
        path = folder / name(count, line)[:16] / f"{name(count, line)}-{'0a' * 20}.zst"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (NOW - age, NOW - age))


def left(folder: Path) -> list[int]:
    return sorted(chain.number(one.name) for one in folder.rglob("*.zst"))


def test_wal_goes_with_the_backups_that_needed_it(tmp_path: Path) -> None:
    """pgBackRest of a host that keeps removes none: it would fill the disk."""
    here = tmp_path / "17-2"
    segments(here, 250, 254, 255, 256, age=40 * DAY)
    segments(here, 257, age=DAY)
    (here / "00000002.history").touch()
    repository: Any = Kept(replace(backup(255, 256), server=2), replace(backup(400, 401), server=2))
    assert keep.remove_wal(str(tmp_path), repository, NOW - 30 * DAY) == 2
    assert left(here) == [255, 256, 257]
    assert (here / "00000002.history").exists()
    assert keep.remove_wal(str(tmp_path), repository, NOW - 30 * DAY) == 0


def test_no_backup_that_is_handed_over_shortens_the_life_of_wal(tmp_path: Path) -> None:
    """Somebody shows a backup that needs nothing of what is here, under an early label: what came lately stays."""
    segments(tmp_path / "17-2", 5, 6, age=40 * DAY)
    segments(tmp_path / "17-2", 7, 8, age=DAY)
    false: Any = Kept(replace(backup(9999, 9999), label="20200101-000000F", server=2), replace(backup(5, 5), server=2))
    assert keep.remove_wal(str(tmp_path), false, NOW - 30 * DAY) == 0
    alone: Any = Kept(replace(backup(9999, 9999), server=2))
    assert keep.remove_wal(str(tmp_path), alone, NOW - 30 * DAY) == 2
    assert left(tmp_path) == [7, 8]


def test_wal_of_a_server_before_goes_when_nothing_of_it_is_left(tmp_path: Path) -> None:
    segments(tmp_path / "15-1", 900, age=40 * DAY)
    segments(tmp_path / "15-1", 901, age=DAY)
    segments(tmp_path / "17-2", 3, age=40 * DAY)
    repository: Any = Kept(replace(backup(3, 4), server=2))
    assert keep.remove_wal(str(tmp_path), repository, NOW - 30 * DAY) == 1
    assert left(tmp_path) == [3, 901]
    nothing: Any = Kept()
    assert keep.remove_wal(str(tmp_path), nothing, NOW) == 0


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../b", "a//b", ".hidden", "a/.b", "", "a/", "a\nb", "a b", "a/./b"]
)
def test_no_name_leads_out_of_a_repository(path: str) -> None:
    assert not wire.PATH.fullmatch(path)


@pytest.mark.parametrize(
    "path",
    [
        "archive/site/17-1/0000000100000000/000000010000000000000001-3151feb2c4d417586b907dc634288eb7bb1256e5.zst",
        "backup/site/20261129-093830F_20261129-093834I/pg_data/base/5/PG_VERSION.zst",
        "archive/site/17-1/00000002.history", "backup/noticeboard-two/latest",
    ],
)  # fmt: skip
def test_names_of_repositories_are_names(path: str) -> None:
    assert wire.PATH.fullmatch(path)


def test_what_pgbackrest_says_is_one_printable_line() -> None:
    text = "2026-11-29 09:38:17.201 P00   INFO: begin\n2026-11-29 09:38:17.259 P00  ERROR: [068]: it \x1b[31mbroke\n"
    assert pgbackrest.plain(text) == "it ?[31mbroke"


def test_what_info_tells_is_understood() -> None:
    told = {
        "archive": {"start": name(4), "stop": name(5)}, "error": True, "label": "L", "type": "incr",
        "timestamp": {"start": 1, "stop": 2}, "info": {"size": 9, "repository": {"delta": 3, "size": 5}},
        "lsn": {"start": "0/4000028", "stop": "0/4000100"}, "database": {"id": 3, "repo-key": 1},
    }  # fmt: skip
    assert pgbackrest.backup_of(told) == Backup("L", "incr", 1, 2, name(4), name(5), 9, 3, "0/4000100", True, 3)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("archive/s/17-1/0000000100000000/000000010000000000000001-3151feb2c4d417586b907dc634288eb7bb1256e5.zst", True),
        ("archive/s/archive.info", False), ("archive/s/archive.info.copy", False), ("backup/s/latest", False),
        ("archive/s/17-1/0000000100000000/000000010000000000000001-31.zst.pgbackrest.tmp", False),
        ("backup/s/20261129-093830F/backup.manifest", True), ("backup/s/20261129-093830F/bundle/1", True),
    ],
)  # fmt: skip
def test_what_stays_as_it_was_written(path: str, kept: bool) -> None:
    found = pgbackrest.Found()
    pgbackrest.note(found, path, 5, 7)
    assert (path in found.files) == kept
    assert found.bytes == 5


def test_where_the_database_goes_by_what_a_host_has() -> None:
    both = [{"type": "local"}, {"type": "host"}]
    assert [one["keeps"] for one in backup_stores(both, ["database", "uploads"])["databases"]] == ["all"]
    assert [one["keeps"] for one in backup_stores([{"type": "host"}], ["database"])["databases"]] == ["two"]
    stores = backup_stores([{"type": "host"}], ["keeps"])
    assert [(one["name"], one["keeps"], one["off_machine"]) for one in stores["databases"]] == [
        ("host", "nothing", True)
    ]
    assert [one["name"] for one in stores["uploads"]] == ["host"]
    assert backup_stores([], ["database"]) == {"databases": [], "uploads": []}
    (target,) = backup_targets(stores["uploads"], {"host": "rest:https://10.0.3.40:8433/"})
    assert "RESTIC_REST_PASSWORD" in target["secrets"]
    (target,) = backup_targets(stores["uploads"], {"host": "/var/lib/samestack-uploads"})
    assert target["secrets"] == {"RESTIC_PASSWORD": "restic"}


def test_the_server_is_asked_as_nobody_else_reads_it() -> None:
    """What it asks has every function by its schema."""
    calls = re.findall(r"(?<![.\w])(\w+)\(", offer.STATE)
    assert calls == [] or set(calls) <= {"SELECT"}


@pytest.mark.parametrize(
    ("database", "trouble"),
    [
        ({"say": ["done"]}, ""),
        ({"skipped": True}, ""),
        ({"trouble": "No room"}, "No room"),
        # It ended otherwise than by its own words.
        ({"failed": False, "msg": "MODULE FAILURE"}, "MODULE FAILURE"),
    ],
)
def test_a_restore_that_ended_in_any_other_way_has_failed(database: dict[str, Any], trouble: str) -> None:
    loader = DataLoader()
    known = loader.load_from_file("roles/backup/meta/service.yml", trusted_as_template=True)
    found = {"h": {"restore_done": database, "restore_files_done": {"say": []}}}
    names = {**known, "hostvars": found, "db_hosts": ["h"], "web_hosts": ["h"]}
    assert Templar(loader, variables=names).template(known["restore_trouble"]) == trouble


def test_a_host_that_could_not_look_is_not_passed_over() -> None:
    answers = {
        "well": {"status": status()}, "crashed": {"failed": False, "msg": "MODULE FAILURE"},
        "gone": {"unreachable": True}, "other": {"skipped": True}, "never": "",
    }  # fmt: skip
    assert silent(answers) == ["crashed", "gone"]


def test_nothing_is_reached_from_a_backup_before_its_end() -> None:
    """Of its end the second is known."""
    found = pgbackrest.Found([backup(3, 3, NOW - HOUR), backup(5, 5, NOW)], archived(3, 4, 5))
    early, late = (one.label for one in found.backups)
    assert found.backup_for() == late
    times = (NOW + 1, NOW + 0.9, NOW, NOW - HOUR + 1, NOW - HOUR + 0.5)
    assert [found.backup_for(time) for time in times] == [late, early, early, early, ""]


def test_why_a_service_refuses_is_what_is_shown() -> None:
    """The request, of which there is much, says nothing to people."""
    text = (
        "[ProtocolError] HTTP request failed with 403 (FORBIDDEN):\n*** Path/Query ***:\nGET /kept/?list-type=2\n"
        "*** Request Headers ***:\nauthorization: <redacted>\n*** Response Content ***:\n"
        "<?xml version='1.0'?>\n<Error>\n<Code>SignatureDoesNotMatch</Code>\n<Message>x</Message></Error>"
    )
    assert pgbackrest.plain(text) == "HTTP request failed with 403 (FORBIDDEN): SignatureDoesNotMatch"
    assert not pgbackrest.OTHER_KEY.search("[CryptoError]\nunable to verify certificate presented by 'x:443'")
    assert pgbackrest.OTHER_KEY.search("[CryptoError] unable to load info file")
    banner = "\n".join(f"subprocess ssh: {line}" for line in ("@@@@", "@ WARNING @", "Host key verification failed."))
    assert restic.said(f'{banner}\n{{"message": "Fatal: unable to open"}}') == "Host key verification failed."
    assert restic.said('{"message_type":"exit_error","message":"Fatal: no\\nkey"}') == "Fatal: no key"
