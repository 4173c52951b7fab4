"""Which services run what an upgrade replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.packages.stale_services import divided, restarted, stale_units

if TYPE_CHECKING:
    from pathlib import Path

MAP = "7f1c0a000000-7f1c0a200000 {mode} 00000000 00:3b 1234                       {path}\n"
LIBRARY = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
POSTGRESQL = "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n"
OLD_GROUPS = "9:name=systemd:/system.slice/nginx.service\n1:cpu:/\n0::/system.slice/nginx.service\n"


def process(proc: Path, pid: int, group: str, path: str = f"{LIBRARY} (deleted)", mode: str = "r-xp") -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "maps").write_text(MAP.format(mode="r--p", path="/usr/bin/x") + MAP.format(mode=mode, path=path))
    (folder / "cgroup").write_text(group)


def shown(kill_modes: dict[str, tuple[str, int]]) -> object:
    def run(_: list[str]) -> tuple[int, str, str]:
        blocks = [f"MainPID={pid}\nKillMode={mode}\nId={unit}\n" for unit, (mode, pid) in kill_modes.items()]
        return 0, "\n".join(blocks), ""

    return run


def test_services_with_replaced_libraries_or_programs(tmp_path: Path) -> None:
    process(tmp_path, 10, POSTGRESQL)
    process(tmp_path, 11, OLD_GROUPS, "/usr/sbin/nginx (deleted)")
    process(tmp_path, 12, "0::/system.slice/fine.service\n", LIBRARY)
    process(tmp_path, 13, "0::/system.slice/data.service\n", "/memfd:jit (deleted)")
    process(tmp_path, 14, "0::/system.slice/lists.service\n", "/usr/lib/data.bin (deleted)", "r--p")
    process(tmp_path, 15, "0::/user.slice/user-0.slice/session-1.scope\n")
    (tmp_path / "16").mkdir()
    assert stale_units(shown({}), str(tmp_path)) == ["nginx.service", "postgresql@15-main.service"]


@pytest.mark.parametrize(("main", "stale"), [(20, ["ssh.service"]), (21, [])])
def test_sessions_that_outlive_their_service_do_not_count(tmp_path: Path, main: int, stale: list[str]) -> None:
    process(tmp_path, 20, "0::/system.slice/ssh.service\n")
    assert stale_units(shown({"ssh.service": ("process", main)}), str(tmp_path)) == stale


def test_what_ends_by_itself_does_not_count(tmp_path: Path) -> None:
    process(tmp_path, 20, "0::/system.slice/system-samestack.slice/samestack-manifest@apt.service\n")
    process(tmp_path, 21, OLD_GROUPS)

    def run(_: list[str]) -> tuple[int, str, str]:
        return 0, "Type=oneshot\nMainPID=20\nKillMode=control-group\nId=samestack-manifest@apt.service\n", ""

    assert stale_units(run, str(tmp_path)) == ["nginx.service"]


def test_apps_are_renewed_and_sessions_are_left_alone() -> None:
    units = ["app-web@1-2.service", "app-worker-q@1.service", "apple.service", "dbus.service", "nginx.service",
             "systemd-logind.service", "user@0.service"]  # fmt: skip
    restart, owed, left = divided(units, ["app"])
    assert restart == ["apple.service", "nginx.service"]
    assert owed == ["app"]
    assert left == ["dbus.service", "systemd-logind.service", "user@0.service"]


def test_what_does_not_start_again_is_told() -> None:
    def run(command: list[str]) -> tuple[int, str, str]:
        return (int("is-active" in command and "redis.service" in command), "", "")

    assert restarted(run, ["nginx.service", "redis.service"]) == ["redis.service"]
