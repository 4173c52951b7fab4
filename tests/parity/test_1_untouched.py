"""Three environments that nobody has touched: nothing but what is declared or expected."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.chromium import cells, screenshot, shown_sections

if TYPE_CHECKING:
    from tests.parity.conftest import Rehearsal

HARMLESS = {"same", "expected", "declared"}
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def found(team: Rehearsal) -> dict[str, Any]:
    """What `./samestack parity` says."""
    return team.parity()


def test_untouched_environments_match(found: dict[str, Any]) -> None:
    bad = [one for one in found["differences"] if one["class"] not in HARMLESS]
    assert [(one["name"], one["class"], one["values"]) for one in bad] == []
    assert found["match"]


def test_untouched_environments_are_three(found: dict[str, Any]) -> None:
    assert list(found["environments"]) == ["dev", "staging", "production"]
    for environment in found["environments"].values():
        assert set(environment["sections"].values()) <= HARMLESS


def test_untouched_differences_that_are_declared_name_the_variable(team: Rehearsal, found: dict[str, Any]) -> None:
    declared = [one for one in found["differences"] if one["class"] == "declared"]
    assert declared
    assert all(one["because"] for one in declared)
    debug = next(one for one in declared if one["name"] == "environment/DEBUG")
    assert debug["because"] == ["app_debug"]
    file = team.clone.folder / "inventories/group_vars/all/differences.yml"
    known = set(yaml.safe_load(file.read_text(encoding="utf-8"))["allowed_differences"])
    named = {name for one in declared for name in one["because"] if "_" in name}
    assert named & known


def test_untouched_machines_write_the_same_twice(team: Rehearsal) -> None:
    for machine in (team.machine("staging"), team.dev):
        before = machine.run("sha256sum /var/lib/samestack/manifest.json")
        machine.run("/usr/local/lib/samestack/record --cause asked")
        assert machine.run("sha256sum /var/lib/samestack/manifest.json") == before


def test_untouched_manifests_hold_no_secret(team: Rehearsal) -> None:
    """Neither the manifests on the hosts, nor what is saved here, nor any report."""
    secrets = []
    for name in ("dev", "staging", "production"):
        values = yaml.safe_load((team.clone.folder / ".samestack/secrets" / f"{name}.yml").read_text(encoding="utf-8"))
        secrets += [text.strip() for text in values.values() if isinstance(text, str) and len(text) > 7]
    assert len(secrets) >= 6
    report = team.clone.folder / ".samestack/parity.html"
    texts = {report: report.read_text(encoding="utf-8")}
    for path in (team.clone.folder / ".samestack/manifests").rglob("*.json"):
        texts[path] = path.read_text(encoding="utf-8")
    for machine in (team.dev, team.machine("staging"), team.machine("production")):
        kept = "cat /var/lib/samestack/manifest.json; zcat /var/lib/samestack/manifests/*.gz; journalctl -o cat"
        texts[machine] = machine.run(kept)
    texts["said"] = team.clone.output + json.dumps(team.parity(all=True))
    for where, text in texts.items():
        for secret in secrets:
            assert secret not in text, where
            assert json.dumps(secret)[1:-1] not in text, where


def test_untouched_environments_can_be_compared_without_them(team: Rehearsal, found: dict[str, Any]) -> None:
    again = team.parity(offline=True)
    assert again["counts"] == found["counts"]
    two = team.parity("staging", "production", offline=True)
    assert list(two["environments"]) == ["staging", "production"]
    assert two["match"]


def test_untouched_environments_are_three_green_columns_on_the_page(team: Rehearsal, found: dict[str, Any]) -> None:
    page = team.clone.folder / ".samestack/parity.html"
    team.parity()
    shown = cells(page)
    wanted = {(name, section) for name, one in found["environments"].items() for section in one["sections"]}
    assert set(shown) == wanted
    assert set(shown.values()) <= HARMLESS
    assert len(shown_sections(page)) == 1
    picture = page.with_suffix(".png")
    screenshot(page, picture)
    assert picture.read_bytes().startswith(PNG)
    assert picture.stat().st_size > 20_000


def test_untouched_machine_that_is_not_there_is_a_line(team: Rehearsal) -> None:
    config = team.clone.folder / ".samestack/ssh_config"
    kept = config.read_text(encoding="utf-8")
    config.write_text(kept.replace("Host dev1\n", "Host elsewhere\n"), encoding="utf-8")
    # Connections that are still open lead there all the same.
    for socket in Path(team.dev.variable("ansible_control_path_dir")).expanduser().iterdir():
        subprocess.run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "dev1"], check=False, capture_output=True)
    try:
        assert team.parity()["match"]
    finally:
        config.write_text(kept, encoding="utf-8")
    assert "dev: not recorded now, the manifest of" in team.clone.output
