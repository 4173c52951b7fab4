"""`./samestack parity` from what is saved: which machines are meant, what is said of others, the exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cli import comparison
from plugins.plugin_utils.parity.report import Report
from plugins.plugin_utils.parity.store import Store
from tests.support.manifests import envelope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FAILED = """
Failed on dev1: preflight : Check that the host can be worked on
  dev1 (in inventories/dev.yml): the machine has not been made yet.
  Run `./samestack up`.

Nothing changed on dev1.
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Return a function that asks for the report on the manifests in a folder of the test's own."""
    monkeypatch.setattr(comparison, "STORE", tmp_path / "manifests")
    monkeypatch.setattr(comparison, "PAGE", tmp_path / "parity.html")

    def ask(*names: str, since: str = "", as_json: bool = False) -> bool:
        return comparison.answer(comparison.Question(names, True, True, since, False, as_json))

    return ask


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three environments that match, saved."""
    found = Store(tmp_path / "manifests")
    for name in comparison.ENVIRONMENTS:
        found.save(envelope(name, rehearsal=name != "dev"))
    return found


def test_it_says_whether_they_match(
    asked: Callable[..., bool], store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked()
    assert "match: 0 unexplained, 0 drift" in capsys.readouterr().out
    store.save(envelope("production", {"packages": {"cowsay": "1"}}, rehearsal=True, time="2026-11-25T15:00:00Z"))
    assert not asked()
    assert "cowsay" in capsys.readouterr().out
    assert asked("dev", "staging")
    assert not asked(as_json=True)
    said = capsys.readouterr().out
    found = json.loads(said[said.index("{\n") :])
    assert found["environments"]["production"]["sections"]["packages"] == "drift"


def test_since_when(asked: Callable[..., bool], store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.save(envelope("production", {"packages": {"cowsay": "1"}}, rehearsal=True, time="2026-11-25T15:00:00Z"))
    assert asked(since="2026-11-25T14:30")
    said = capsys.readouterr().out
    assert "production, production1: from 2026-11-25T14:03:00Z to 2026-11-25T15:00:00Z" in said
    assert "  packages/cowsay: (not there) → 1" in said
    assert "dev, dev1: from" in said
    with pytest.raises(comparison.ComparisonError, match="--since soon"):
        asked(since="soon")


def test_one_environment_is_too_few(asked: Callable[..., bool], tmp_path: Path) -> None:
    Store(tmp_path / "manifests").save(envelope("dev"))
    with pytest.raises(comparison.ComparisonError, match="not two environments"):
        asked()


def test_what_is_said_of_an_environment_that_is_not_there(store: Store, tmp_path: Path) -> None:
    report = Report(store)
    report.add("dev", rehearsal=False, trouble="No machine. Run `./samestack up`.")
    report.add("staging", rehearsal=True)
    report.add("production", rehearsal=False)
    # A quarter of an hour after they were recorded
    notes = list(report.notes(1795615380.0 + 900))
    assert (
        notes[0] == "dev: not recorded now, the manifest of 15 minutes ago is used. No machine. Run `./samestack up`."
    )
    assert "stands in for it" in notes[1]
    assert notes[2] == "production: left out. No manifest of it is saved"
    assert report.comparison.names == ["dev", "staging"]


def test_why_an_environment_could_not_be_asked() -> None:
    found = comparison.FAILURE.search(FAILED)
    assert found
    assert " ".join(found["why"].split()).endswith("has not been made yet. Run `./samestack up`.")


def arguments_of(name: str, *, rehearse: bool) -> list[str]:
    """The arguments of ansible-playbook between its name and the playbook."""
    return comparison.run_for(name, rehearse=rehearse).arguments("parity")[1:-1]


@pytest.mark.parametrize(
    ("environment", "rehearse", "arguments"),
    [
        ("dev", True, ["-i", "inventories/dev.yml"]),
        ("staging", True, ["-i", "inventories/rehearsal.yml", "--limit", "staging"]),
        # As it is delivered, production has no address yet.
        ("production", False, ["-i", "inventories/rehearsal.yml", "--limit", "production"]),
    ],
)
def test_where_an_environment_is_asked(environment: str, rehearse: bool, arguments: list[str]) -> None:
    assert arguments_of(environment, rehearse=rehearse) == arguments


def test_a_server_of_ones_own_is_no_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def variables(_self: Any, _host: str, *_wanted: str) -> dict[str, Any]:
        return {"ansible_host": "www.noticeboard.net"}

    monkeypatch.setattr(comparison.Inventory, "variables", variables)
    assert arguments_of("production", rehearse=False) == ["-i", "inventories/production.yml"]
