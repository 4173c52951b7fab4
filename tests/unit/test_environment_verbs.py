"""Freeze, accept, maintenance: what they leave on a host and in its ledger; and the ledger as people read it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.common.errors import HostError
from plugins.module_utils.common.ledger import Run, read_ledger
from plugins.module_utils.environment.verbs import Environment
from plugins.module_utils.system import undo
from plugins.plugin_utils.release.ledger_table import short_label, table

if TYPE_CHECKING:
    from pathlib import Path

A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"


class Host:
    """A host that is a folder."""

    def __init__(self, top: Path) -> None:
        self.top = top
        (top / "app" / "releases").mkdir(parents=True)
        self.site = top / "samestack.conf"
        self.site.write_text(f"if (-f {top / 'page.html'})")

    def live(self, release: str, **build: Any) -> None:
        folder = self.top / "app" / "releases" / release
        folder.mkdir(exist_ok=True)
        (folder / "release.json").write_text(json.dumps({"id": release}))
        (folder / "build.json").write_text(json.dumps(build))
        link = self.top / "app" / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(f"releases/{release}")

    def environment(self, verb: str, who: str = "Eve") -> Environment:
        given = {"verb": verb, "who": who, "environment": "staging"}
        run = Run(given, "shop", str(self.top / "lib"), str(self.top / "run"))
        return Environment(run, str(self.top / "app"), str(self.top / "page.html"), str(self.site))

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return read_ledger(str(self.top / "lib"))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_freeze_and_unfreeze(host: Host) -> None:
    assert host.environment("freeze").freeze("sale")[0]
    assert not host.environment("freeze", "Bob").freeze("sale")[0], "it is frozen already"
    frozen = host.environment("show").show()["frozen"]
    assert (frozen["who"], frozen["message"]) == ("Eve", "sale")
    assert host.environment("unfreeze", "Bob").unfreeze("")[0]
    assert not host.environment("unfreeze").unfreeze("")[0]
    assert [(line["verb"], line["who"]) for line in host.ledger] == [("freeze", "Eve"), ("unfreeze", "Bob")]
    assert host.ledger[0]["message"] == "sale"


def test_accept_needs_a_release(host: Host) -> None:
    with pytest.raises(HostError, match="no release serves on staging yet"):
        host.environment("accept").accept("")
    host.live("live-code")
    with pytest.raises(HostError, match="live code, which is no release"):
        host.environment("accept").accept("")
    assert not host.ledger


def test_accept_once_a_release_and_its_bytes(host: Host) -> None:
    host.live(A, sha256="1" * 64, label="v1.2")
    changed, say = host.environment("accept").accept("")
    assert (changed, say) == (True, [f"Release {A} (v1.2) is accepted"])
    assert not host.environment("accept").accept("")[0]
    host.live(A, sha256="2" * 64, label="v1.2")
    assert host.environment("accept").accept("")[0], "other bytes are another thing to look at"
    host.live(B, sha256="3" * 64)
    assert host.environment("accept").accept("")[0]
    assert [(line["release"], line["sha256"][0], line["accepted"]) for line in host.ledger] == [
        (A, "1", True), (A, "2", True), (B, "3", True),
    ]  # fmt: skip


def test_what_was_changed_by_hand_is_seen(host: Host) -> None:
    assert host.environment("show").show()["dirty"] == []
    host.live(A)
    assert host.environment("show").show()["dirty"] == ["contents (missing)"]
    host.live("live-code")
    (host.top / "app" / "releases" / "live-code" / "source").symlink_to(host.top)
    assert host.environment("show").show()["dirty"] == [], "live code is anybody's to change"


def test_a_provision_is_on_record_where_it_changed_something(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo, "UNDO", str(host.top / "undo"))
    run = Run({"id": "r1", "verb": "provision", "who": "Eve"}, "shop", str(host.top / "lib"), str(host.top / "run"))
    environment = Environment(run, str(host.top / "app"))
    assert environment.provisioned("") == (False, [])
    assert not host.ledger
    entry = {"path": "/etc/shop", "state": "absent", "data": "", "secret": False} | {key: [] for key in undo.LISTS}
    monkeypatch.setattr(undo, "FIRST_CHANGE", str(host.top))
    undo.Record(run.given, "nginx").keep([entry])
    environment.provisioned("")
    assert [(line["verb"], line["files"], line["result"]) for line in host.ledger] == [("provision", 1, "ok")]
    environment.provisioned("It did not get to its end")
    assert (host.ledger[-1]["result"], host.ledger[-1]["reason"]) == ("failed", "It did not get to its end")


def test_close_and_open(host: Host) -> None:
    assert host.environment("maintenance").close("back at 8")[0]
    assert not host.environment("maintenance").close("back at 8")[0]
    assert host.environment("show").show()["maintenance"]["message"] == "back at 8"
    assert host.environment("maintenance").open("")[0]
    assert not host.environment("maintenance").open("")[0]
    assert [(line["verb"], line["on"]) for line in host.ledger] == [("maintenance", True), ("maintenance", False)]


def test_a_web_server_without_the_page_is_not_closed_in_words_only(host: Host) -> None:
    host.site.write_text("server {}")
    with pytest.raises(HostError, match="knows no maintenance page yet"):
        host.environment("maintenance").close("")
    assert not (host.top / "page.html").exists()


def test_an_upgrade_is_recorded_with_its_packages(host: Host) -> None:
    environment = host.environment("upgrade")
    assert environment.upgraded("") == (False, [])
    assert host.ledger == []
    environment.packages = {"nginx": ["1", "2"], "libc6": ["3", "4"]}
    environment.upgraded("")
    environment.upgraded("the site does not answer")
    good, bad = host.ledger
    assert (good["result"], good["packages"]) == ("ok", 2)
    assert good["raised"] == {"nginx": "1 → 2", "libc6": "3 → 4"}
    assert (bad["result"], bad["reason"], bad["packages"]) == ("failed", "the site does not answer", 2)
    lines = table(STATE | {"lines": host.ledger}, "staging", 20, 200)
    assert "2 packages" in lines[3]


def test_a_provision_is_recorded_with_the_packages_that_it_raised(host: Host) -> None:
    environment = host.environment("provision")
    environment.packages = {"nginx": ["1", "2"]}
    environment.provisioned("")
    assert [(line["verb"], line["packages"]) for line in host.ledger] == [("provision", 1)]
    rows = table(STATE | {"lines": [{**host.ledger[0], "files": 3}]}, "staging", 20, 200)
    assert "3 files, 1 package" in rows[3]


STATE: dict[str, Any] = {
    "live": {"release": B, "label": "v2"},
    "kept": [A, B, C],
    "frozen": {},
    "holder": {},
    "maintenance": {},
    "lines": [
        {"time": "2026-11-20T08:00:00Z", "verb": "deploy", "who": "Eve <e@x.org>", "release": A, "to": A,
         "commits": 3, "label": "v1", "seconds": 12.3, "migrations": ["shop.0001"], "result": "ok"},
        {"time": "2026-11-20T08:30:00Z", "verb": "accept", "who": "Bob", "release": A, "result": "ok"},
        {"time": "2026-11-21T08:00:00Z", "verb": "deploy", "who": "Eve", "release": B, "from": A, "to": B,
         "commits": ["one", "two"], "label": "v2", "seconds": 4.0, "result": "ok"},
        {"time": "2026-11-21T09:00:00Z", "verb": "deploy", "who": "Eve", "release": C, "from": B,
         "seconds": 8.0, "result": "failed", "reason": "it answers 500\nTraceback"},
    ],
}  # fmt: skip


def test_the_table() -> None:
    lines = table(STATE, "staging", 20, 200)
    assert lines[0] == f"staging serves {B} (v2)"
    head, newest, *rest = lines[2:]
    assert re.split("  +", head) == [
        "When (UTC)", "Verb", "Who", "From → to", "Commits", "Time", "Migrations", "Result",
    ]  # fmt: skip
    assert newest.split()[:4] == ["2026-11-21", "09:00", "deploy", "Eve"]
    assert newest.endswith("(failed) it answers 500")
    assert rest[0].endswith("ok (current)")
    assert f"{A} → {B}" in rest[0]
    assert "2, v2" in rest[0]
    assert rest[2].endswith("1           ok (accepted)")
    assert "Eve <" not in rest[2]
    assert lines[-1] == f"Kept on the host: TO={A} (make rollback)"


def test_the_table_of_a_troubled_environment() -> None:
    state = STATE | {
        "frozen": {"who": "Bob", "since": 0, "message": "sale"},
        "maintenance": {"message": "back at 8", "since": 0},
        "holder": {"who": "Eve", "verb": "deploy", "since": 5},
        "dirty": ["source/shop/views.py"],
    }
    text = "\n".join(table(state, "staging", 2, 200))
    for part in (
        "Frozen by Bob at 1970-01-01 00:00:00 UTC: sale",
        "maintenance page since 1970",
        "At work: Eve, deploy",
        "Changed on the host since it was built: source/shop/views.py",
        "ok (current) (dirty)",
    ):
        assert part in text
    assert "2026-11-20" not in text, "only as many lines as wanted"
    assert all(len(line) <= 60 for line in table(STATE, "staging", 20, 60)[2:7])


@pytest.mark.parametrize(
    ("label", "short"),
    [
        ("git git@github.com:you/yours.git, v1.2 is 1f2e3d4c5b6a", "v1.2"),
        ("path ../my, site, 41 files", "../my, site"),
        ("v1.2", "v1.2"),
        ("", ""),
    ],
)
def test_what_people_call_a_release(label: str, short: str) -> None:
    assert short_label(label) == short


def test_the_table_of_nothing() -> None:
    state = STATE | {"live": {}, "kept": [], "lines": []}
    assert table(state, "staging", 20, 200)[0] == "staging serves nothing yet"
