"""Three environments that nobody has touched match; the page says so in three green columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.chromium import cells, screenshot, shown_sections

if TYPE_CHECKING:
    from conftest import Three

GREEN = {"same", "expected", "declared"}
PNG = b"\x89PNG"


def test_they_match(three: Three) -> None:
    status, said = three.parity()
    assert status == 0, said
    assert "0 unexplained, 0 drift" in said
    for name in ("staging", "production"):
        assert f"{name}1, a local stand-in" in said


def test_the_page_shows_three_green_columns(three: Three) -> None:
    page = three.clone.folder / ".samestack" / "parity.html"
    found = cells(page)
    assert {name for name, _ in found} == {"dev", "staging", "production"}
    assert len(found) == 3 * 22
    assert set(found.values()) <= GREEN, {name: kind for name, kind in found.items() if kind not in GREEN}
    assert len(shown_sections(page)) == 1
    picture = page.with_suffix(".png")
    screenshot(page, picture)
    assert picture.read_bytes().startswith(PNG)
    assert picture.stat().st_size > 20_000


def test_the_same_from_what_is_saved(three: Three) -> None:
    status, said = three.parity("OFFLINE=1")
    assert status == 0, said
    assert three.parity("OFFLINE=1", "A=staging", "B=production")[0] == 0
    found = three.report("OFFLINE=1")
    assert found["match"] is True
    assert found["counts"]["unexplained"] == found["counts"]["drift"] == 0


def test_a_machine_that_is_not_there_is_a_line_and_its_last_manifest_is_used(three: Three) -> None:
    inventory = three.clone.folder / "inventories" / "dev.yml"
    kept = inventory.read_text(encoding="utf-8")
    # Another user: the connection that is still open does not help.
    inventory.write_text(kept.replace("ansible_user: vagrant", "ansible_user: stranger"), encoding="utf-8")
    try:
        status, said = three.parity()
    finally:
        inventory.write_text(kept, encoding="utf-8")
    assert status == 0, said
    assert "dev: not recorded now, the manifest of" in said
