"""Freeze, accept, maintenance, the record of a provision: what they leave on a host and in its ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.common.errors import HostError
from plugins.module_utils.common.ledger import Run, read_ledger
from plugins.module_utils.environment import acceptance, freeze, maintenance, record
from plugins.module_utils.environment.state import Environment
from plugins.module_utils.system import undo
from plugins.plugin_utils.release.ledger_table import table

if TYPE_CHECKING:
    from pathlib import Path

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


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
    assert freeze.freeze(host.environment("freeze"), "sale")[0]
    assert not freeze.freeze(host.environment("freeze", "Bob"), "sale")[0], "it is frozen already"
    frozen = host.environment("show").show()["frozen"]
    assert (frozen["who"], frozen["message"]) == ("Eve", "sale")
    assert freeze.unfreeze(host.environment("unfreeze", "Bob"), "")[0]
    assert not freeze.unfreeze(host.environment("unfreeze"), "")[0]
    assert [(line["verb"], line["who"]) for line in host.ledger] == [("freeze", "Eve"), ("unfreeze", "Bob")]
    assert host.ledger[0]["message"] == "sale"


def test_a_second_instance_is_no_other_release(host: Host) -> None:
    """Its processes run from a link beside the release."""
    host.live(A)
    (host.top / "app" / "releases" / f"{A}-2").symlink_to(A)
    assert host.environment("show").show()["kept"] == [A]


def test_accept_needs_a_release(host: Host) -> None:
    with pytest.raises(HostError, match="no release serves on staging yet"):
        acceptance.accept(host.environment("accept"), "")
    host.live("live-code")
    with pytest.raises(HostError, match="live code, which is no release"):
        acceptance.accept(host.environment("accept"), "")
    assert not host.ledger


def test_accept_once_a_release_and_its_bytes(host: Host) -> None:
    host.live(A, sha256="1" * 64, label="v1.2")
    changed, say = acceptance.accept(host.environment("accept"), "")
    assert (changed, say) == (True, [f"Release {A} (v1.2) is accepted"])
    assert not acceptance.accept(host.environment("accept"), "")[0]
    host.live(A, sha256="2" * 64, label="v1.2")
    assert acceptance.accept(host.environment("accept"), "")[0], "other bytes are another thing to look at"
    host.live(B, sha256="3" * 64)
    assert acceptance.accept(host.environment("accept"), "")[0]
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
    assert record.provisioned(environment, "") == (False, [])
    assert not host.ledger
    entry = {"path": "/etc/shop", "state": "absent", "data": "", "secret": False} | {key: [] for key in undo.LISTS}
    monkeypatch.setattr(undo, "FIRST_CHANGE", str(host.top))
    undo.Record(run.given, "nginx").keep([entry])
    record.provisioned(environment, "")
    assert [(line["verb"], line["files"], line["result"]) for line in host.ledger] == [("provision", 1, "ok")]
    record.provisioned(environment, "It did not get to its end")
    assert (host.ledger[-1]["result"], host.ledger[-1]["reason"]) == ("failed", "It did not get to its end")


def test_close_and_open(host: Host) -> None:
    assert maintenance.close(host.environment("maintenance"), "back at 8")[0]
    assert not maintenance.close(host.environment("maintenance"), "back at 8")[0]
    assert host.environment("show").show()["maintenance"]["message"] == "back at 8"
    assert maintenance.reopen(host.environment("maintenance"), "")[0]
    assert not maintenance.reopen(host.environment("maintenance"), "")[0]
    assert [(line["verb"], line["on"]) for line in host.ledger] == [("maintenance", True), ("maintenance", False)]


def test_a_web_server_without_the_page_is_not_closed_in_words_only(host: Host) -> None:
    host.site.write_text("server {}")
    with pytest.raises(HostError, match="knows no maintenance page yet"):
        maintenance.close(host.environment("maintenance"), "")
    assert not (host.top / "page.html").exists()


def test_an_upgrade_is_recorded_with_its_packages(host: Host) -> None:
    environment = host.environment("upgrade")
    assert record.upgraded(environment, "") == (False, [])
    assert host.ledger == []
    environment.packages = {"nginx": ["1", "2"], "libc6": ["3", "4"]}
    record.upgraded(environment, "")
    record.upgraded(environment, "the site does not answer")
    good, bad = host.ledger
    assert (good["result"], good["packages"]) == ("ok", 2)
    assert good["raised"] == {"nginx": "1 → 2", "libc6": "3 → 4"}
    assert (bad["result"], bad["reason"], bad["packages"]) == ("failed", "the site does not answer", 2)
    lines = table(host.environment("show").show(), "staging", 20, 200)
    assert "2 packages" in lines[3]


def test_a_provision_is_recorded_with_the_packages_that_it_raised(host: Host) -> None:
    environment = host.environment("provision")
    environment.packages = {"nginx": ["1", "2"]}
    record.provisioned(environment, "")
    assert [(line["verb"], line["packages"]) for line in host.ledger] == [("provision", 1)]
    rows = table(host.environment("show").show() | {"lines": [{**host.ledger[0], "files": 3}]}, "staging", 20, 200)
    assert "3 files, 1 package" in rows[3]


def test_a_release_is_shown_with_how_it_answers(host: Host) -> None:
    host.live(B)
    Run({"verb": "deploy", "environment": "staging"}, "shop", str(host.top / "lib"), str(host.top / "run")).succeed(
        release=B, to=B
    )
    assert "traffic" not in host.environment("show").show()["lines"][0]
    answers = {"requests": 200, "errors": 10, "times": {"50": 200}}
    before = {"release": A, "since": 1.0, "first": answers, "last": {**answers, "errors": 0}}
    after = {"release": B, "since": 2.0, "first": answers, "minutes": {}}
    (host.top / "lib/watch").mkdir()
    (host.top / "lib/watch/memory.json").write_text(json.dumps({"periods": [before, after]}))
    shown = host.environment("show").show()
    assert shown["lines"][0]["traffic"]["worse"] == ["errors"]
    assert any("0 % → 5 %" in line for line in table(shown, "staging", 20, 200))
    assert "traffic" not in host.ledger[0], "the ledger stays as it is"
