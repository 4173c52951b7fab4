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
    errors,
    load,
    memory,
    peers,
    postgresql,
    processes,
    release,
    system,
    traffic,
    units,
)
from plugins.module_utils.watch.judging import held, judged, section
from plugins.module_utils.watch.look import itself
from plugins.module_utils.watch.remedies import COMMANDS, VERBS
from plugins.module_utils.watch.spans import DAY, HOUR
from roles.redis.watch.redis import CHECK as REDIS_CHECK

NOW = 1_795_000_000.0
LIMITS = {
    "disk": 90, "disk_days": 14, "memory": 95, "connections": 90, "load": 4, "restarts": 3, "transaction": 900,
    "lock": 120, "backlog": 600, "errors": 5, "answer": 5, "patience": 60,
}  # fmt: skip
GIB = 1 << 30

SITE = {
    "host": "shop.test", "page": "/health/", "status": 200, "well": True, "seconds": 0.1, "error": "", "closed": False,
    "serves": True,
}  # fmt: skip
WEB = {"unit": "shop-web@1.service", "state": "active", "result": "success", "since": NOW, "restarts": 0, "says": ""}
MAIL = {**WEB, "unit": "shop-worker-mail@1.service"}
DEAD = {**MAIL, "says": "has ended with code 1, and is started again when code changes"}
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
    "backlogs": {},
}  # fmt: skip
FIGURES = {"requests": 300, "errors": 3, "p95": 0.1}
TRAFFIC: Facts = {
    "now": NOW, "release": "b" * 12, "since": NOW - 600, "left_out": 0, "minutes": FIGURES, "hour": FIGURES,
    "before": FIGURES, "after": FIGURES, "worse": [],
}  # fmt: skip
RAISED: Facts = {
    "what": "KeyError in shop/views.py, pay", "lines": "KeyError: 1", "release": "b" * 12, "first": NOW - 900,
    "last": NOW, "count": 2, "open": True, "alone": True,
}  # fmt: skip
ERRORS: Facts = {"now": NOW, "cut": False, "release": "b" * 12, "exceptions": {}}
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

PEER = {"error": "", "looked": 20.0, "unsent": 0}
PEERS: Facts = {"own": "web1", "order": ["web1", "web2", "db1"], "hosts": {"web2": PEER, "db1": PEER}}

WELL: list[tuple[Check, Facts]] = [
    (peers.CHECK, PEERS),
    (SITE_CHECK, SITE),
    (release.CHECK, RELEASE),
    (processes.CHECK, PROCESSES),
    (traffic.CHECK, TRAFFIC),
    (errors.CHECK, ERRORS),
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


def others(web2: Facts = PEER, db1: Facts = PEER, own: str = "web1") -> Facts:
    """What one of three hosts hears of the others; web1 is well."""
    hosts = {"web1": PEER, "web2": web2, "db1": db1}
    return {**PEERS, "own": own, "hosts": {name: about for name, about in hosts.items() if name != own}}


GONE = {"error": "no answer within 5 s"}
SILENT, UNHEARD = {**PEER, "looked": 301.0}, {**PEER, "unsent": 601.0}
SESSION = {"pid": 7, "user": "shop", "state": "idle in transaction"}
BAD: list[tuple[Check, Facts, dict[str, str]]] = [
    (peers.CHECK, others(web2=GONE), {"web2": "red"}),
    (peers.CHECK, others(GONE, GONE), {"web2": "red", "db1": "red"}),
    (peers.CHECK, others(web2=SILENT), {"web2 silent": "red"}),
    (peers.CHECK, others(db1=UNHEARD), {"db1 unsent": "red"}),
    (peers.CHECK, others(db1={**PEER, "looked": 299.0, "unsent": 599.0}), {}),
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
    (processes.CHECK, {**PROCESSES, "workers": {"mail": DEAD}}, {"worker mail": "red"}),
    (processes.CHECK, {**PROCESSES, "workers": {"mail": {**MAIL, "restarts": 2}}}, {}),
    (processes.CHECK, {**PROCESSES, "workers": {"mail": {**MAIL, "restarts": 3}}}, {"crashes mail": "red"}),
    (processes.CHECK, {**PROCESSES, "web": [{**WEB, "restarts": 3}]}, {"crashes web": "red"}),
    (processes.CHECK, {**PROCESSES, "timers": {"tidy": {**TIDY, "waits": False}}}, {"timer tidy": "red"}),
    (processes.CHECK, {**PROCESSES, "timers": {"tidy": {**TIDY, "failed": True}}}, {"job tidy": "red"}),
    (processes.CHECK, {**PROCESSES, "backlogs": {"tidy": 199.9}}, {}),
    (processes.CHECK, {**PROCESSES, "backlogs": {"tidy": 200.0}}, {"backlog tidy": "yellow"}),
    (processes.CHECK, {**PROCESSES, "backlogs": {"tidy": 600.0}}, {"backlog tidy": "red"}),
    (processes.CHECK, {**PROCESSES, "backlogs": {"tidy": None}}, {"backlog tidy": "yellow"}),
    (processes.CHECK, {**PROCESSES, "timers": {"tidy": {**TIDY, "last": 0}}, "backlogs": {"tidy": None}}, {}),
    (traffic.CHECK, {**TRAFFIC, "minutes": {**FIGURES, "requests": 100, "errors": 4}}, {}),
    (traffic.CHECK, {**TRAFFIC, "minutes": {**FIGURES, "requests": 101, "errors": 5}}, {}),
    (traffic.CHECK, {**TRAFFIC, "minutes": {**FIGURES, "requests": 100, "errors": 5}}, {"errors": "red"}),
    (traffic.CHECK, {**TRAFFIC, "worse": ["errors", "p95"]}, {"worse": "red", "slower": "red"}),
    (traffic.CHECK, {**TRAFFIC, "worse": ["errors", "p95"], "since": NOW - 3601}, {}),
    (traffic.CHECK, {**TRAFFIC, "left_out": 5_000_000, "hour": {"requests": 0, "errors": 0, "p95": None}},
     {"flood": "note"}),
    (errors.CHECK, {**ERRORS, "exceptions": {"1": RAISED, "2": {**RAISED, "open": False}}},
     {"1": "red", "known": "yellow"}),
    (errors.CHECK, {**ERRORS, "exceptions": {str(n): {**RAISED, "count": 1, "alone": n < 5} for n in range(22)}},
     {**{str(n): "red" for n in range(5)}, "more": "red"}),
    (errors.CHECK, {**ERRORS, "cut": True}, {"flood": "note"}),
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
    assert {*VERBS, *COMMANDS} == used, "a remedy for nothing"


@pytest.mark.parametrize(
    ("facts", "tells"),
    [
        (others(db1=GONE), True),
        (others(db1=GONE, own="web2"), False),
        # The first in the order that is left, watched, and heard
        (others(web2=GONE, own="db1"), False),
        ({**others(own="db1"), "hosts": {"web1": GONE, "web2": PEER}}, False),
        ({**others(own="db1"), "hosts": {"web1": GONE, "web2": SILENT}}, True),
        ({**others(own="db1"), "hosts": {"web1": UNHEARD, "web2": GONE}}, True),
        ({**others(own="web2"), "hosts": {"web1": GONE, "db1": PEER}}, True),
    ],
)
def test_one_of_the_hosts_that_are_left_tells(facts: Facts, tells: bool) -> None:
    about = {"app": "shop", "host": facts["own"], "where": "production"}
    found = section(peers.CHECK, facts, LIMITS, about, {})["findings"]
    assert {one["tells"] for one in found} == {tells}
    assert {one["elsewhere"] for one in found} == {not tells}


def test_a_silent_host_is_mended_there() -> None:
    about = {"app": "shop", "host": "web1", "where": "production"}
    (found,) = section(peers.CHECK, others(db1=SILENT), LIMITS, about, {})["findings"]
    assert found["mend"] == "on db1: sudo systemctl enable --now samestack-watch.timer"


@pytest.mark.parametrize(
    ("looked", "begun", "wanted"),
    [
        (NOW - 50, NOW - DAY, {}),
        (NOW - 400, NOW - DAY, {"silent": "red"}),
        (NOW + 4000, NOW - DAY, {"silent": "red"}),
        (0, NOW - DAY, {"silent": "red"}),
        (0, NOW - 40, {"first": "note"}),
    ],
)
def test_a_machine_that_has_just_been_made_is_not_silent(looked: float, begun: float, wanted: dict[str, str]) -> None:
    facts = {"now": NOW, "looked": looked, "begun": begun, "unsent": {}, "unpinged": {}}
    assert levels(itself(), facts) == wanted


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
