"""What is wrong with a host, by its facts alone."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils.watch import lifetimes, visit
from plugins.module_utils.watch.check import Check, Facts
from plugins.module_utils.watch.checks import (
    CHECKS,
    backup,
    certificate,
    changes,
    disk,
    load,
    memory,
    postgresql,
    processes,
    release,
    system,
    units,
)
from plugins.module_utils.watch.judging import held, judged, section
from plugins.module_utils.watch.remedies import COMMANDS, VERBS
from plugins.module_utils.watch.spans import DAY, HOUR
from roles.redis.watch.redis import CHECK as REDIS_CHECK

NOW = 1_795_000_000.0
LIMITS = {
    "disk": 90, "disk_days": 14, "memory": 95, "connections": 90, "load": 4, "restarts": 3, "transaction": 900,
    "lock": 120, "answer": 5, "patience": 60,
}  # fmt: skip
GIB = 1 << 30

SITE = {
    "host": "shop.test", "page": "/health/", "status": 200, "well": True, "seconds": 0.1, "error": "", "closed": False,
    "serves": True,
}  # fmt: skip
WEB = {"unit": "shop-web@1.service", "state": "active", "result": "success", "since": NOW, "restarts": 0}
MAIL = {**WEB, "unit": "shop-worker-mail@1.service"}
TIDY = {
    "unit": "shop-timer-tidy.service",
    "waits": True,
    "failed": False,
    "result": "success",
    "last": NOW - 60,
    "runs": False,
}
PROCESSES = {
    "now": NOW, "paused": False, "web": [WEB], "serves": True, "workers": {"mail": MAIL}, "timers": {"tidy": TIDY},
}  # fmt: skip
ROOT = {"used": 5 * GIB, "free": 5 * GIB, "percent": 50.0, "inodes": 10.0, "full": 0}
MEMORY = {"total": 4 * GIB, "available": 2 * GIB, "swap": GIB, "swap_used": 0, "killed": 0}
POSTGRESQL: Facts = {
    "error": "", "unit": "postgresql@17-main.service", "port": "5432", "database": "shop", "owner": "o", "most": 97,
    "version": "17.6 (Debian)", "used": 5, "oldest": None, "waits": None, "dead": [], "age": 1000, "slots": [],
    "standbys": [], "collations": [], "reads": 0, "hit": 1.0,
}  # fmt: skip
REDIS = {"error": "", "used": 1e6, "most": 0, "evicted": 0, "refused": 0, "saves": True, "version": "8.0.2"}
BACKUP: Facts = {"now": NOW, "time": NOW - 60, "problems": {}, "remarks": [], "until": NOW - 30, "drill": {}}
SYSTEM: Facts = {
    "now": NOW, "updates": [], "waiting": 0, "reboot": False, "stale": [], "clock": "", "system": ["debian", "13"],
    "postgresql": "17",
}  # fmt: skip
CHANGES: Facts = {
    "now": NOW, "holder": {}, "held": 0, "frozen": {}, "closed": "", "message": "", "drift": "", "rehearsal": False,
}  # fmt: skip
RELEASE = {"release": "8d62fa25256d", "label": "v1", "since": NOW - HOUR, "now": NOW,
           "last": {"verb": "deploy", "who": "ada", "result": "ok", "time": "", "release": ""}}  # fmt: skip
NAMES = ("shop.test",)
READ = [int(NOW - 10 * DAY), int(NOW + 80 * DAY), list(NAMES), "CN = an authority", "id-ecPublicKey"]
CERTIFICATE = {"now": NOW, "acme": False, "names": {"shop.test": {"error": "", "read": READ, "name": "shop.test"}}}
SITE_CHECK = Check("site", 10, lambda _: None, visit.judge, visit.words)

WELL: list[tuple[Check, Facts]] = [
    (SITE_CHECK, SITE),
    (release.CHECK, RELEASE),
    (processes.CHECK, PROCESSES),
    (units.CHECK, {"failed": [], "stopped": [], "watched": 5}),
    (postgresql.CHECK, POSTGRESQL),
    (REDIS_CHECK, REDIS),
    (disk.CHECK, {"now": NOW, "disks": {"/": ROOT}}),
    (memory.CHECK, MEMORY),
    (load.CHECK, {"processors": 2, "load": 0.5}),
    (certificate.CHECK, CERTIFICATE),
    (backup.CHECK, BACKUP),
    (system.CHECK, SYSTEM),
    (changes.CHECK, CHANGES),
]


def levels(check: Check, facts: Facts) -> dict[str, str]:
    return {one.key: one.level for one in judged(check, facts, LIMITS, "shop")}


def test_every_check_is_tried_here() -> None:
    every = sorted([*CHECKS, REDIS_CHECK], key=lambda check: check.order)
    assert [check.name for check, _ in WELL] == [check.name for check in every]


@pytest.mark.parametrize(("check", "facts"), WELL, ids=lambda one: getattr(one, "name", ""))
def test_what_is_well(check: Check, facts: Facts) -> None:
    assert levels(check, facts) == {}
    assert check.words(facts)


def disks(**other: Any) -> Facts:
    return {"now": NOW, "disks": {"/": {**ROOT, **other}}}


def asked(**other: Any) -> Facts:
    return {**POSTGRESQL, **other}


def shown(*read: Any) -> Facts:
    return {**CERTIFICATE, "names": {"shop.test": {"error": "", "read": list(read), "name": "shop.test"}}}


SESSION = {"pid": 7, "user": "shop", "state": "idle in transaction"}
BAD: list[tuple[Check, Facts, dict[str, str]]] = [
    (SITE_CHECK, {**SITE, "status": 0, "well": False, "error": "refused"}, {"answer": "red"}),
    (SITE_CHECK, {**SITE, "status": 502, "well": False}, {"answer": "red"}),
    (SITE_CHECK, {**SITE, "seconds": 6}, {"slow": "yellow"}),
    (SITE_CHECK, {**SITE, "status": 502, "well": False, "serves": False}, {}),
    (SITE_CHECK, {**SITE, "status": 503, "well": False, "closed": True}, {}),
    (SITE_CHECK, {**SITE, "status": 502, "well": False, "closed": True}, {"answer": "red"}),
    (release.CHECK, {**RELEASE, "release": ""}, {"none": "yellow"}),
    (processes.CHECK, {**PROCESSES, "web": []}, {"web": "red"}),
    (processes.CHECK, {**PROCESSES, "web": [], "serves": False}, {}),
    (processes.CHECK, {**PROCESSES, "web": [], "paused": True}, {}),
    (processes.CHECK, {**PROCESSES, "workers": {"mail": {**MAIL, "state": "failed"}}}, {"worker mail": "red"}),
    (processes.CHECK, {**PROCESSES, "workers": {"mail": {**MAIL, "state": "inactive"}}}, {"worker mail": "red"}),
    (processes.CHECK, {**PROCESSES, "workers": {"mail": {**MAIL, "restarts": 2}}}, {}),
    (processes.CHECK, {**PROCESSES, "workers": {"mail": {**MAIL, "restarts": 3}}}, {"crashes mail": "red"}),
    (processes.CHECK, {**PROCESSES, "web": [{**WEB, "restarts": 3}]}, {"crashes web": "red"}),
    (processes.CHECK, {**PROCESSES, "timers": {"tidy": {**TIDY, "waits": False}}}, {"timer tidy": "red"}),
    (processes.CHECK, {**PROCESSES, "timers": {"tidy": {**TIDY, "failed": True}}}, {"job tidy": "red"}),
    (units.CHECK, {"failed": ["a.service"], "stopped": ["b.timer"], "watched": 2},
     {"a.service": "red", "b.timer": "red"}),
    (postgresql.CHECK, {"error": "no server", "unit": "postgresql@17-main.service"}, {"answer": "red"}),
    (postgresql.CHECK, asked(used=72), {}),
    (postgresql.CHECK, asked(used=75), {"connections": "yellow"}),
    (postgresql.CHECK, asked(used=90), {"connections": "red"}),
    (postgresql.CHECK, asked(oldest={**SESSION, "seconds": 299}), {}),
    (postgresql.CHECK, asked(oldest={**SESSION, "seconds": 301}), {"transaction": "yellow"}),
    (postgresql.CHECK, asked(oldest={**SESSION, "seconds": 901}), {"transaction": "red"}),
    (postgresql.CHECK, asked(waits={"pid": 8, "by": 7, "seconds": 50}), {"lock": "yellow"}),
    (postgresql.CHECK, asked(waits={"pid": 8, "by": 7, "seconds": 121}), {"lock": "red"}),
    (postgresql.CHECK, asked(dead=[{"name": "t", "dead": 20000, "live": 10}]), {"dead t": "yellow"}),
    (postgresql.CHECK, asked(age=1_100_000_000), {"age": "yellow"}),
    (postgresql.CHECK, asked(slots=[{"name": "s", "kept": 2 << 30}]), {"slot s": "red"}),
    (postgresql.CHECK, asked(slots=[{"name": "s", "kept": None}]), {}),
    (postgresql.CHECK, asked(standbys=[{"name": "b", "state": "streaming", "behind": 512 << 20}]),
     {"standby b": "yellow"}),
    (postgresql.CHECK, asked(standbys=[{"name": "b", "state": "catchup", "behind": None}]), {"standby b": "yellow"}),
    (postgresql.CHECK, asked(collations=[{"name": "shop", "version": "2.36", "actual": "2.41"}]),
     {"collation shop": "yellow"}),
    (postgresql.CHECK, asked(reads=200_000, hit=0.5), {"hit": "yellow"}),
    (postgresql.CHECK, asked(reads=200, hit=0.5), {}),
    (REDIS_CHECK, {"error": "refused"}, {"answer": "red"}),
    (REDIS_CHECK, {**REDIS, "used": 86, "most": 100}, {"memory": "yellow"}),
    (REDIS_CHECK, {**REDIS, "used": 96, "most": 100}, {"memory": "red"}),
    (REDIS_CHECK, {**REDIS, "saves": False, "evicted": 3, "refused": 1},
     {"saves": "red", "evicted": "yellow", "refused": "yellow"}),
    (disk.CHECK, disks(percent=79.9), {}),
    (disk.CHECK, disks(percent=81.0), {"/": "yellow"}),
    (disk.CHECK, disks(percent=90.0), {"/": "red"}),
    (disk.CHECK, disks(full=NOW + 10 * DAY), {"/": "yellow"}),
    (disk.CHECK, disks(full=NOW + DAY), {"/": "red"}),
    (disk.CHECK, disks(full=NOW + 40 * DAY), {}),
    (disk.CHECK, disks(inodes=95.0), {"/ inodes": "red"}),
    (memory.CHECK, {**MEMORY, "killed": 1}, {"killed": "red"}),
    (memory.CHECK, {**MEMORY, "available": 0.14 * 4 * GIB}, {"full": "yellow"}),
    (memory.CHECK, {**MEMORY, "available": 0.04 * 4 * GIB}, {"full": "red"}),
    (memory.CHECK, {**MEMORY, "swap_used": 0.9 * GIB}, {"swap": "yellow"}),
    (load.CHECK, {"processors": 2, "load": 4.5}, {"load": "yellow"}),
    (load.CHECK, {"processors": 2, "busy": 0.99}, {"busy": "yellow"}),
    (certificate.CHECK, shown(READ[0], int(NOW + 3 * DAY), *READ[2:]), {"shop.test soon": "red"}),
    (certificate.CHECK, shown(READ[0], int(NOW - 1), *READ[2:]), {"shop.test ended": "red"}),
    (certificate.CHECK, shown(*READ[:2], ["other.test"], *READ[3:]), {"shop.test names": "red"}),
    (certificate.CHECK, {**CERTIFICATE, "names": {"shop.test": {"error": "refused"}}}, {"shop.test unseen": "red"}),
    (backup.CHECK, {**BACKUP, "time": 0}, {}),
    (backup.CHECK, {**BACKUP, "time": NOW - 2000}, {"silent": "red"}),
    (backup.CHECK, {**BACKUP, "problems": {"run": "It failed."}, "remarks": ["hm"]},
     {"run": "red", "remark 0": "note"}),
    (system.CHECK, {**SYSTEM, "updates": ["a"], "waiting": HOUR}, {"updates": "note"}),
    (system.CHECK, {**SYSTEM, "updates": ["a"], "waiting": 3 * DAY}, {"updates": "yellow"}),
    (system.CHECK, {**SYSTEM, "reboot": True, "stale": ["x.service"], "clock": "no"},
     {"reboot": "yellow", "stale": "yellow", "clock": "yellow"}),
    (system.CHECK, {**SYSTEM, "now": lifetimes.seconds("2030-06-30") - 30 * DAY, "postgresql": ""},
     {"ends Debian 13": "note"}),
    (system.CHECK, {**SYSTEM, "now": lifetimes.seconds("2030-06-30") + 1, "postgresql": ""},
     {"ended Debian 13": "note"}),
    (system.CHECK, {**SYSTEM, "system": ["debian", "14"], "postgresql": "99"}, {}),
    (changes.CHECK, {**CHANGES, "holder": {"verb": "deploy", "who": "ada", "since": NOW}, "held": 60}, {"run": "note"}),
    (changes.CHECK, {**CHANGES, "holder": {"verb": "deploy", "who": "ada", "since": NOW}, "held": 4000},
     {"run": "yellow"}),
    (changes.CHECK, {**CHANGES, "frozen": {"who": "ada", "since": NOW}, "closed": "people", "drift": "2026-11-29"},
     {"frozen": "note", "closed": "note", "drift": "note"}),
]  # fmt: skip


NAMED = [f"{one[0].name} {[*one[2]]}" for one in BAD]


@pytest.mark.parametrize(("check", "facts", "wanted"), BAD, ids=NAMED)
def test_what_is_not(check: Check, facts: Facts, wanted: dict[str, str]) -> None:
    assert levels(check, facts) == wanted
    assert check.words(facts)


@pytest.mark.parametrize(
    ("check", "facts"), [one[:2] for one in BAD], ids=[f"{one[0].name} {[*one[2]]}" for one in BAD]
)
def test_each_red_or_yellow_line_ends_with_what_mends_it(check: Check, facts: Facts) -> None:
    about = {"app": "shop", "host": "web1", "where": "production"}
    for one in section(check, facts, LIMITS, about, {})["findings"]:
        assert one["level"] == "note" or one["mend"], one
        assert not {"{", "}"} & set(one["mend"] + one["unit"]), one


def test_remedies_are_those_that_there_are() -> None:
    used = {one.remedy for check, facts, _ in BAD for one in judged(check, facts, LIMITS, "shop")} - {""}
    assert used <= {*VERBS, *COMMANDS}
    assert {*VERBS, *COMMANDS} - used <= {"start"}, "a remedy for nothing"


def test_what_nobody_can_say_is_wrong_as_well() -> None:
    assert levels(disk.CHECK, {"unknown": "it hangs"}) == {"unknown": "yellow"}


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (CHANGES, ""),
        ({**CHANGES, "rehearsal": True}, "this is a stand-in"),
        ({**CHANGES, "holder": {"verb": "deploy"}, "held": 60}, "a run is at work (deploy)"),
        # It hangs: nobody is kept from hearing of it.
        ({**CHANGES, "holder": {"verb": "deploy"}, "held": 4000}, ""),
        # Nobody wants a site that is down because nothing may be changed.
        ({**CHANGES, "frozen": {"who": "ada"}}, ""),
        ({"unknown": "no"}, ""),
    ],
)
def test_what_holds_alarms(facts: Facts, wanted: str) -> None:
    assert held(facts, 1800) == wanted


def test_the_day_on_which_a_disk_will_be_full() -> None:
    growing = [[NOW - (48 - hour) * HOUR, hour * GIB] for hour in range(48)]
    assert disk.full(growing, NOW, 48 * GIB, 24 * GIB) == pytest.approx(NOW + DAY, abs=HOUR)
    # A large file that came and went is no trend, and neither is a short time.
    bump = [[NOW - (48 - hour) * HOUR, 10 * GIB + (30 * GIB if 20 < hour < 26 else 0)] for hour in range(48)]
    assert disk.full(bump, NOW, 10 * GIB, 24 * GIB) == 0
    assert disk.full(growing[-6:], NOW, 48 * GIB, 24 * GIB) == 0
    assert disk.full([], NOW, GIB, GIB) == 0


def test_the_table_of_ends_knows_what_is_supported() -> None:
    assert {("debian", "12"), ("debian", "13"), ("ubuntu", "24.04")} <= {*lifetimes.SYSTEMS}
    assert all(lifetimes.seconds(date) for date in (*lifetimes.SYSTEMS.values(), *lifetimes.POSTGRESQL.values()))
