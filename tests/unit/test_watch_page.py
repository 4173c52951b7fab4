"""How hosts are, as a page: what it says, that it is valid HTML, and that it needs nothing else."""

from __future__ import annotations

import html5lib
import pytest

from plugins.plugin_utils.watch import spark
from tests.support.documents import whole
from tests.support.statuses import pages

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", ["bad", "well", "none"])
def test_the_page_is_valid_and_complete(name: str) -> None:
    text = pages()[name]
    document, _ = whole(text)
    assert "style=" not in text
    assert all(one.get("aria-label") for one in document.iter(f"{SVG}svg"))


def test_what_hosts_say_is_no_markup() -> None:
    text = pages()["bad"]
    assert "alert(&#x27;x&#x27;)" in text
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_cells_say_in_words_and_by_a_shape_how_it_is() -> None:
    document = html5lib.parse(pages()["bad"], namespaceHTMLElements=False)
    found = {(one.get("data-environment"), one.get("data-section")): one for one in document.iter("button")}
    said = {key: (one.get("class"), "".join(one.itertext())) for key, one in found.items()}
    assert said["production", "site"] == ("cell red", "✗1 red: site of production")
    assert said["staging --rehearsal", "disk"] == ("cell yellow", "▲1 yellow: disk of staging --rehearsal")
    assert said["production", "host"][0] == "cell red"
    assert said["staging --rehearsal", "host"][0] == "cell lacking"
    assert said["staging --rehearsal", "site"][0] == "cell well"
    assert "Nobody can say how all is: 2 red, 1 yellow" in pages()["bad"]
    assert "All is well" in pages()["well"]


def test_pictures_say_what_they_show() -> None:
    document = html5lib.parse(pages()["bad"], namespaceHTMLElements=False)
    words = [one.get("aria-label") for one in document.iter(f"{SVG}svg")]
    assert "Memory, the last day: 40 to 55 %, now 40 %, 2 deployments" in words
    assert not [one for one in words if "connections" in str(one)]
    lines = [one.get("class") for one in document.iter(f"{SVG}line")]
    assert (lines.count("done"), lines.count("failed")) == (16, 16)


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([0, 100, 50], "M0 39.0h.5L1 1.0L2 20.0"),
        ([None, 50, None, None, 50], "M1 20.0h.5M4 20.0h.5"),
        ([200], "M0 1.0h.5"),
        ([None], ""),
    ],
)
def test_where_nobody_looked_there_is_a_gap(values: list[float | None], drawn: str) -> None:
    assert spark.path(values, 100) == drawn


def test_a_short_peak_is_seen() -> None:
    assert spark.points([1, 1, 99, 1, 1, None, None], 5) == [99, None]


def test_marks_are_where_they_happened() -> None:
    marks = [{"time": at, "verb": "deploy", "result": "ok", "release": "x"} for at in (-1, 0, 50, 100, 101)]
    assert [line.split('"')[3] for line in spark.marked(marks, 0, 100, 288)] == ["0.0", "144.0", "288.0"]
