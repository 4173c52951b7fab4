"""What is done to units, from what systemd says of them."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils.common import systemd as systemd_units
from plugins.module_utils.common.systemd import UnitError, Units, parse, wanted_changes


def shown(**given: str) -> dict[str, str]:
    return {
        "LoadState": "loaded",
        "ActiveState": "active",
        "UnitFileState": "enabled",
        "NeedDaemonReload": "no",
    } | given


class Systemd:
    """Answers `systemctl show` from a table, and keeps what else it is asked for."""

    def __init__(self, units: dict[str, dict[str, str]]) -> None:
        self.units = units
        self.calls: list[str] = []

    def __call__(self, arguments: list[str], _unit: str = "") -> str:
        if arguments[1] == "show":
            blocks = (self.units[name] for name in arguments[4:])
            return "\n\n".join("\n".join(f"{key}={value}" for key, value in block.items()) for block in blocks) + "\n"
        self.calls.append(" ".join(word for word in arguments[1:] if word != "--quiet"))
        return ""


def settle(
    monkeypatch: pytest.MonkeyPatch, table: dict[str, dict[str, str]], units: list[dict[str, Any]], **options: bool
) -> tuple[Systemd, Units, list[str]]:
    systemd = Systemd(table)
    monkeypatch.setattr(systemd_units, "run", systemd)
    found = Units(units, options.get("check", False))
    return systemd, found, found.settle(options.get("reload_manager", False))


@pytest.mark.parametrize(
    ("unit", "state", "verbs"),
    [
        ({"enabled": True, "started": True}, shown(), []),
        (
            {"enabled": True, "started": True},
            shown(UnitFileState="disabled", ActiveState="inactive"),
            ["enable", "start"],
        ),
        ({"enabled": False, "started": False}, shown(), ["disable", "stop"]),
        ({"started": True}, shown(ActiveState="failed"), ["start"]),
        ({"started": True}, shown(ActiveState="reloading"), []),
        ({"started": True}, shown(ActiveState="activating"), []),
        # Nothing to enable: the unit has no [Install] section, or another name is the enabled one.
        ({"enabled": True}, shown(UnitFileState="static"), []),
        ({"enabled": True}, shown(UnitFileState="alias"), []),
        ({"enabled": True}, shown(UnitFileState=""), ["enable"]),
        ({}, shown(UnitFileState="disabled", ActiveState="failed"), []),
    ],
)
def test_wanted_changes(unit: dict[str, Any], state: dict[str, str], verbs: list[str]) -> None:
    assert wanted_changes(unit, state) == verbs


def test_parse_takes_values_with_equal_signs_and_blank_lines() -> None:
    text = "Id=a.service\nEnvironment=A=1 B=2\n\nId=b.service\nLoadState=not-found\n"
    assert parse(text) == [
        {"Id": "a.service", "Environment": "A=1 B=2"},
        {"Id": "b.service", "LoadState": "not-found"},
    ]
    assert parse("") == []


def test_one_look_and_only_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"a.service": shown(), "b.service": shown(ActiveState="inactive")}
    wanted = [{"name": name, "enabled": True, "started": True} for name in table]
    systemd, units, started = settle(monkeypatch, table, wanted)
    assert systemd.calls == ["start b.service"]
    assert started == ["b.service"]
    assert units.done == ["start b.service"]


def test_the_manager_is_reloaded_first_when_a_file_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"a.service": shown(NeedDaemonReload="yes", ActiveState="inactive")}
    systemd, _units, _started = settle(monkeypatch, table, [{"name": "a.service", "started": True}])
    assert systemd.calls == ["daemon-reload", "start a.service"]


def test_check_mode_asks_and_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"a.service": shown(LoadState="not-found", ActiveState="inactive", UnitFileState="")}
    wanted = [{"name": "a.service", "enabled": True, "started": True}]
    systemd, units, _started = settle(monkeypatch, table, wanted, check=True, reload_manager=True)
    assert systemd.calls == []
    assert units.done == ["enable a.service", "start a.service"]


def test_a_unit_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"ngnix.service": shown(LoadState="not-found")}
    with pytest.raises(UnitError, match=r"ngnix.service: there is no such unit"):
        settle(monkeypatch, table, [{"name": "ngnix.service", "started": True}])


def test_a_unit_that_went_with_its_file_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {
        "a.timer": shown(LoadState="not-found", UnitFileState=""),
        "b.timer": shown(LoadState="not-found", UnitFileState="", ActiveState="inactive"),
    }
    wanted = [{"name": name, "started": False} for name in table]
    systemd, _units, _started = settle(monkeypatch, table, wanted)
    assert systemd.calls == ["stop a.timer"]


def test_no_units_ask_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    systemd, units, started = settle(monkeypatch, {}, [])
    assert (systemd.calls, units.done, started) == ([], [], [])


def test_a_failure_says_what_failed() -> None:
    with pytest.raises(UnitError, match=r"`sh -c echo why >&2; exit 3` failed: why"):
        systemd_units.run(["sh", "-c", "echo why >&2; exit 3"])
