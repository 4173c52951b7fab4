"""What is killed comes back by itself, within seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.support.machines import Environment, Machine

#: Seconds until the site has to answer again
SOON = 20


def answers(site: Machine) -> bool:
    """Tell whether the page that asks the database answers."""
    return site.browser().get(site.variable("app_health_path")).status == 200


def main_pid(machine: Machine, unit: str) -> int:
    return int(machine.run(f"systemctl show -P MainPID '{unit}'").strip() or 0)


def live_unit(site: Machine, kind: str) -> str:
    instance = site.run(f"basename $(readlink /run/{site.app}/live.sock) .sock").strip()
    if kind != "web":
        # Of web servers there may be a second one of the same release.
        instance = instance.removesuffix("-2")
    return f"{site.app}-{kind}@{instance}.service"


def kill_main(machine: Machine, unit: str, site: Machine) -> None:
    """Kill a unit's main process and wait until another has its place and the site answers."""
    before = main_pid(machine, unit)
    assert before
    machine.run(f"kill -9 {before}")
    wait_for(f"{unit} is back", lambda: main_pid(machine, unit) not in (0, before), SOON)
    wait_for("the site answers", lambda: answers(site), SOON)


def test_the_web_servers_master(site: Machine) -> None:
    kill_main(site, live_unit(site, "web"), site)


def test_one_of_its_processes(site: Machine) -> None:
    unit = live_unit(site, "web")
    master = main_pid(site, unit)
    child = site.run(f"pgrep --parent {master} | head -1").strip()
    assert child
    site.run(f"kill -9 {child}")
    wait_for("another took its place", lambda: len(site.run(f"pgrep --parent {master}").split()) >= 2, SOON)
    assert main_pid(site, unit) == master
    wait_for("the site answers", lambda: answers(site), SOON)


def test_a_worker(environment: Environment, site: Machine) -> None:
    for machine in environment.machines("worker"):
        for name in machine.variable("app_workers"):
            kill_main(machine, live_unit(machine, f"worker-{name}"), site)


def test_redis(environment: Environment, site: Machine) -> None:
    if not site.variable("app_redis"):
        pytest.skip("the application has no Redis")
    for machine in environment.machines("cache"):
        kill_main(machine, "redis-server.service", site)
    wait_for(
        "Redis answers the application", lambda: site.browser().get("/status.json").json()["redis"]["reachable"], SOON
    )


def test_postgresql(environment: Environment, site: Machine) -> None:
    for machine in environment.machines("db"):
        unit = machine.run("systemctl list-units --plain --no-legend 'postgresql@*'").split()[0]
        kill_main(machine, unit, site)


def test_nginx(site: Machine) -> None:
    kill_main(site, "nginx.service", site)


def test_a_reboot(environment: Environment, site: Machine) -> None:
    for machine in environment.machines():
        started = machine.run("stat -c %Y /proc/1").strip()
        machine.host.run("systemd-run --quiet --on-active=1 systemctl reboot")

        def rebooted(machine: Machine = machine, started: str = started) -> bool:
            shown = machine.host.run("stat -c %Y /proc/1")
            return shown.rc == 0 and shown.stdout.strip() not in ("", started)

        wait_for(f"{machine.name} is up again", rebooted, 60)
    wait_for("the site answers", lambda: answers(site), 60)
    for machine in environment.machines():
        assert machine.run("systemctl is-system-running --wait || true").strip() == "running"
