"""Database and uploads are lost and come back, at moments that nobody has chosen."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.machines import wait_for

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.backups.conftest import Backups, Writer

GONE = "pkill -9 -u postgres postgres; rm -rf /var/lib/postgresql/*/main; systemctl stop 'postgresql@*'"
#: Most seconds of rows that may be lost (backup_archive_timeout, and the way of a segment)
LOSS = 60


def well(backups: Backups) -> None:
    """Wait until the site answers."""
    wait_for("the site", lambda: backups.answers() == 200, 90)


def rows(backups: Backups) -> set[int]:
    """The rows that the database has."""
    return set(map(int, backups.sql("SELECT n FROM ledger").split()))


def check(backups: Backups, ledger: dict[int, float], moment: float) -> None:
    """See that the rows are those of a moment: all that were acknowledged until then, and none that was sent later."""
    there = rows(backups) & set(ledger)
    until = {number for number, at in ledger.items() if at <= moment}
    # The next one may have been on its way.
    assert until <= there <= until | {max(until) + 1}, (len(until - there), len(there - until))
    well(backups)


def spoken(moment: float) -> str:
    """A moment as people type it."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(moment))}.{moment % 1 * 1_000_000:06.0f}"


def cut_off(backups: Backups, seconds: float, moment: str, way: str) -> None:
    """Begin with a restore, and end it after some seconds: kill what the person started, or cut the machine's power."""
    team = backups.team
    command = ["./samestack", *team.arguments("restore", backups.kind, to=moment, confirm=True)]
    with subprocess.Popen(
        command,
        cwd=team.clone.folder,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as run:
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            if way == "power":
                backups.power(lambda: None)
            else:
                os.killpg(run.pid, signal.SIGKILL)
        run.wait()


@pytest.fixture(scope="module")
def lengths() -> dict[str, float]:
    """What a whole restore took last, by environment (seconds)."""
    return {}


def test_the_power_is_cut(turn: int, backups: Backups, chance: random.Random, writing: Callable[[], Writer]) -> None:
    writer = writing()
    before, off = chance.uniform(0, 10), chance.uniform(0, 3)
    print(f"{backups}: off after {before:.1f} s, for {off:.1f} s")
    time.sleep(before)
    backups.power(lambda: time.sleep(off))
    assert writer.stop()
    well(backups)
    assert writer.lost() == []


def test_the_data_directory_is_gone(
    turn: int, backups: Backups, chance: random.Random, writing: Callable[[], Writer], lengths: dict[str, float]
) -> None:
    backups.upload("here.txt", f"turn {turn}")
    writer = writing()
    # Long enough for rows to be lost that are older than what may be.
    time.sleep(chance.uniform(0, 1.5 * LOSS))
    backups.source.run(GONE)
    ledger = writer.stop()
    began = time.monotonic()
    backups.team.samestack("restore", backups.kind, to="latest", confirm=True)
    lengths[backups.kind] = time.monotonic() - began
    lost = writer.lost()
    seconds = max((max(ledger.values()) - ledger[number] for number in lost), default=0)
    print(
        f"{backups}: {len(lost)} of {len(ledger)} rows are lost, {seconds:.1f} s; back in {lengths[backups.kind]:.0f} s"
    )
    assert seconds <= LOSS
    assert backups.uploads()["here.txt"] == f"turn {turn}"
    well(backups)


def test_a_restore_is_cut_off(
    turn: int, backups: Backups, chance: random.Random, writing: Callable[[], Writer], lengths: dict[str, float]
) -> None:
    """Wherever it was, the same again ends it, and the rows and files are those of that moment."""
    writer = writing()
    backups.upload("before.txt", f"turn {turn}")
    time.sleep(chance.uniform(1, 10))
    moment = float(backups.sql("SELECT extract(epoch FROM clock_timestamp())"))
    time.sleep(chance.uniform(1, 10))
    backups.upload(f"after-{turn}.txt", "written after that moment")
    ledger = writer.stop()
    way = chance.choice(["kill", "power"])
    seconds = chance.uniform(2, lengths.get(backups.kind, 40))
    print(f"{backups}: {way} after {seconds:.1f} s")
    cut_off(backups, seconds, spoken(moment), way)
    wait_for("the machine", lambda: backups.source.run("true") == "", 60)
    backups.team.samestack("restore", backups.kind, to=spoken(moment), confirm=True)
    check(backups, ledger, moment)
    found = backups.uploads()
    assert found["before.txt"] == f"turn {turn}"
    assert f"after-{turn}.txt" not in found


def test_twice_in_a_row(turn: int, backups: Backups, chance: random.Random, writing: Callable[[], Writer]) -> None:
    """To a moment, and then to an earlier or a later one; what was written in between is on no way to it."""
    writer = writing()
    time.sleep(chance.uniform(3, 10))
    ledger = writer.stop()
    first, second = (chance.uniform(min(ledger.values()), max(ledger.values())) for _ in range(2))
    print(f"{backups}: to {spoken(first)}, then to {spoken(second)}")
    backups.team.samestack("restore", backups.kind, to=spoken(first), confirm=True)
    check(backups, ledger, first)
    between = writing()
    time.sleep(chance.uniform(0, 3))
    between.stop()
    backups.team.samestack("restore", backups.kind, to=spoken(second), confirm=True)
    check(backups, ledger, second)
    assert not rows(backups) & set(between.acknowledged)
