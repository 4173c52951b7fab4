"""What is kept of recordings, what changed outside of our runs, and by what."""

from __future__ import annotations

import gzip
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from plugins.filter.recorder import recorder_files
from plugins.module_utils.common import recorder
from plugins.module_utils.manifest import drift, main, record
from plugins.module_utils.manifest.differences import NOTHING, differences, value
from plugins.module_utils.manifest.history import LINES_KEPT, MANIFESTS_KEPT, History
from plugins.module_utils.manifest.reading import apt_log
from plugins.module_utils.manifest.reading.machine import MissingError
from plugins.module_utils.manifest.section import Collector
from plugins.module_utils.manifest.sections import environment
from plugins.plugin_utils.parity.answers import FOUND
from plugins.plugin_utils.parity.messages import drift_words, items, manifest_words
from tests.support.paper_host import PaperHost, section_files

if TYPE_CHECKING:
    from pathlib import Path


def content(**sections: dict[str, Any]) -> dict[str, Any]:
    return {"schema": 1, "sections": sections, "missing": {}}


def text(**sections: dict[str, Any]) -> str:
    return record.text_of(content(**sections))


def about(cause: str, who: str = "") -> dict[str, str]:
    return {"cause": cause, "run": "", "who": who}


def test_the_same_state_is_the_same_bytes() -> None:
    assert text(b={"y": 1, "x": ["ä"]}, a={}) == text(a={}, b={"x": ["ä"], "y": 1})
    assert json.loads(text(a={"x": "\udc80"}))["sections"]["a"]["x"] == "\udc80"


def test_manifests_that_differ_are_kept_once(tmp_path: Path) -> None:
    history = History(str(tmp_path))
    one = history.add(text(a={"x": 1}), about("provision", "ada"))
    other = history.add(text(a={"x": 2}), about("nightly"))
    history.add(text(a={"x": 1}), about("apt"))
    assert len(os.listdir(history.folder)) == 2
    assert [line["cause"] for line in history.lines] == ["provision", "nightly", "apt"]
    assert (history.read(one["digest"]) or {})["sections"] == {"a": {"x": 1}}
    assert one["digest"] != other["digest"]
    assert json.loads((tmp_path / "manifest.json").read_text()) == content(a={"x": 1})


def test_the_baseline_is_the_last_run_of_ours(tmp_path: Path) -> None:
    history = History(str(tmp_path))
    assert history.baseline is None
    history.add(text(a={"x": 1}), about("provision"))
    history.add(text(a={"x": 2}), about("deploy", "ada"))
    history.add(text(a={"x": 3}), about("nightly"))
    baseline = history.baseline
    assert baseline
    assert (baseline["cause"], baseline["who"]) == ("deploy", "ada")
    assert baseline["manifest"]["sections"] == {"a": {"x": 2}}


def test_what_is_kept_is_bounded_and_the_baseline_stays(tmp_path: Path) -> None:
    history = History(str(tmp_path))
    history.add(text(a={"x": -1}), about("provision"))
    for number in range(MANIFESTS_KEPT + 5):
        history.add(text(a={"x": number}), about("nightly"))
    assert len(os.listdir(history.folder)) <= MANIFESTS_KEPT + 1
    assert history.baseline
    assert len(history.lines) <= LINES_KEPT


def test_nights_without_news_are_two_lines(tmp_path: Path) -> None:
    history = History(str(tmp_path))
    for _ in range(9):
        history.add(text(a={}), about("nightly"))
    assert len(history.lines) == 2


def test_what_a_cut_off_recording_left_does_not_matter(tmp_path: Path) -> None:
    history = History(str(tmp_path))
    line = history.add(text(a={}), about("provision"))
    with open(history.lines_file, "a") as file:
        file.write('{"time": "2026-')
    (tmp_path / "manifests" / f"{line['digest']}.json.gz").write_bytes(gzip.compress(b"{}")[:-9])
    assert len(history.lines) == 1
    assert history.read(line["digest"]) is None
    history.add(text(a={}), about("provision"))
    assert history.read(line["digest"]) == content(a={})


def test_differences_of_one_host() -> None:
    before, after = content(a={"x": 1, "y": 2}, gone={}), content(a={"x": 1, "y": 3, "z": True})
    after["missing"]["gone"] = "it is not installed"
    assert differences(before, before) == []
    assert differences(before, after) == [
        {"section": "a", "key": "y", "before": 2, "after": 3},
        {"section": "a", "key": "z", "before": NOTHING, "after": True},
        {"section": "gone", "key": "", "before": "(there)", "after": "it is not installed"},
    ]
    assert value(after, "gone", "") == "it is not installed"
    assert value(before, "a", "z") == NOTHING


# Apt's history on Debian 13, with a package that another pulled in
APT = """
Start-Date: 2026-11-25  15:32:10
Commandline: apt-get install -qq -y hello
Requested-By: ada (1000)
Install: hello:amd64 (2.10-5), libx:amd64 (1.0, automatic)
End-Date: 2026-11-25  15:32:12

Start-Date: 2026-11-26  06:10:00
Commandline: /usr/bin/unattended-upgrade
Upgrade: nginx:amd64 (1.26.3-3+deb13u10, 1.26.3-3+deb13u11), nginx-common:amd64 (1.26.3-3+deb13u10, 1.26.3-3+deb13u11)
End-Date: 2026-11-26  06:10:20
"""
DPKG = """2026-11-26 06:10:19 upgrade nginx:amd64 1.26.3-3+deb13u10 1.26.3-3+deb13u11
2026-11-27 10:00:00 install planted:all <none> 1.0
2026-11-27 10:00:01 status installed planted:all 1.0
2026-11-28 10:00:00 remove planted:all 1.0 <none>
"""


def test_transactions_of_apt() -> None:
    one, other = apt_log.transactions(APT)
    assert (one["command"], one["by"]) == ("apt-get install -qq -y hello", "ada")
    assert one["packages"] == {"hello": "install 2.10-5", "libx": "install 1.0"}
    assert other["by"] == ""
    assert other["packages"]["nginx"] == "upgrade 1.26.3-3+deb13u10, 1.26.3-3+deb13u11"


def test_what_dpkg_did_without_apt(tmp_path: Path) -> None:
    (tmp_path / "history.log").write_text(APT)
    (tmp_path / "dpkg.log").write_text(DPKG)
    log = apt_log.since(0, str(tmp_path / "history.log"), str(tmp_path / "dpkg.log"))
    assert [one["command"] for one in log] == [
        "apt-get install -qq -y hello",
        "/usr/bin/unattended-upgrade",
        "dpkg (install)",
        "dpkg (remove)",
    ]
    assert (apt_log.about("nginx", log) or {})["command"] == "/usr/bin/unattended-upgrade"
    assert apt_log.about("nothing", log) is None


def test_logs_that_were_rotated_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "history.log").write_text("")
    (tmp_path / "history.log.1.gz").write_bytes(gzip.compress(APT.encode()))
    assert len(apt_log.since(0, str(tmp_path / "history.log"), str(tmp_path / "none"))) == 2
    assert apt_log.since(time.time() + 9, str(tmp_path / "history.log"), str(tmp_path / "none")) == []


@pytest.fixture
def drifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What changed on a host after its provision: a package, and settings."""
    history = History(str(tmp_path))
    moments = iter(["2026-11-25T10:00:00Z", "2026-11-26T03:20:00Z", "2026-11-27T03:20:00Z"])
    monkeypatch.setattr(time, "strftime", lambda *_: next(moments))
    before = {"packages": {}, "kernel": {"vm.swappiness": "10", "back": "1"}}
    history.add(text(**before), about("provision"))
    history.add(text(packages={}, kernel={"vm.swappiness": "60", "back": "2"}), about("nightly"))
    history.add(text(packages={}, kernel={"vm.swappiness": "70", "back": "1"}), about("apt"))
    monkeypatch.undo()
    log = [{"time": "2026-11-26T15:32:12Z", "command": "apt-get install hello", "by": "ada", "packages": {"hello": ""}}]
    monkeypatch.setattr(apt_log, "since", lambda *_: log)
    now = content(packages={"hello": "2.10-5"}, kernel={"vm.swappiness": "70", "back": "2"})
    return drift.drift(history, now, "2026-11-28T00:00:00Z", "noticeboard")


def test_when_it_was_seen_first(drifted: list[dict[str, Any]]) -> None:
    seen = {(one["section"], one["key"]): (one["seen"], one["recorded"]) for one in drifted}
    assert seen["kernel", "vm.swappiness"] == ("2026-11-26T03:20:00Z", "nightly")
    assert seen["kernel", "back"] == ("2026-11-28T00:00:00Z", "asked")


def test_by_what_it_was_changed(drifted: list[dict[str, Any]]) -> None:
    by = {one["section"]: one for one in drifted}
    assert (by["packages"]["by"], by["packages"]["when"]) == ("apt-get install hello (ada)", "2026-11-26T15:32:12Z")
    assert by["kernel"]["by"] == ""


@pytest.mark.parametrize(
    ("section", "key", "state", "path"),
    [
        ("files", "setuid:/tmp/sh", "root:root 4755", "/tmp/sh"),
        ("files", "/etc/hosts", "sha256:x", "/etc/hosts"),
        ("units", "file:/etc/systemd/system/x.service", "sha256:x", "/etc/systemd/system/x.service"),
        ("environment", "DEBUG", "true", "/etc/noticeboard/env"),
        ("release", "changed", ["source/a.py (changed)"], "/srv/noticeboard/current/source/a.py"),
        ("timers", "crontab:eve", "1 lines", "/var/spool/cron/crontabs/eve"),
        ("accounts", "user:eve", "x", "/etc/passwd"),
        ("system", "time zone", "x", "/etc/localtime"),
    ],
)
def test_which_file_a_key_is_about(section: str, key: str, state: object, path: str) -> None:
    assert path in drift.paths(section, key, state, "noticeboard")


def test_a_file_that_was_changed_or_removed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.utime(tmp_path / "file", (1, 1))
    found = drift.changed(str(tmp_path / "file"))
    assert found["by"].startswith(f"a change of {tmp_path}/file (")
    assert found["when"] > "2020"
    assert drift.changed(str(tmp_path / "gone"))["by"] == f"a change in {tmp_path}"
    assert drift.changed("/nowhere/at/all") == {}


def test_without_a_baseline_nothing_has_drifted(tmp_path: Path) -> None:
    assert drift.drift(History(str(tmp_path)), content(), "2026-11-28T00:00:00Z", "x") == []
    assert "No run of ours" in drift_words({"baseline": None, "drift": []})[0]


def test_drift_in_words(drifted: list[dict[str, Any]]) -> None:
    baseline = {"cause": "provision", "time": "2026-11-25T10:00:00Z", "who": "Ada"}
    lines = drift_words({"baseline": baseline, "drift": drifted})
    assert lines[0] == "3 things changed here since the provision of 2026-11-25T10:00:00Z by Ada:"
    assert "  packages: hello: (not there) → 2.10-5" in lines
    assert (
        "      by apt-get install hello (ada), 2026-11-26T15:32:12Z; first seen 2026-11-28T00:00:00Z (asked)" in lines
    )
    assert drift_words({"baseline": baseline, "drift": []}) == [
        "Nothing changed here since the provision of 2026-11-25T10:00:00Z by Ada"
    ]


def test_lists_in_words() -> None:
    assert items(["a", "b"], ["b", "c"]) == "- a; + c"
    assert items(["a", "b"], ["b", "a"]) == "a, b → b, a"
    assert items("x" * 200, "") == "x" * 99 + "… → (empty)"


def test_a_manifest_in_words() -> None:
    result = {"digest": "abc", "manifest": {"sections": {"a": {"x": 1}}, "missing": {"redis": "it is not there"}}}
    assert manifest_words(result)[1:] == ["Missing: redis: it is not there"]


def test_one_section_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.write("/etc/noticeboard/env", 'SECRET_KEY="planted-secret"\n')

    def fail() -> Any:
        raise ValueError("planted-secret is wrong")

    def missing() -> Any:
        raise MissingError("it is not there")

    collectors = [
        Collector("good", lambda *_: {"x": 1}, learn=environment.learn),
        Collector("bad", lambda *_: fail(), after="good"),
        Collector("absent", lambda *_: missing()),
    ]
    found = record.collected(host, collectors)
    assert found["sections"] == {"good": {"x": 1}}
    assert found["missing"] == {"bad": "ValueError: <SECRET_KEY> is wrong", "absent": "it is not there"}


def test_a_bare_host_has_a_manifest_too(tmp_path: Path) -> None:
    """No program, no file: every section that cannot be had says why."""
    host = PaperHost(tmp_path)
    collectors = record.collectors(section_files())
    found = record.collected(host, collectors)
    names = {one.name for one in collectors}
    assert names == {*found["sections"], *(part for part in found["missing"] if "/" not in part)}
    assert all(found["missing"].values())


def said_to_be_missing(host: PaperHost) -> set[str]:
    """Return the sections that people are told are missing."""
    found = record.collected(host, record.collectors(section_files()))
    FOUND.check({"manifest": found, "digest": "0" * 12, "time": "2026-11-25T10:00:00Z"})
    lines = manifest_words({"digest": "0" * 12, "manifest": found})[1:]
    return {line.removeprefix("Missing: ").partition(":")[0] for line in lines}


def test_what_a_host_is_not_to_have_is_not_missing(tmp_path: Path) -> None:
    """A machine that only keeps backups, and one without Redis, which the application does not ask for."""
    decided = {"release", "venv", "environment", "settings", "gunicorn", "nginx", "postgresql", "schema", "migrations"}
    assert not said_to_be_missing(PaperHost(tmp_path, functions=["backup"])) & {*decided, "redis"}
    every = said_to_be_missing(PaperHost(tmp_path))
    assert {"release", "venv", "environment", "nginx", "postgresql"} <= every
    assert "redis" not in every


def test_a_service_that_has_lost_its_file_is_missing(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.write("/usr/bin/redis-server", "")
    assert "redis" in said_to_be_missing(host)
    assert "redis" not in said_to_be_missing(PaperHost(tmp_path, functions=["db"]))


def test_the_recorder_is_what_it_imports() -> None:
    paths = {entry["path"].removeprefix("/x/plugins/module_utils/") for entry in recorder_files("/x")}
    assert {"manifest/main.py", "manifest/sections/files.py", "release/files/contents.py", "common/systemd.py"} <= paths
    assert not {path for path in paths if path.startswith(("plugin_utils", "system/", "release/serving"))}


def test_dpkgs_lock_is_looked_at() -> None:
    assert main.apt_is_at_work() in (True, False)


def test_a_host_without_recorder_has_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "PROGRAM", "/nowhere")
    monkeypatch.setattr(recorder.subprocess, "run", None)
    assert recorder.record({"verb": "deploy"}) == []


def test_a_recording_is_started_and_the_last_trouble_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(recorder, "PROGRAM", "/bin/true")
    monkeypatch.setattr(recorder, "TROUBLE", str(tmp_path / "trouble"))
    monkeypatch.setattr(recorder.subprocess, "run", lambda command, **_: started.append(command))
    assert recorder.record({"verb": "deploy", "id": "r", "who": "a b"}) == []
    assert started[0][-7:] == ["/bin/true", "--cause", "deploy", "--run", "r", "--who", "a b"]
    assert "--no-block" in started[0]
    (tmp_path / "trouble").write_text("OSError: no room\n")
    assert recorder.record({"verb": "deploy"})[0].endswith("the last time: OSError: no room")
    assert recorder.record({}) == []
