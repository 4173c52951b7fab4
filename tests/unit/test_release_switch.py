"""The switch: who serves after it, whatever goes wrong, and what the ledger says of it."""

from __future__ import annotations

import fnmatch
import json
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.common import ledger as release_ledger
from plugins.module_utils.common import maintenance_page, pending, priority
from plugins.module_utils.common.errors import HostError as Error
from plugins.module_utils.release.files import static_history
from plugins.module_utils.release.place import LIVE_CODE
from plugins.module_utils.release.serving import sockets
from plugins.module_utils.release.serving import units as release_units
from plugins.module_utils.release.serving.pause import Pause
from plugins.module_utils.release.serving.switch import Switch

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "0000000000aa", "0000000000bb"


class Host:
    """A machine whose systemd is a dictionary, and whose servers answer what they are told to."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "srv"
        self.run = folder / "run"
        self.var = folder / "var"
        self.units: dict[str, str] = {}
        self.calls: list[str] = []
        self.ill: dict[str, str] = {}
        self.front = ""
        for path in (self.root / "releases", self.run, self.var):
            path.mkdir(parents=True)
        for release in (OLD, NEW):
            (self.root / "releases" / release / "static").mkdir(parents=True)
            (self.root / "releases" / release / "release.json").write_text(json.dumps({"id": release}))

    def systemctl(self, *arguments: str) -> tuple[int, str]:
        verb, *rest = arguments
        units = [unit for unit in rest if not unit.startswith("--")]
        if verb == "show":
            blocks = [
                f"Id={unit}\nLoadState=loaded\nActiveState={self.units.get(unit, 'inactive')}" for unit in rest[2:]
            ]
            return 0, "\n\n".join(blocks)
        if verb == "list-units":
            found = [unit for unit in self.units if any(fnmatch.fnmatch(unit, pattern) for pattern in units)]
            return 0, "\n".join(f"{unit} loaded {self.units[unit]} running" for unit in found)
        if verb in ("start", "restart", "stop"):
            self.calls += [f"{verb} {unit}" for unit in units]
            for unit in units:
                if verb == "stop":
                    self.units.pop(unit, None)
                else:
                    self.units[unit] = "active"
        return 0, ""

    def serve(self, instance: str) -> None:
        """An instance of a release is live, with its worker and timer."""
        release = release_units.release_of(instance)
        for unit in (f"shop-web@{instance}.service", f"shop-worker-queue@{release}.service", "shop-timer-tidy.timer"):
            self.units[unit] = "active"
        if instance != release:
            (self.root / "releases" / instance).symlink_to(release)
        self.lead(instance)
        link(self.root / "current", f"releases/{release}")

    def lead(self, instance: str) -> None:
        link(self.run / "live.sock", f"{instance}.sock")

    @property
    def live(self) -> str:
        return (self.run / "live.sock").readlink().name.removesuffix(".sock")

    @property
    def current(self) -> str:
        return (self.root / "current").readlink().name

    @property
    def web(self) -> list[str]:
        return sorted(unit.split("@")[1].removesuffix(".service") for unit in self.units if "-web@" in unit)

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return release_ledger.read_ledger(str(self.var))

    def owe(self) -> Path:
        flag = self.var / "owed" / "shop"
        flag.parent.mkdir(exist_ok=True)
        flag.touch()
        return flag

    def params(self, **given: Any) -> dict[str, Any]:
        return {
            "release_id": NEW, "app": "shop", "root": str(self.root), "run_directory": str(self.run),
            "host": "shop.test", "path": "/", "timeout": 1, "drain": 0, "web_user": "",
            "workers": {"queue": {"single": False, "stop_timeout": 300}}, "timers": ["tidy"],
            "serves": True, "restart": False, "live": None, "keep": 5, "run": {}, "message": "", **given,
        }  # fmt: skip

    def switch(self, **given: Any) -> Switch:
        found = Switch(self.params(**given))
        found.record = release_ledger.Run({"verb": "deploy"}, "shop", str(self.var), str(self.var))
        found.server.probe.until_healthy = lambda unit, _path, _seconds, _meanwhile=None: self.ill.get(
            unit.split("@")[1][:-8], ""
        )
        found.server.probe.through_front = lambda _seconds: self.front
        return found


def link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path)
    page = str(tmp_path / "maintenance.html")
    monkeypatch.setattr(release_units, "systemctl", found.systemctl)
    monkeypatch.setattr(release_units, "journal", lambda *_: "")
    monkeypatch.setattr(release_units, "former_apps", lambda _: [])
    monkeypatch.setattr(sockets, "wait_until_quiet", lambda *_: found.calls.append("quiet") or 0)
    monkeypatch.setattr(pending, "FOLDER", str(found.var))
    monkeypatch.setattr(release_ledger.read_ledger, "__defaults__", (str(found.var),))
    for name in ("on", "off", "is_on", "closed_by", "message"):
        function = getattr(maintenance_page, name)
        monkeypatch.setattr(function, "__defaults__", (*function.__defaults__[:-1], page))
    return found


def test_a_release_takes_over(host: Host) -> None:
    host.serve(OLD)
    switch = host.switch()
    assert switch.run() == [f"Release {NEW} is live (before: {OLD})"]
    assert (host.live, host.current, host.web, switch.changed) == (NEW, NEW, [NEW], True)
    assert set(host.units) == {f"shop-web@{NEW}.service", f"shop-worker-queue@{NEW}.service", "shop-timer-tidy.timer"}
    assert host.calls.index("quiet") < host.calls.index(f"stop shop-web@{OLD}.service")
    (line,) = host.ledger
    assert (line["release"], line["from"], line["to"], line["result"]) == (NEW, OLD, NEW, "ok")
    assert list(line["steps"]) == [
        "start",
        "probe",
        "warm up",
        "switch",
        "verify",
        "workers",
        "drain",
        "prune",
        "watch",
    ]
    assert static_history.releases(str(host.root)) == [OLD]


@pytest.mark.parametrize(("left", "behind"), [(0, [f"shop-web@{OLD}.service"]), (1, [])])
def test_who_is_not_asked_any_more_ends_behind_the_others(
    host: Host, monkeypatch: pytest.MonkeyPatch, left: int, behind: list[str]
) -> None:
    host.serve(OLD)
    found: list[str] = []
    monkeypatch.setattr(sockets, "wait_until_quiet", lambda *_: left)
    monkeypatch.setattr(priority, "step_back", found.extend)
    host.switch().run()
    assert [unit for unit in found if unit.startswith("shop-web@")] == behind


def test_what_is_live_is_left_alone(host: Host) -> None:
    host.serve(OLD)
    host.switch().run()
    calls, switch = len(host.calls), host.switch()
    assert switch.run() == [f"Release {NEW} is live already: nothing to do"]
    assert (len(host.calls), len(host.ledger), switch.changed) == (calls, 1, False)


@pytest.mark.parametrize(("status", "told"), [(404, True), (200, False), (302, False), (403, False)])
def test_a_page_that_is_not_there_is_told(host: Host, status: int, *, told: bool) -> None:
    """What `startproject` makes serves, and shows visitors nothing but that."""
    for _again in range(2):
        switch = host.switch()
        del switch.server.probe.until_healthy
        switch.server.probe.answer = lambda _path, _seconds: (status, f"it answers {status}")
        said = switch.run()[1:]
        assert bool(said) == told
        assert not said or said[0].startswith("https://shop.test/ answers 404: ")
        assert not said or "app_health_path" in said[0]


def test_an_unhealthy_release_is_stopped_and_marked(host: Host) -> None:
    host.serve(OLD)
    host.ill[NEW] = "it answers 500"
    with pytest.raises(Error, match=r"does not answer for https://shop\.test/: it answers 500") as caught:
        host.switch().run()
    assert "serves on, untouched" in caught.value.hint
    assert (host.live, host.current, host.web) == (OLD, OLD, [OLD])
    assert f"shop-worker-queue@{NEW}.service" not in host.units
    assert [(line["release"], line["result"]) for line in host.ledger] == [(NEW, "failed")]
    assert "it answers 500" in release_ledger.failed_releases(host.ledger)[NEW]


def test_nginx_does_not_get_through_and_the_old_one_is_back(host: Host) -> None:
    host.serve(OLD)
    host.front = "it answers 502"
    with pytest.raises(Error, match="does not through nginx") as caught:
        host.switch().run()
    assert "The one before serves again" in caught.value.hint
    assert (host.live, host.current, host.web) == (OLD, OLD, [OLD])
    assert host.ledger[-1]["result"] == "failed"


def test_nginx_does_not_get_through_and_nothing_served_before(host: Host) -> None:
    host.front = "it answers 502"
    with pytest.raises(Error, match="does not through nginx"):
        host.switch().run()
    assert not (host.root / "current").is_symlink()


@pytest.mark.parametrize("reached", ["started", "flipped", "current"])
def test_a_switch_that_was_cut_off_is_finished_and_recorded_once(host: Host, reached: str) -> None:
    host.serve(OLD)
    host.units[f"shop-web@{NEW}.service"] = "active"
    if reached != "started":
        host.lead(NEW)
    if reached == "current":
        link(host.root / "current", f"releases/{NEW}")
    host.switch().run()
    assert (host.live, host.current, host.web) == (NEW, NEW, [NEW])
    assert [line["result"] for line in host.ledger] == ["ok"]
    host.switch().run()
    assert len(host.ledger) == 1


def test_cut_off_after_the_flip_the_old_one_can_still_take_over(host: Host) -> None:
    host.serve(OLD)
    host.units[f"shop-web@{NEW}.service"] = "active"
    host.lead(NEW)
    host.front = "it answers 502"
    with pytest.raises(Error):
        host.switch().run()
    assert (host.live, host.web) == (OLD, [OLD])


@pytest.mark.parametrize(("serving", "following"), [(OLD, f"{OLD}-2"), (f"{OLD}-2", OLD)])
def test_a_second_instance_takes_over_what_changed(host: Host, serving: str, following: str) -> None:
    host.serve(serving)
    flag = host.owe()
    assert host.switch(release_id="").run() == [f"Release {OLD} runs with what changed"]
    assert (host.live, host.current, host.web) == (following, OLD, [following])
    assert f"restart shop-worker-queue@{OLD}.service" in host.calls
    assert (host.ledger, flag.exists()) == ([], False)
    links = {path.name for path in (host.root / "releases").iterdir() if path.is_symlink()}
    assert links == {following} - {OLD}


def test_settings_that_break_the_application_do_not_reach_the_visitors(host: Host) -> None:
    host.serve(OLD)
    flag = host.owe()
    host.ill[f"{OLD}-2"] = "its process does not stay up"
    with pytest.raises(Error) as caught:
        host.switch(release_id="").run()
    assert "serve on, with what they had" in caught.value.hint
    assert (host.live, host.web, flag.exists(), host.ledger) == (OLD, [OLD], True, [])
    assert host.calls.count(f"restart shop-worker-queue@{OLD}.service") == 0


def test_what_was_started_by_a_run_that_was_cut_off_is_started_again(host: Host) -> None:
    host.serve(OLD)
    host.owe()
    host.units[f"shop-web@{OLD}-2.service"] = "active"
    host.switch(release_id="").run()
    unit = f"shop-web@{OLD}-2.service"
    # What ends must not be taken for what begins.
    assert host.calls.index("quiet") < host.calls.index(f"stop {unit}") < host.calls.index(f"start {unit}")
    assert f"restart {unit}" not in host.calls
    assert host.web == [f"{OLD}-2"]


def test_nothing_owed_and_nothing_live_change_nothing(host: Host) -> None:
    flag = host.owe()
    assert host.switch(release_id="").run() == []
    assert not flag.exists()
    host.serve(OLD)
    switch = host.switch(release_id="")
    assert (switch.run(), switch.changed, host.calls) == ([], False, [])


def test_what_is_asked_for_meanwhile_stays_owed(host: Host) -> None:
    host.serve(OLD)
    flag = host.owe()
    switch = host.switch(release_id="")
    flag.unlink()
    flag.write_text("again")
    switch.run()
    assert flag.exists()


def test_live_code_and_releases_change_places_with_a_deployment(host: Host) -> None:
    host.serve(OLD)
    host.owe()
    switch = host.switch(release_id="", live=True)
    assert (switch.run(), switch.changed, host.calls) == ([], False, [])
    host.owe()
    assert host.switch(release_id="", live=False).run() != []


@pytest.mark.parametrize(("release", "told"), [(NEW, "nothing"), (LIVE_CODE, "ModuleNotFoundError")])
def test_live_code_has_failed_before_anything_is_typed(
    release: str, told: str, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = "Traceback (most recent call last):\n  no lines of it\nModuleNotFoundError: no module named x\n"
    monkeypatch.setattr(release_units, "journal", lambda _unit, since: "" if since else before)
    assert told in host.switch(release_id=release).server.journal_of("shop-web@x.service")


def test_a_new_release_has_what_changed(host: Host) -> None:
    host.serve(OLD)
    flag = host.owe()
    host.switch().run()
    assert (host.live, flag.exists()) == (NEW, False)


def test_stopped_on_purpose_until_the_next_release(host: Host) -> None:
    host.serve(OLD)
    pause = Pause(host.params(state="paused"))
    assert (pause.is_done(), pause.run(), Pause(host.params(state="paused")).is_done()) == (
        False, ["shop is stopped; visitors see the maintenance page"], True,
    )  # fmt: skip
    assert (host.units, maintenance_page.closed_by()) == ({}, "release")
    # Provisioning does not start it.
    host.owe()
    host.switch(release_id="").run()
    assert host.units == {}
    host.switch().run()
    assert (host.live, host.current, host.web, maintenance_page.is_on()) == (NEW, NEW, [NEW], False)
    assert not pending.is_paused("shop")


def test_a_release_that_fails_behind_the_page_leaves_it_there(host: Host) -> None:
    host.serve(OLD)
    Pause(host.params(state="paused", message="Later")).run()
    host.front = "it answers 500"
    with pytest.raises(Error):
        host.switch().run()
    assert maintenance_page.message() == "Later"


def test_what_people_closed_stays_closed(host: Host) -> None:
    host.serve(OLD)
    maintenance_page.on("Closed")
    host.front = "it answers 503"
    host.switch().run()
    assert (host.live, maintenance_page.message()) == (NEW, "Closed")


def test_old_releases_go_and_the_one_before_stays(host: Host) -> None:
    host.serve(OLD)
    (host.root / "releases" / "left-by-a-killed-run").mkdir()
    host.switch(keep=1).run()
    assert {path.name for path in (host.root / "releases").iterdir()} == {OLD, NEW}


def test_the_order_of_static_files() -> None:
    assert static_history.order("b", "c", ["a"]) == ["b", "a"]
    assert static_history.order("c", "b", ["b", "a"]) == ["c", "a"]
    assert static_history.order("", "a", []) == []
    assert static_history.order("d", "e", ["c", "b", "a"]) == ["d", "c", "b"]


def test_connections_of_a_socket(tmp_path: Path) -> None:
    table = tmp_path / "unix"
    table.write_text(
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "0: 00000002 00000000 00010000 0001 01 31 /run/shop/a.sock\n"
        "0: 00000003 00000000 00000000 0001 03 32 /run/shop/a.sock\n"
        "0: 00000003 00000000 00000000 0001 02 33 /run/shop/a.sock\n"
        "0: 00000003 00000000 00000000 0001 03 34 /run/shop/b.sock\n"
        "0: 00000003 00000000 00000000 0001 03 35\n"
    )
    assert sockets.connections("/run/shop/a.sock", str(table)) == 2


def test_who_has_a_nice_value_of_somebodys_own_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = "Id=shop-worker-queue@a.service\nNice=0\n\nId=shop-worker-mail@a.service\nNice=10\n"
    monkeypatch.setattr(release_units, "systemctl", lambda *_: (0, shown))
    assert release_units.ordinary(["shop-worker-queue@a.service", "shop-worker-mail@a.service"]) == [
        "shop-worker-queue@a.service"
    ]
