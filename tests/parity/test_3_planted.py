"""What somebody changes by hand is found, each in its section, and nothing beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from planted import PLANTED, script
from support.chromium import cells, screenshot

if TYPE_CHECKING:
    from conftest import Three

#: What follows from something planted, and is told as well
FOLLOWS = (
    "accounts/.*", "certificates/.*", "environment/.*", "files/.*", "gunicorn/.*", "nginx/.*", "packages/.*perl.*",
    "packages/lib.*", "python/.*", "redis/.*", "schema/.*", "settings/.*", "sources/.*", "system/.*", "timers/.*",
    "units/.*", "venv/.*",
)  # fmt: skip


@pytest.fixture(scope="module")
def found(three: Three) -> dict[str, Any]:
    """The report after everything was done to production, which matched before."""
    for name in ("dev", "staging", "production"):
        three.clone.make("deploy", *three.where(name))
    assert three.report()["match"] is True
    machine = three.production
    names = {"app": machine.app, "live": f"/srv/{machine.app}/current", "database": machine.variable("database_name")}
    said = machine.run(script(**names))
    assert "FAILED" not in said, said + machine.run("tail -n 30 /run/planted.log")
    return three.report()


@pytest.mark.parametrize("number", range(len(PLANTED)), ids=[one.what for one in PLANTED])
def test_it_is_found(three: Three, found: dict[str, Any], number: int) -> None:
    pattern = PLANTED[number].found.replace("{app}", three.production.app)
    hits = [one for one in found["differences"] if re.fullmatch(pattern, one["name"])]
    assert hits, f"{pattern} is not among " + ", ".join(bad(found))
    for hit in hits:
        assert hit["marks"].get("production") in ("drift", "unexplained"), hit
        assert hit["marks"].get("staging", "declared") in ("declared", "expected"), hit
        assert hit["mend"], hit


def bad(found: dict[str, Any]) -> list[str]:
    """Return the names of what does not match."""
    return [one["name"] for one in found["differences"] if one["class"] in ("drift", "unexplained")]


def test_nothing_else_is(three: Three, found: dict[str, Any]) -> None:
    patterns = [*(one.found.replace("{app}", three.production.app) for one in PLANTED), *FOLLOWS]
    strange = [name for name in bad(found) if not any(re.fullmatch(pattern, name) for pattern in patterns)]
    assert strange == []
    for name in ("dev", "staging"):
        kinds = set(found["environments"][name]["sections"].values())
        assert kinds <= {"same", "expected", "declared"}, name


def test_exactly_its_cells_turn(three: Three, found: dict[str, Any]) -> None:
    page = three.clone.folder / ".samestack" / "parity.html"
    sections = {name.partition("/")[0] for name in bad(found)}
    turned = {name for name, kind in cells(page).items() if kind in ("drift", "unexplained")}
    assert turned == {("production", section) for section in sections}
    screenshot(page, page.with_name("parity-planted.png"))


def test_no_secret_is_in_what_was_kept(three: Three, found: dict[str, Any]) -> None:
    machine = three.production
    env = machine.run(f"cat /etc/{machine.app}/env")
    secrets = [re.search(rf'^{name}="(.*)"$', env, re.MULTILINE) for name in ("SECRET_KEY", "DATABASE_URL")]
    texts = [one[1] for one in secrets if one and len(one[1]) > 20]
    key = machine.run("cat /etc/samestack/manifest.key").strip()
    state = three.clone.folder / ".samestack"
    kept = [*(state / "manifests").rglob("*.json"), state / "parity.html"]
    for path in kept:
        text = path.read_text(encoding="utf-8")
        assert not [one for one in (*texts, key) if one in text], path


def test_what_changed_since_then_is_told(three: Three, found: dict[str, Any]) -> None:
    status, said = three.parity("OFFLINE=1", "SINCE=1d")
    assert status == 0, said
    assert "packages/cowsay: (not there) →" in said
