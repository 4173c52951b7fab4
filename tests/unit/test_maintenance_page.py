"""The maintenance page: what people typed is text, and a release does not reopen what people closed."""

from __future__ import annotations

import os
from pathlib import Path

from plugins.module_utils.common import maintenance_page as page


def test_what_people_typed_is_text_and_comes_back(tmp_path: Path) -> None:
    path = str(tmp_path / "samestack" / "page.html")
    typed = 'Back at 8 <script>alert("x")</script> & {braces}\nthen again'
    assert page.on(typed, path=path)
    assert not page.on(typed, path=path), "the second time changes nothing"
    text = Path(path).read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "{braces}" in text
    assert page.message(path) == typed
    assert os.stat(path).st_mode & 0o777 == 0o644
    assert page.off(path=path)
    assert not page.off(path=path)
    assert (page.is_on(path), page.message(path), page.closed_by(path)) == (False, "", "")


def test_a_release_leaves_what_people_closed(tmp_path: Path) -> None:
    path = str(tmp_path / "page.html")
    page.on("closed by Eve", path=path)
    assert not page.on("a release", by=page.RELEASE, path=path)
    assert not page.off(by=page.RELEASE, path=path)
    assert page.message(path) == "closed by Eve"


def test_people_open_what_a_release_that_was_cut_off_left(tmp_path: Path) -> None:
    path = str(tmp_path / "page.html")
    assert page.on("a release", by=page.RELEASE, path=path)
    assert page.closed_by(path) == page.RELEASE
    assert page.on("people now", path=path)
    assert page.closed_by(path) == page.PEOPLE
    page.off(path=path)
    page.on("a release", by=page.RELEASE, path=path)
    assert page.off(path=path)
