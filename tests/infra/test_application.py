"""How the application runs: account, environment, sandbox, timers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.machines import Machine


def units(machine: Machine, kind: str) -> list[str]:
    lines = machine.run(f"systemctl list-units --plain --no-legend '{machine.app}-{kind}*@*.service'").splitlines()
    return [line.split()[0] for line in lines]


def main_pid(machine: Machine, unit: str) -> str:
    return machine.run(f"systemctl show -P MainPID {unit}").strip()


def release_of(machine: Machine) -> str:
    return machine.run(f"basename $(readlink /srv/{machine.app}/current)").strip()


def test_one_web_process_and_all_workers_run_the_live_release(app_machine: Machine) -> None:
    release = release_of(app_machine)
    if app_machine.has("web"):
        instance = app_machine.run(f"basename $(readlink /run/{app_machine.app}/live.sock) .sock").strip()
        # A second one of the same release takes over where something that it runs with changed.
        assert instance in (release, f"{release}-2")
        assert units(app_machine, "web") == [f"{app_machine.app}-web@{instance}.service"]
    wanted = {f"{app_machine.app}-worker-{name}@{release}.service" for name in app_machine.value("django_workers")}
    assert set(units(app_machine, "worker")) == wanted


def test_accounts_have_no_shell(app_machine: Machine) -> None:
    for name in (app_machine.app, f"{app_machine.app}-fetch"):
        shell = app_machine.run(f"getent passwd {name}").strip().split(":")[-1]
        assert shell == "/usr/sbin/nologin"


def test_processes_are_confined(app_machine: Machine) -> None:
    for unit in [*units(app_machine, "web"), *units(app_machine, "worker")]:
        status = app_machine.run(f"cat /proc/{main_pid(app_machine, unit)}/status")
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE), unit
        assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE), unit
        assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE), unit
        uid = app_machine.run(f"id -u {app_machine.app}").strip()
        assert re.search(rf"^Uid:\s+{uid}\s", status, re.MULTILINE), unit


def test_processes_can_write_only_where_they_should(app_machine: Machine) -> None:
    (unit, *_others) = [*units(app_machine, "web"), *units(app_machine, "worker")]
    user = f"setpriv --reuid {app_machine.app} --regid {app_machine.app} --clear-groups"
    enter = f"nsenter --mount --target {main_pid(app_machine, unit)} {user}"
    app_machine.run(f"{enter} sh -c 'f=/srv/{app_machine.app}/shared/media/.probe; : > $f && rm $f'")
    for folder in (
        f"/srv/{app_machine.app}/releases",
        f"/srv/{app_machine.app}/current/",
        "/etc",
        "/usr/local",
        "/var/lib",
    ):
        assert app_machine.host.run(f"{enter} touch {folder}/.probe").rc != 0, folder


def test_processes_have_the_environment_that_is_declared(app_machine: Machine) -> None:
    (unit, *_others) = [*units(app_machine, "web"), *units(app_machine, "worker")]
    text = app_machine.run(f"tr '\\0' '\\1' < /proc/{main_pid(app_machine, unit)}/environ")
    found = dict(item.split("=", 1) for item in text.split("\1") if "=" in item)
    for name, value in app_machine.value("django_env").items():
        if name != "STATIC_ROOT":
            assert found[name] == str(value), name
    # No test knows a secret, but all of them are there and none is a stand-in.
    for name in app_machine.value("django_secret_env"):
        assert found[name], name
        assert "tests-" not in found[name]


def test_other_users_cannot_read_the_secrets(app_machine: Machine) -> None:
    path = f"/etc/{app_machine.app}/env"
    assert app_machine.host.run(f"setpriv --reuid nobody --regid nogroup --clear-groups cat {path}").rc != 0


def test_timers_wait_for_their_time(app_machine: Machine) -> None:
    for name in app_machine.value("django_timers"):
        shown = app_machine.run(
            f"systemctl show -p ActiveState,NextElapseUSecRealtime {app_machine.app}-timer-{name}.timer"
        )
        assert "ActiveState=active" in shown
        assert re.search(r"NextElapseUSecRealtime=\S+", shown)


def test_the_release_is_nobodys_but_roots(app_machine: Machine) -> None:
    if app_machine.variable("app_live_path"):
        pytest.skip("live code belongs to the person who edits it")
    release = f"/srv/{app_machine.app}/releases/{release_of(app_machine)}"
    assert app_machine.run(f"find {release} ! -user root -print -quit") == ""
    assert app_machine.run(f"find {release} ! -type l -perm /022 -print -quit") == ""
