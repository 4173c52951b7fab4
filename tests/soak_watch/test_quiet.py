"""Hours in which nothing is wrong: nobody is told anything."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tests.support import versions

if TYPE_CHECKING:
    from tests.watch.conftest import Watch

MINUTES = 60
DEPLOYMENTS = 20
APPLICATION = "examples/noticeboard"


def alarms(watch: Watch) -> list[str]:
    """Return what the watch has told; of deployments people are told by themselves."""
    return [one["message"] for one in watch.chat.got if "All of it" in one["message"]]


def test_an_hour_with_visitors_and_every_job_of_a_night_tells_nobody(watch: Watch) -> None:
    machine, browser = watch.machine, watch.machine.browser()
    timers = machine.run("systemctl list-timers --all --plain --no-legend | grep -o '[^ ]*\\.timer'").split()
    assert len(timers) > 5
    looked = watch.asked()["looked"]
    for minute in range(MINUTES):
        for _ in range(20):
            browser.get("/")
        if minute < len(timers):
            machine.run(f"systemctl start $(systemctl show --property=Unit --value {timers[minute]}) || true")
        time.sleep(60)
    assert watch.asked()["looked"] > looked + 60 * (MINUTES - 2)
    assert watch.chat.got == []
    assert watch.wrong() == []


def test_deployments_one_after_the_other_raise_no_alarm(watch: Watch) -> None:
    watch.chat.got.clear()

    def deploy() -> None:
        for _ in range(DEPLOYMENTS):
            versions.touch(watch.clone.folder / APPLICATION)
            watch.clone.samestack("deploy", watch.machine.kind, "--rehearsal")

    deploying = threading.Thread(target=deploy)
    deploying.start()
    while deploying.is_alive():
        # More often than its clock has it look
        watch.look()
        time.sleep(2)
    watch.looks(3)
    assert len(watch.machine.run(f"ls /srv/{watch.machine.app}/releases").split()) > 1
    assert alarms(watch) == []
