"""Envelopes of manifests, and the folder that keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from plugins.plugin_utils.parity.envelope import EnvelopeError, read_envelope, write_envelope
from plugins.plugin_utils.parity.store import Store
from plugins.plugin_utils.parity.timeline import changes, since, timeline
from tests.support.manifests import declared, envelope

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / ".samestack" / "manifests", keep=5)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    one = envelope("staging", {"packages": {"cowsay": "1"}}, rehearsal=True, cause="apt")
    write_envelope(tmp_path / "a.json", one)
    assert read_envelope(tmp_path / "a.json") == one
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600


def broken(values: dict[str, Any], **other: Any) -> str:
    return json.dumps(values | other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (lambda text: text[: len(text) // 2], "it is not whole"),
        (lambda _: "", "it is not whole"),
        (lambda _: "[]", "no envelope"),
        (
            lambda text: broken(json.loads(text), schema=2),
            "its schema is 2, and this code compares manifests of schema 1",
        ),
        (lambda text: broken(json.loads(text), manifest={"schema": 0}), "`./samestack provision`"),
        (lambda text: broken(json.loads(text), manifest={"schema": 1}), "no sections"),
        (lambda text: broken(json.loads(text), host=None), "`host` is missing"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_do(store: Store, text: Any, said: str) -> None:
    path = store.save(envelope("staging"))
    path.write_text(text(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(EnvelopeError) as error:
        store.at("staging", rehearsal=False)
    assert said in str(error.value)
    assert str(error.value).startswith(f".samestack/manifests/staging/staging1/{path.name}")
    assert "`" in str(error.value)


def test_a_baseline_of_another_schema_is_none(store: Store) -> None:
    path = store.save(envelope("staging"))
    path.write_text(broken(json.loads(path.read_text()), baseline={"manifest": {"schema": 0}}), encoding="utf-8")
    assert store.at("staging", rehearsal=False)[0].before is None


def at(hour: int, cowsay: str | None = None, **other: Any) -> Any:
    return envelope("staging", {"packages": {"cowsay": cowsay}}, time=f"2026-11-25T{hour:02}:00:00Z", **other)


def test_the_history_is_bounded_and_keeps_what_is_news(store: Store) -> None:
    for hour in range(4):
        store.save(at(hour))
    # First and last of those that say the same
    assert [one.time[9:11] for one in store.history("staging", rehearsal=False)["staging1"]] == ["00", "03"]
    for hour in range(4, 12):
        store.save(at(hour, str(hour)))
    kept = store.history("staging", rehearsal=False)["staging1"]
    assert [one.time[9:11] for one in kept] == ["07", "08", "09", "10", "11"]


def test_stand_ins_are_kept_apart(store: Store) -> None:
    store.save(at(1, rehearsal=True))
    assert not store.has("staging", rehearsal=False)
    assert [one.rehearsal for one in store.at("staging", rehearsal=True)] == [True]


def test_a_machine_that_is_no_more_does_not_count(store: Store) -> None:
    store.save(at(1, host="old", declared=declared("staging", topology={"old": [], "staging1": []})))
    store.save(at(2, declared=declared("staging", topology={"staging1": []})))
    assert [one.host for one in store.at("staging", rehearsal=False)] == ["staging1"]
    assert [one.host for one in store.at("staging", rehearsal=False, until="20261125T013000Z")] == ["old"]


def test_what_changed_from_one_to_the_next() -> None:
    steps = timeline([at(3, "2"), at(1, "1"), at(2, "1")])
    assert [(step.time[11:13], len(step.changes or ())) for step in steps] == [("01", 0), ("03", 1)]
    (change,) = changes(at(1).manifest, at(2, "1").manifest)
    assert (change.section, change.key, change.after) == ("packages", "cowsay", "1")


NOON = 1795608000.0  # 2026-11-25 12:00 UTC, a Wednesday


def test_what_the_host_recorded_meanwhile_is_told() -> None:
    lines = [
        {"time": f"2026-11-25T0{hour}:30:00Z", "cause": "apt", "digest": digest, "who": "You <you@site.test>"}
        for hour, digest in ((1, "a"), (2, "a"), (3, "b"))
    ]
    steps = timeline([at(0), at(5, history=tuple(lines))])
    assert [(step.time[11:16], step.cause, step.changes) for step in steps[1:]] == [("03:30", "apt, You", None)]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("tuesday", 24), ("Wednesday", 18), ("yesterday", 24), ("today", 25), ("36h", 24), ("1w", 18),
        ("2026-11-20", 20), ("2026-11-23T08:00", 23),
    ],
)  # fmt: skip
def test_people_say_since_when_in_their_own_way(text: str, day: int) -> None:
    assert int((since(text, NOON) - (NOON - 25 * 86400 - 43200)) // 86400) == day


def test_what_is_no_time() -> None:
    with pytest.raises(ValueError, match=r"--since soon: .*weekday"):
        since("soon", NOON)
