"""The report in a terminal, and the page: what it says, that it is valid HTML, and that it needs nothing else."""

from __future__ import annotations

import re

import html5lib
import pytest

from plugins.plugin_utils.parity.compare import Comparison, compare
from plugins.plugin_utils.parity.page import page
from plugins.plugin_utils.parity.text import Look, lines
from plugins.plugin_utils.parity.timeline import timeline
from tests.support.documents import whole
from tests.support.manifests import envelope

THREE = ("dev", "staging", "production")
NOW = 1795615385.0
MARKUP = "<script>alert('x')</script>&\"quoted\""


def planted() -> Comparison:
    changes = {"packages": {"cowsay": MARKUP}, "postgresql": {"setting:work_mem": "16MB"}}
    return compare([envelope("dev"), envelope("staging", rehearsal=True), envelope("production", changes)])


def pages() -> dict[str, str]:
    steps = {
        "production: production1": timeline(
            [
                envelope("production"),
                envelope("production", {"packages": {"cowsay": MARKUP}}, time="2026-11-25T15:00:00Z"),
            ]
        )
    }
    three = compare(envelope(name) for name in THREE)
    return {"planted": page(planted(), steps, "today", ["a note"]), "alike": page(three, {}, "today")}


@pytest.mark.parametrize("name", ["planted", "alike"])
def test_the_page_is_valid_and_complete(name: str) -> None:
    text = pages()[name]
    document, identities = whole(text)
    assert {one.get("for") for one in document.iter("label")} <= identities


def test_what_hosts_say_is_no_markup() -> None:
    assert "<script>alert" not in pages()["planted"]


def test_every_cell_says_in_words_and_by_a_shape_how_it_is() -> None:
    document = html5lib.parse(pages()["planted"], namespaceHTMLElements=False)
    cells = {(one.get("data-environment"), one.get("data-section")): one for one in document.iter("button")}
    odd = cells["production", "packages"]
    assert "drift" in odd.get("class", "")
    assert "".join(odd.itertext()) == "▲1 drift: packages of production"
    others = [
        cell.get("class", "") for (name, section), cell in cells.items() if section == "packages" and cell is not odd
    ]
    assert others == ["cell same", "cell same"]


def test_the_terminal_shows_the_summary_first_and_then_only_what_differs() -> None:
    found = lines(planted(), Look(width=100), now=NOW)
    assert found[0].split()[:3] == ["sys", "pkg", "rel"]
    assert [line.split()[0] for line in found[1:4]] == list(THREE)
    text = "\n".join(found)
    assert "staging1, a local stand-in, recorded just now" in text
    assert "on production1: sudo apt-get remove cowsay" in text
    assert "SECRET_KEY" not in text
    assert (
        found[-1]
        == "dev, staging (rehearsal) and production do not match: 0 unexplained, 2 drift, 2 declared, 2 expected"
    )
    assert "SECRET_KEY  declared (vault_app_secret_key)" in "\n".join(
        lines(planted(), Look(), now=NOW, everything=True)
    )


def test_a_narrow_terminal_and_one_without_unicode() -> None:
    found = lines(planted(), Look(width=30, unicode=False), now=NOW)
    matrix = found[: next(number for number, line in enumerate(found) if "the same" in line)]
    assert all(len(line) <= 30 for line in matrix)
    assert all(line.isascii() for line in found if "cowsay" not in line)


def test_colour_is_no_news() -> None:
    plain = lines(planted(), Look(), now=NOW)
    painted = lines(planted(), Look(colour=True), now=NOW)
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in painted] == plain
