"""When people are told that a host is not well, and what: once, and once that all is well again."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from plugins.filter.watch import watch_program_files
from plugins.module_utils.common import secrets
from plugins.module_utils.watch import look, ping
from plugins.module_utils.watch.memory import Memory
from plugins.module_utils.watch.metrics import text
from plugins.module_utils.watch.settings import Settings
from plugins.module_utils.watch.telling import Teller, harmless, one_line
from plugins.plugin_utils.project_root import ENGINE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugins.module_utils.watch.check import Facts
    from plugins.module_utils.watch.metrics import Metric

LIMITS = {
    "disk": 90, "disk_days": 14, "memory": 95, "connections": 90, "load": 4, "restarts": 3, "transaction": 900,
    "lock": 120, "backlog": 600, "errors": 5, "answer": 5, "patience": 60,
}  # fmt: skip
SETTINGS = Settings("shop", "production", "web1", "production", "/srv/shop", metrics=True, limits=LIMITS)
QUIET: Facts = {
    "now": 0, "holder": {}, "held": 0, "frozen": {}, "closed": "", "message": "", "drift": "", "rehearsal": False,
}  # fmt: skip
WELL: dict[str, Facts] = {"units": {"failed": [], "stopped": [], "watched": 1}, "changes": QUIET}
FAILED = {**WELL, "units": {"failed": ["a.service"], "stopped": [], "watched": 1}}
DATABASE: Facts = {"error": "refused", "unit": "postgresql@17-main.service"}
BOTH = {**FAILED, "postgresql": DATABASE}
CERTIFICATE = {"now": 0, "acme": False, "names": {"shop.test": {"error": "refused"}}}


class World:
    """A host whose facts are said here, its clock, and what people were told of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.facts: dict[str, Facts] = WELL
        self.now = 1_795_000_000.0
        self.sent = True
        self.said: list[tuple[str, str, str]] = []
        self.memory = Memory()
        self.log = "the log"
        (folder / "notices").write_text("json://chat.test/\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
        monkeypatch.setattr(look, "gathered", lambda _: self.facts)
        monkeypatch.setattr(look, "tell", self.tell)
        monkeypatch.setattr(look, "log", lambda _: self.log)
        monkeypatch.setattr(look, "learn", lambda _: None)
        monkeypatch.setattr(look, "Memory", self)
        monkeypatch.setattr(look, "KEPT", str(folder))
        self.pings: list[bool] = []
        self.why = ""
        monkeypatch.setattr(ping, "send", self.ping)
        monkeypatch.setattr(look, "Look", lambda settings, memory: World.Moment(settings, memory, self.now))
        monkeypatch.setattr(Memory, "write", lambda _: None)
        monkeypatch.setattr(look, "write", self.collect)
        self.metrics: dict[str, float] = {}

    class Moment:
        def __init__(self, settings: Settings, memory: Memory, now: float) -> None:
            self.settings, self.memory, self.now = settings, memory, now

    def collect(self, metrics: Iterable[Metric]) -> None:
        self.metrics = {
            line.rpartition(" ")[0]: float(line.split()[-1]) for line in text(metrics).splitlines() if line[0] != "#"
        }

    def read(self) -> Memory:
        return self.memory

    def tell(self, _: str, title: str, body: str, kind: str) -> bool:
        self.said.append((kind, title, body))
        return self.sent

    def ping(self, _: str, *, well: bool) -> str:
        self.pings.append(well)
        return self.why

    def own(self) -> list[str]:
        """Return what is wrong with the watch itself."""
        moment = World.Moment(SETTINGS, self.memory, self.now)
        return [one["key"] for one in look.sections(moment, WELL)[-1]["findings"]]  # type: ignore[arg-type]

    def minutes(self, count: int, facts: dict[str, Facts]) -> list[str]:
        """Let some minutes go by, and return of which kind the notices were."""
        self.facts, self.said = facts, []
        for _ in range(count):
            self.now += 60
            look.watch(SETTINGS)
        return [kind for kind, _, _ in self.said]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path)


def test_one_notice_and_one_that_all_is_well(world: World) -> None:
    assert world.minutes(60, WELL) == []
    assert world.minutes(60, FAILED) == ["failure"]
    kind, title, body = world.minutes(60, WELL) and world.said[0]
    assert (kind, title.endswith("all is well again")) == ("success", True)
    assert "units: well again after 1 h" in body
    assert world.minutes(60, WELL) == []


def test_a_notice_says_what_since_when_what_to_do_and_what_the_log_says(world: World) -> None:
    world.minutes(3, FAILED)
    _, title, body = world.said[0]
    assert title.startswith("shop, production, ")
    assert "a.service has failed" in title
    for part in ("units: a.service has failed", "since 2026-", "mend: on ", "systemctl restart a.service", "| the log"):
        assert part in body
    assert "./samestack status production" in body


def test_what_mends_itself_at_once_wakes_nobody(world: World) -> None:
    for _ in range(20):
        assert world.minutes(1, FAILED) + world.minutes(2, WELL) == []


def test_what_comes_and_goes_is_one_story(world: World) -> None:
    assert world.minutes(3, FAILED) == ["failure"]
    for _ in range(20):
        assert world.minutes(1, WELL) + world.minutes(3, FAILED) == []
    assert world.minutes(3, WELL) == ["success"]


def test_what_turns_red_together_is_one_notice(world: World) -> None:
    assert world.minutes(1, FAILED) == []
    assert world.minutes(5, BOTH) == ["failure"]
    assert "and 1 more" in world.said[0][1]
    # Nobody is told while one of them is left.
    assert world.minutes(5, FAILED) == []
    assert world.minutes(5, WELL) == ["success"]


def test_another_section_is_another_story(world: World) -> None:
    more = {**WELL, "units": {"failed": ["a.service", "b.service"], "stopped": [], "watched": 1}}
    assert world.minutes(5, FAILED) == ["failure"]
    assert world.minutes(5, more) == []
    assert world.minutes(5, BOTH) == ["failure"]
    assert world.minutes(5, WELL) == ["success"]


def test_what_follows_from_something_known_is_part_of_its_story(world: World) -> None:
    site = {"site": {"host": "shop.test", "page": "/", "status": 502, "well": False, "seconds": 0.1, "error": "",
                     "closed": False, "serves": True}}  # fmt: skip
    down = {**WELL, "postgresql": DATABASE}
    assert world.minutes(5, down) == ["failure"]
    assert world.minutes(5, {**down, **site}) == []
    # Nobody is told that all is well while it still shows.
    assert world.minutes(5, {**WELL, **site}) == []
    assert world.minutes(5, WELL) == ["success"]
    assert world.minutes(5, {**WELL, **site}) == ["failure"]
    # The other way round it is no excuse.
    assert world.minutes(5, {**down, **site}) == ["failure"]


def raised(world: World, *names: str) -> dict[str, Facts]:
    """A host on which these exceptions are new."""
    one = {"lines": "  shop/views.py:3: pay()\nKeyError: 1", "release": "b" * 12, "first": world.now, "last": world.now}
    kinds = {name: {**one, "what": f"KeyError in {name}", "count": 1, "open": True, "alone": True} for name in names}
    return {**WELL, "errors": {"now": world.now, "cut": False, "release": "b" * 12, "exceptions": kinds}}


def test_each_exception_is_told_once(world: World) -> None:
    assert world.minutes(5, raised(world, "a")) == ["failure"]
    assert "KeyError in a: new with release bbbbbbbbbbbb" in world.said[0][1]
    assert "  | KeyError: 1" in world.said[0][2]
    assert world.minutes(5, raised(world, "a", "b", "c")) == ["failure"]
    (_, title, body) = world.said[0]
    assert "KeyError in b" in title
    assert "KeyError in a" not in body
    # The first is over, and people know the others.
    assert world.minutes(5, raised(world, "b", "c")) == []
    # Something else is told, and no exception with it.
    assert world.minutes(5, {**raised(world, "b", "c"), **FAILED, "changes": QUIET}) == ["failure"]
    assert "KeyError" not in world.said[0][2]
    assert world.minutes(5, WELL) == ["success"]
    assert "errors, units: well again" in world.said[0][2]


def test_an_exception_hides_no_outage(world: World) -> None:
    site = {"site": {"host": "shop.test", "page": "/", "status": 502, "well": False, "seconds": 0.1, "error": "",
                     "closed": False, "serves": True}}  # fmt: skip
    assert world.minutes(5, raised(world, "a")) == ["failure"]
    assert world.minutes(5, {**raised(world, "a"), **site}) == ["failure"]
    assert world.minutes(5, WELL) == ["success"]


def test_what_fails_while_the_database_is_away_is_its_story_and_a_full_disk_is_no_excuse(world: World) -> None:
    down = {**raised(world, "a"), "postgresql": DATABASE}
    assert world.minutes(5, down) == ["failure"]
    assert "and 1 more" in world.said[0][1]
    assert world.minutes(5, {**down, **raised(world, "a", "b")}) == []
    assert world.minutes(5, WELL) == ["success"]
    full = {"disks": {"/srv": {"used": 1, "free": 1, "percent": 95.0, "inodes": 1.0, "full": 0}}, "now": world.now}
    assert world.minutes(5, {**WELL, "disk": full}) == ["failure"]
    assert world.minutes(5, {**raised(world, "c"), "disk": full}) == ["failure"]


def test_a_run_at_work_holds_alarms_and_no_longer(world: World) -> None:
    at_work = {**QUIET, "holder": {"verb": "deploy", "who": "ada", "since": world.now}, "held": 100}
    assert world.minutes(20, {**FAILED, "changes": at_work}) == []
    assert world.minutes(1, FAILED) == []
    assert world.minutes(1, FAILED) == ["failure"]
    assert world.minutes(20, {**WELL, "changes": at_work}) == []
    assert world.minutes(2, WELL) == ["success"]


def test_behind_the_maintenance_page_only_what_is_not_worked_on_is_told(world: World) -> None:
    closed = {**QUIET, "closed": "people"}
    killed = {"total": 4, "available": 3, "swap": 0, "swap_used": 0, "killed": 1}
    assert world.minutes(10, {**FAILED, "postgresql": DATABASE, "changes": closed}) == []
    assert world.minutes(10, {**FAILED, "memory": killed, "changes": closed}) == ["failure"]


def test_stand_ins_tell_nobody(world: World) -> None:
    assert world.minutes(10, {**BOTH, "changes": {**QUIET, "rehearsal": True}}) == []


def test_nobody_is_told_twice_of_what_others_tell(world: World) -> None:
    assert world.minutes(10, {**WELL, "certificate": CERTIFICATE}) == []


def test_yellow_wakes_nobody(world: World) -> None:
    release = {"release": "", "label": "", "since": 0, "now": world.now, "last": {"result": ""}}
    assert world.minutes(10, {**WELL, "release": release}) == []


def test_what_could_not_be_sent_is_tried_again_and_becomes_a_fault_itself(world: World) -> None:
    world.sent = False
    assert world.minutes(14, FAILED) == ["failure"] * 13
    facts = look.sections(World.Moment(SETTINGS, world.memory, world.now), FAILED)  # type: ignore[arg-type]
    assert [one["key"] for one in facts[-1]["findings"]] == ["unsent"]
    world.sent = True
    assert world.minutes(10, FAILED) == ["failure"]
    assert world.minutes(5, WELL) == ["success"]


def test_without_anybody_to_tell_it_is_in_the_journal(world: World, tmp_path: Path) -> None:
    (tmp_path / "notices").write_text("")
    world.minutes(1, FAILED)
    world.now += 60
    assert "a.service has failed" in look.watch(SETTINGS)[0]
    assert world.minutes(5, WELL) == []
    assert world.memory.told == {}


def test_a_clock_that_goes_back_tells_nobody_anything(world: World) -> None:
    world.minutes(3, FAILED)
    world.now -= 86400
    assert world.minutes(10, FAILED) == []
    assert world.minutes(5, WELL) == ["success"]


def waited_for(folder: Path) -> None:
    (folder / "ping").write_text("https://hc.test/secret\n")


def test_a_ping_after_each_look_says_whether_people_know_of_something(world: World, tmp_path: Path) -> None:
    world.minutes(3, FAILED)
    assert world.pings == []
    waited_for(tmp_path)
    world.minutes(2, FAILED)
    world.minutes(3, WELL)
    world.minutes(1, {**WELL, "certificate": CERTIFICATE})
    # What mends itself at once is nobody's alarm.
    world.minutes(1, FAILED)
    assert world.pings == [False, False, False, True, True, True, True]


def test_a_ping_carries_that_nobody_hears_of_anything(world: World, tmp_path: Path) -> None:
    waited_for(tmp_path)
    world.sent = False
    world.minutes(4, FAILED)
    world.minutes(1, {**FAILED, "changes": {**QUIET, "rehearsal": True}})
    assert world.pings == [True, False, False, False, False]
    world.minutes(14, FAILED)
    world.minutes(5, WELL)
    assert not any(world.pings[1:])
    # What went by untold is told when it can be.
    world.sent = True
    assert world.minutes(5, WELL) == ["success"]
    assert "units: well again after" in world.said[0][2]
    assert world.pings[-2:] == [True, True]


def test_a_stand_in_owes_nobody_a_notice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.sent = False
    world.minutes(4, FAILED)
    assert world.own() == ["unsent"]
    monkeypatch.setitem(globals(), "SETTINGS", replace(SETTINGS, rehearsal=True))
    assert world.minutes(4, {**WELL, "changes": {**QUIET, "rehearsal": True}}) == []
    assert world.own() == []


def test_a_ping_that_comes_to_nothing_is_a_finding_and_no_more(world: World, tmp_path: Path) -> None:
    waited_for(tmp_path)
    world.why = "it answers 404"
    assert world.minutes(60, WELL) == []
    assert world.own() == ["ping"]
    assert world.memory.unpinged == {"since": world.now - 59 * 60, "why": "it answers 404"}
    world.why = ""
    world.minutes(1, WELL)
    assert world.own() == []


def test_a_look_that_breaks_pings_nobody(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited_for(tmp_path)

    def full(_: Memory) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Memory, "write", full)
    with pytest.raises(OSError, match="No space"):
        world.minutes(1, WELL)
    assert world.pings == []


PEER = {"error": "", "looked": 20.0, "unsent": 0}
SITE = {"host": "shop.test", "page": "/", "status": 502, "well": False, "seconds": 0.1, "error": "", "closed": False,
        "serves": True}  # fmt: skip


def gone(own: str, *names: str) -> dict[str, Facts]:
    """What a host finds when others are gone: they do not answer, and its site does not."""
    order = ["web1", "web2", "db1"]
    hosts = {name: {"error": "timed out"} if name in names else PEER for name in order if name != own}
    return {**WELL, "peers": {"own": own, "order": order, "hosts": hosts}, "site": SITE}


def test_a_host_that_is_down_is_one_notice_with_all_that_follows(world: World) -> None:
    assert world.minutes(10, gone("web1", "db1")) == ["failure"]
    assert world.said[0][1].startswith("shop, production, web1: db1 does not answer")
    assert "site: https://shop.test/ answers 502" in world.said[0][2]
    assert world.minutes(10, {**gone("web1"), "site": {**SITE, "status": 200, "well": True}}) == ["success"]


def test_what_another_host_tells_of_is_told_there(world: World) -> None:
    assert world.minutes(10, gone("web2", "db1")) == []
    # That one is gone as well.
    assert world.minutes(10, gone("web2", "db1", "web1")) == ["failure"]
    assert "and 2 more" in world.said[0][1]


KNOWN = "s3cr3t-of-the-shop-9k2"


@pytest.mark.parametrize(
    "written", [KNOWN, f"password={KNOWN}", base64.b64encode(KNOWN.encode()).decode(), KNOWN.encode().hex()]
)
def test_no_secret_is_in_a_notice(world: World, written: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = secrets.Secrets()
    own.learn(KNOWN)
    monkeypatch.setattr(secrets, "KNOWN", own)
    world.log = f"it failed: {written} !"
    world.minutes(3, FAILED)
    assert KNOWN not in world.said[0][2]
    assert written not in world.said[0][2]
    assert "it failed" in world.said[0][2]


def test_a_hostile_line_of_a_log_harms_nobody() -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\u202e\x00\x9b31m" + "A" * 10_000_000
    shown = harmless(f"first\n{hostile}\n\n\nlast\r")
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert len(shown) < 1000
    assert shown.splitlines()[0] == "first"
    assert shown.splitlines()[-1] == "last"
    assert "\n" not in one_line("a\nb")


def test_a_notice_has_an_end() -> None:
    one = {"section": "units", "text": "x" * 150, "since": 1, "mend": "y", "lines": "", "story": "units"}
    red = {f"units {number}": {**one, "unit": str(number)} for number in range(100)}
    about = {"app": "shop", "environment": "production", "host": "web1", "where": "production"}
    notice = Teller(about, 100, lambda _: "line\n" * 8).alarm(list(red), red, {})
    assert len(notice.body) < 7000
    assert len(notice.title) <= 200


class TestMemory:
    def test_growth_is_that_of_a_window(self) -> None:
        memory = Memory()
        found = [
            memory.growth("n", at, value, 600) for at, value in ((0, 10), (60, 11), (120, 13), (700, 13), (2000, 13))
        ]
        assert found == [0, 1, 3, 0, 0]

    def test_a_counter_that_begins_anew(self) -> None:
        memory = Memory()
        memory.growth("n", 0, 10, 600)
        assert memory.growth("n", 60, 2, 600) == 2

    def test_numbers_are_kept_now_and_then_and_not_for_ever(self) -> None:
        memory = Memory()
        for minute in range(60 * 24 * 20):
            memory.sample("disk /", minute * 60, minute, 14 * 86400, 3600)
        assert len(memory.series["disk /"]) == 14 * 24
        memory.forget("disk ", ["/srv"])
        assert memory.series == {}

    def test_what_another_version_wrote_is_forgotten(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("plugins.module_utils.watch.memory.KEPT", str(tmp_path))
        path = tmp_path / "memory.json"
        Memory(told={"units": 1}).write(str(path))
        assert Memory.read(str(path)).told == {"units": 1}
        assert path.stat().st_mode & 0o777 == 0o600
        path.write_text('{"other": 1}')
        assert Memory.read(str(path)) == Memory()


def test_the_program_is_whole(tmp_path: Path) -> None:
    """What a host gets imports nothing that it has not got."""
    for one in watch_program_files(str(tmp_path)):
        path = Path(one["path"])
        if one.get("state") == "directory":
            path.mkdir(parents=True, exist_ok=True)
        else:
            shutil.copyfile(one["source"], path)
    shutil.copyfile(ENGINE / "roles/watch/files/watch.py", tmp_path / "__main__.py")
    words = [sys.executable, "-I", str(tmp_path), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr
    assert "look" in done.stdout


def test_settings_are_those_that_the_role_writes(tmp_path: Path) -> None:
    role = ENGINE / "roles/watch"
    written: dict[str, Any] = yaml.safe_load((role / "vars/main.yml").read_text())["__watch_settings"]
    assert set(written) == set(Settings.__dataclass_fields__)
    limits = yaml.safe_load((role / "defaults/main.yml").read_text())["watch_limits"]
    assert limits == LIMITS
    path = tmp_path / "watch.json"
    values = {name: [] for name in ("workers", "timers", "backlogs", "units", "services", "peers")} | {
        "app": "a",
        "environment": "b",
        "name": "n",
        "where": "c",
        "root": "d",
    }
    path.write_text(json.dumps(values))
    assert Settings.read(str(path)).workers == ()


def test_each_look_leaves_what_it_found_as_numbers(world: World) -> None:
    red = 'samestack_findings{section="units",level="red"}'
    world.minutes(1, WELL)
    assert (world.metrics[red], world.metrics["samestack_units_failed"]) == (0, 0)
    assert world.metrics["samestack_watch_looked_seconds"] == world.now
    world.sent = False
    world.minutes(5, FAILED)
    assert (world.metrics[red], world.metrics["samestack_units_failed"]) == (1, 1)
    assert 0 < world.metrics["samestack_watch_unsent_seconds"] <= world.now
    # What nobody can say has no number, and is a finding.
    world.minutes(1, {**WELL, "units": {"unknown": "no answer"}})
    assert "samestack_units_failed" not in world.metrics
    assert world.metrics['samestack_findings{section="units",level="yellow"}'] == 1
