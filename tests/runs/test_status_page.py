"""The page of `samestack status` in a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.chromium import DARK, LIGHT, cells, chromium, screenshot, shown_sections
from tests.support.statuses import pages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("width", "scheme"), [(1250, LIGHT), (1250, DARK), (500, LIGHT), (500, DARK)])
def test_a_browser_shows_it(tmp_path: Path, width: int, scheme: int) -> None:
    """Light and dark, narrow and wide; its script opens what is worst."""
    file, picture = tmp_path / "status.html", tmp_path / "status.png"
    file.write_text(pages()["bad"], encoding="utf-8")
    assert cells(file)["production", "site"] == "red"
    assert shown_sections(file) == ["site"]
    screenshot(file, picture, width, 1500, scheme)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
    # Nothing but a table in its own box is wider than the screen.
    probe = file.with_name("probe.html")
    asked = "<script>document.title = String(document.documentElement.scrollWidth)</script></body>"
    text = re.sub(r"<meta http-equiv[^>]*>", "", file.read_text(encoding="utf-8"))
    probe.write_text(text.replace("</body>", asked), encoding="utf-8")
    shown = chromium(probe, f"--window-size={width},1500", "--dump-dom")
    assert int(re.findall(r"<title>(\d+)</title>", shown)[0]) <= width
