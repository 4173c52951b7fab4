"""Answers of hosts to `samestack status`, made up: what they say, and what they have counted."""

from __future__ import annotations

import math
from typing import Any

from plugins.plugin_utils.release.answers import checked
from plugins.plugin_utils.watch.answers import STATUS
from plugins.plugin_utils.watch.page import page
from plugins.plugin_utils.watch.screen import Environment, Host

NOW = 1_795_000_000.0
#: What nothing that a host says may become
MARKUP = "<script>alert('x')</script>\u202e\x1b[2J&\"quoted\""
SECTIONS = ("site", "release", "disk")


def finding(level: str, **other: Any) -> dict[str, Any]:
    """Return something that is not as it should be."""
    return {"key": "k", "level": level, "text": "it is so", "mend": "./samestack provision staging", "since": NOW - 120,
            "tells": True, "unit": "", **other}  # fmt: skip


def answer(**findings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an answer with what is wrong in each section."""
    sections = [{"name": name, "words": f"{name} is well", "findings": findings.get(name, [])} for name in SECTIONS]
    return {
        "version": 1, "time": NOW, "host": "h", "looked": NOW, "held": "", "told": {}, "sections": sections,
        "facts": {},
    }  # fmt: skip


def host(name: str = "web1", more: dict[str, Any] | None = None, **findings: list[dict[str, Any]]) -> Host:
    """Return a host that has answered."""
    return Host(name, checked(STATUS, {**answer(**findings), **(more or {})}, name))


def wave(count: int, low: float, high: float, gap: range = range(0)) -> list[float | None]:
    """Return numbers that go up and down, and some that nobody knows."""
    middle, half = (low + high) / 2, (high - low) / 2
    return [None if place in gap else round(middle + half * math.sin(place / 40), 1) for place in range(count)]


def counted() -> dict[str, Any]:
    """Return a day and a week of numbers, and two deployments, of which one failed."""
    names = {"answer": (20, 400), "load": (5, 60), "memory": (40, 55), "disk": (30, 31)}
    series = {
        "day": {name: wave(1440, *ends, gap=range(300, 400)) for name, ends in names.items()},
        "week": {name: wave(672, *ends) for name, ends in names.items()},
    }
    series["day"]["connections"] = [None] * 1440
    marks = [
        {"time": NOW - 3600, "verb": "deploy", "result": "ok", "release": "8d62fa25256d"},
        {"time": NOW - 7200, "verb": "deploy", "result": "failed", "release": "0d62fa25256d"},
    ]
    return {"series": series, "marks": marks}


def environments() -> list[Environment]:
    """Return three environments, one of them with everything that can be wrong."""
    hostile = finding("red", text=MARKUP, mend=MARKUP)
    numbers = counted()
    numbers["marks"][0]["release"] = MARKUP
    return [
        Environment("staging --rehearsal", [host("staging1", counted(), disk=[finding("yellow")])]),
        Environment(
            "production",
            [host("web1", numbers, site=[hostile]), host("db1"), Host("db2", trouble=MARKUP, mend="./samestack x")],
        ),
        Environment("dev"),
    ]


def pages() -> dict[str, str]:
    """Return pages for people: with what is wrong, with nothing that is, and with nobody who answers."""
    return {"bad": page(environments(), NOW), "well": page([Environment("dev", [host("dev1")])], NOW),
            "none": page([], NOW)}  # fmt: skip
