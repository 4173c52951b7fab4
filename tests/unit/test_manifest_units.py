"""Units, timers, sockets, processes: by what systemd 252 and 257, ss and /proc say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.manifest.reading.processes import replaced, unit_of
from plugins.module_utils.manifest.sections.sockets import addresses, listening, place
from plugins.module_utils.manifest.sections.sockets import collect as sockets
from plugins.module_utils.manifest.sections.timers import collect as timers
from plugins.module_utils.manifest.sections.timers import jobs, schedules, shown
from plugins.module_utils.manifest.sections.units import activity, collect, exposures, normal_name, states
from tests.support.paper_host import PaperHost

if TYPE_CHECKING:
    from pathlib import Path

LIVE = SimpleNamespace(id="1d420fac9eae")
FILES = """nginx.service                                enabled   enabled
systemd-pstore.service                       masked    enabled
autovt@.service                              alias     -
kmod.service                                 static    -
unattended-upgrades.service                  disabled  enabled
"""
SECURITY = """UNIT                                          EXPOSURE PREDICATE HAPPY
nginx.service                                      9.6 UNSAFE    😨
noticeboard-web@1d420fac9eae.service               1.4 OK        🙂
"""
SHOW = """Id=nginx.service
LoadState=loaded
ActiveState=active
Type=forking
NeedDaemonReload=yes
FragmentPath=/usr/lib/systemd/system/nginx.service
UnitFileState=enabled
MainPID=0

Id=noticeboard-web@1d420fac9eae-2.service
LoadState=loaded
ActiveState=active
Type=exec
NeedDaemonReload=no
FragmentPath=/etc/systemd/system/noticeboard-web@.service
UnitFileState=static
MainPID=77

Id=broken.service
LoadState=loaded
ActiveState=failed
Type=simple
NeedDaemonReload=no
FragmentPath=/run/systemd/transient/broken.service
UnitFileState=transient
MainPID=0

Id=samestack-watch-answer@7-10.0.3.31:8434-10.0.3.32:41200.service
LoadState=loaded
ActiveState=active
Type=simple
NeedDaemonReload=no
FragmentPath=/etc/systemd/system/samestack-watch-answer@.service
UnitFileState=static
MainPID=0

Id=samestack-mail@3-12345-33.service
LoadState=loaded
ActiveState=active
Type=simple
NeedDaemonReload=no
FragmentPath=/etc/systemd/system/samestack-mail@.service
UnitFileState=static
MainPID=0

Id=user@1000.service
LoadState=loaded
ActiveState=active
Type=notify
NeedDaemonReload=no
FragmentPath=/usr/lib/systemd/system/user@.service
UnitFileState=static
MainPID=0
"""


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("noticeboard-web@1d420fac9eae.service", "noticeboard-web@live.service"),
        ("noticeboard-web@1d420fac9eae-2.service", "noticeboard-web@live.service"),
        ("noticeboard-worker-queue@1d420fac9eae.service", "noticeboard-worker-queue@live.service"),
        ("noticeboard-web@0000aaaa1111.service", "noticeboard-web@another release.service"),
        ("noticeboard-timer-tidy.timer", "noticeboard-timer-tidy.timer"),
        ("nginx.service", "nginx.service"),
    ],
)
def test_a_redeployment_is_no_difference(unit: str, name: str) -> None:
    assert normal_name(unit, "noticeboard", LIVE.id) == name


def test_states_that_somebody_decided() -> None:
    assert states(FILES) == {
        "nginx.service": "enabled",
        "systemd-pstore.service": "masked",
        "unattended-upgrades.service": "disabled",
    }


@pytest.mark.parametrize(
    ("active", "kind", "words"),
    [
        ("active", "notify", "active"),
        ("reloading", "notify", "active"),
        ("refreshing", "notify", "active"),
        ("inactive", "simple", "inactive"),
        ("failed", "oneshot", "failed"),
        ("active", "oneshot", "runs at times"),
        ("activating", "oneshot", "runs at times"),
        ("inactive", "oneshot", "runs at times"),
    ],
)
def test_activity_does_not_depend_on_the_hour(active: str, kind: str, words: str) -> None:
    assert activity({"ActiveState": active, "Type": kind}) == words


def test_exposures() -> None:
    assert exposures(SECURITY) == {"nginx.service": "9.6", "noticeboard-web@1d420fac9eae.service": "1.4"}


def test_the_section(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.write("/etc/systemd/system/nginx.service.d/planted.conf", "[Service]\nNice=3\n")
    host.answers = {
        "systemctl --root=/ list-unit-files": FILES,
        "systemctl list-units": "nginx.service loaded active running x\n",
        "systemctl show": SHOW,
        "systemd-analyze": SECURITY,
    }
    section = collect(host, LIVE)
    assert section["active:nginx.service"] == "active"
    assert section["not read yet:nginx.service"] is True
    assert section["active:noticeboard-web@live.service"] == "active"
    assert section["active:broken.service"] == "failed"
    assert section["exposure:nginx.service"] == "9.6"
    assert str(section["file:/etc/systemd/system/nginx.service.d/planted.conf"]).startswith("sha256:")
    assert not any("user@" in key for key in section)


def test_a_process_whose_program_was_replaced(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.write("/proc/7/maps", "7f00-7f01 r-xp 00000000 fe:00 12   /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)\n")
    host.write("/proc/8/maps", "7f00-7f01 r-xp 00000000 fe:00 12   /usr/lib/x86_64-linux-gnu/libssl.so.3\n")
    host.write("/proc/9/maps", "7f00-7f01 rw-s 00000000 00:01 12   /dev/zero (deleted)\n")
    assert [replaced(host, pid) for pid in (7, 8, 9)] == [True, False, False]


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/nginx.service\n", "nginx.service"),
        ("12:pids:/system.slice/nginx.service\n0::/system.slice/nginx.service\n", "nginx.service"),
        ("0::/user.slice/user-1000.slice/session-5.scope\n", "a login"),
        ("0::/init.scope\n", "init.scope"),
        ("", ""),
    ],
)
def test_the_unit_of_a_process(tmp_path: Path, cgroup: str, unit: str) -> None:
    host = PaperHost(tmp_path)
    host.write("/proc/7/cgroup", cgroup)
    assert unit_of(host, "7") == unit


SS = """tcp LISTEN 0      511    0.0.0.0:443 0.0.0.0:* users:(("nginx",pid=8,fd=13),("nginx",pid=7,fd=13))
udp UNCONN 0      0      10.0.3.101%eth0:68 0.0.0.0:* users:(("systemd-network",pid=9,fd=15))
udp UNCONN 0      0      0.0.0.0:41234 0.0.0.0:*
tcp LISTEN 0      128       [::]:22     [::]:* users:(("sshd",pid=9,fd=7),("systemd",pid=1,fd=70))
"""
UNIX = """u_str LISTEN 0 4096 /run/systemd/private 287727 * 0 users:(("systemd",pid=1,fd=23))
u_str LISTEN 0 2048 /run/noticeboard/web/1d420fac9eae.sock 314486 * 0 users:(("gunicorn",pid=5384,fd=3))
u_str LISTEN 0 4096 /run/dbus/system_bus_socket 288936 * 0 users:(("dbus-daemon",pid=50,fd=3),("systemd",pid=1,fd=70))
u_str LISTEN 0 4096 /run/user/1000/bus 1 * 0 users:(("systemd",pid=66,fd=70))
u_str LISTEN 0 128 /tmp/ssh-XXXX/agent.1 1 * 0 users:(("sshd",pid=66,fd=70))
"""
IP = "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 10.0.3.101/24 brd 10.0.3.255 scope global eth0\n"


def test_lines_of_ss() -> None:
    found = listening(SS)
    assert found[0] == ("tcp", "0.0.0.0:443", [("nginx", "8"), ("nginx", "7")])
    assert found[2] == ("udp", "0.0.0.0:41234", [])


def test_own_addresses_have_a_common_name() -> None:
    own = addresses(IP)
    assert own == {"10.0.3.101"}
    assert place("udp", "10.0.3.101%eth0:68", own) == "udp <address>:68"
    assert place("udp", "0.0.0.0:41234", own) == "udp 0.0.0.0:passing"
    assert place("tcp", "0.0.0.0:41234", own) == "tcp 0.0.0.0:41234"


def test_what_listens(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.answers = {"ip -o address": IP, "ss -Hlntup": SS, "ss -Hlxp": UNIX}
    for pid in (7, 8):
        host.write(f"/proc/{pid}/cgroup", "0::/system.slice/nginx.service\n")
    assert sockets(host, LIVE) == {
        "tcp 0.0.0.0:443": ["nginx (nginx.service)"],
        "tcp [::]:22": ["sshd ()", "systemd ()"],
        "udp <address>:68": ["systemd-network ()"],
        "udp 0.0.0.0:passing": ["(the kernel)"],
        "unix /run/dbus/system_bus_socket": ["dbus-daemon"],
        "unix /run/noticeboard/live.sock": ["gunicorn"],
    }


TIMERS = """Unit=apt-daily.service
RandomizedDelayUSec=12h
Persistent=yes
TimersCalendar={ OnCalendar=*-*-* 06,18:00:00 ; next_elapse=Wed 2026-11-25 18:00:00 UTC }
Id=apt-daily.timer
ActiveState=active
UnitFileState=enabled

Unit=systemd-tmpfiles-clean.service
RandomizedDelayUSec=0
Persistent=no
TimersMonotonic={ OnUnitActiveUSec=1d ; next_elapse=1d 15min }
TimersMonotonic={ OnBootUSec=15min ; next_elapse=15min }
Id=systemd-tmpfiles-clean.timer
ActiveState=active
UnitFileState=static
"""


def test_schedules_without_the_next_time() -> None:
    assert schedules("{ OnCalendar=weekly ; next_elapse=(null) }") == ["OnCalendar=weekly"]


def test_timers_of_systemd_cron_and_people(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.answers = {"systemctl show": TIMERS}
    host.write("/etc/cron.d/planted", "# why\n5 4 * * *  root  /bin/true\n")
    host.write("/etc/cron.daily/job", "#!/bin/sh\n", 0o755)
    host.write("/etc/cron.daily/.placeholder", "")
    host.write("/var/spool/cron/crontabs/eve", "# x\n1 2 * * * curl -u u:plantedword http://x\n", 0o600)
    section = timers(host)
    assert section["apt-daily.timer"] == "OnCalendar=*-*-* 06,18:00:00, within 12h, persistent: apt-daily.service"
    assert section["systemd-tmpfiles-clean.timer"].startswith("OnBootUSec=15min, OnUnitActiveUSec=1d:")
    assert section["cron:/etc/cron.d/planted"] == ["5 4 * * * root /bin/true"]
    assert str(section["cron:/etc/cron.daily/job"]).startswith("sha256:")
    assert str(section["crontab:eve"]).startswith("1 lines, hmac:")
    assert "plantedword" not in str(section)
    assert len(section) == 5


def test_the_order_of_properties_does_not_matter() -> None:
    assert [timer["Id"] for timer in shown(TIMERS)] == ["apt-daily.timer", "systemd-tmpfiles-clean.timer"]
    assert jobs("a  b\n\n #c\n") == ["a b"]


def test_without_systemd_cron_is_still_known(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.write("/etc/crontab", "17 * * * * root run-parts /etc/cron.hourly\n")
    assert timers(host) == {"cron:/etc/crontab": ["17 * * * * root run-parts /etc/cron.hourly"]}
    assert "systemctl" in host.missing["timers/systemd"]
