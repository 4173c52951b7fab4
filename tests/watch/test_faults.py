"""Faults on a real machine: each is seen, told once, mended by what its line ends with, and told to be well again."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.watch.remedies import COMMANDS
from tests.support.chromium import DARK, LIGHT, cells, screenshot
from tests.support.machines import wait_for
from tests.support.pings import HIDDEN
from tests.support.soak import rest_in_soak
from tests.watch.conftest import LONGEST

if TYPE_CHECKING:
    from tests.watch.conftest import Watch

#: The remedies on a host that are typed here
TYPED = (
    "restart", "start", "largest", "most files", "hungry", "busy", "terminate", "sessions", "vacuum", "refresh",
    "slots", "reboot",
)  # fmt: skip
#: One of each program that is typed
ALWAYS = ("restart", "largest", "busy", "terminate", "refresh")
HOUR, DAY = 3600, 86400
#: What one look may cost: a hundredth of a processor of each minute, and memory
SECONDS, BYTES = 0.6, 60 << 20
COST = """python3 - <<'end'
import resource, subprocess
subprocess.run(["/usr/local/lib/samestack/watch", "look"], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
end"""
UNIT = """[Service]
Type=oneshot
ExecStart=/bin/sh -c '{command}'
"""


def worker(watch: Watch) -> str:
    app = watch.machine.app
    found = watch.machine.run(f"systemctl list-units --plain --no-legend '{app}-worker-queue@*'").split()
    return str(found[0])


def make_unit(watch: Watch, name: str, command: str) -> None:
    watch.machine.give(f"/etc/systemd/system/{name}", UNIT.format(command=command))
    watch.machine.run(f"systemctl daemon-reload; systemctl start {name} || true")


def session(watch: Watch, name: str, sql: str) -> None:
    """Have somebody do something in the application's database, as the application's role."""
    one = watch.machine
    words = f"psql -h /run/postgresql -p {one.variable('database_port')} -d {one.variable('database_name')}"
    account = f"--uid={one.app} --gid={one.app}"
    one.run(f'systemd-run --quiet --collect --unit={name} {account} {words} -c "{sql}"')


class TestWell:
    def test_status_is_there_in_seconds(self, watch: Watch) -> None:
        began = time.monotonic()
        code, said = watch.typed()
        seconds = time.monotonic() - began
        print(f"status: {seconds:.2f} s\n{said}")
        assert code == 0, said
        assert seconds < 5
        assert "visitor" in said

    def test_a_look_is_cheap(self, watch: Watch) -> None:
        watch.look()
        costs = [tuple(map(float, watch.machine.run(COST).split())) for _ in range(5)]
        print(f"one look: {costs}")
        assert sorted(cost[0] for cost in costs)[2] < SECONDS
        assert max(cost[1] for cost in costs) < BYTES

    def test_the_clock_looks_each_minute(self, watch: Watch) -> None:
        watch.machine.run("systemctl is-active samestack-watch.timer")
        before = watch.asked()["looked"]
        wait_for("another look", lambda: watch.asked()["looked"] > before, 75)

    def test_quiet_minutes_tell_nobody(self, watch: Watch) -> None:
        watch.looks(10)
        assert watch.chat.got == []
        assert "samestack-watch" not in watch.machine.run("systemctl --failed")

    def test_a_deployment_tells_nobody(self, watch: Watch) -> None:
        deploying = threading.Thread(target=watch.clone.samestack, args=("deploy", watch.machine.kind, "--rehearsal"))
        deploying.start()
        while deploying.is_alive():
            watch.look()
            time.sleep(1)
        watch.looks(3)
        # Of the deployment itself people are told by itself.
        assert [one for one in watch.chat.got if "All of it" in one["message"]] == []


class TestTold:
    def test_a_worker_that_is_stopped(self, watch: Watch) -> None:
        watch.machine.run(f"systemctl stop {worker(watch)}")
        watch.mend(watch.told_once("processes worker queue"))
        watch.well_again()

    def test_a_worker_that_does_not_stay_up(self, watch: Watch) -> None:
        unit = worker(watch)
        for _ in range(4):
            watch.machine.run(f"kill -9 $(systemctl show --property=MainPID --value {unit})")
            time.sleep(2.5)
        watch.told_once("processes crashes queue")
        watch.later(601)
        watch.well_again()

    @pytest.mark.soak
    def test_a_timer_that_is_stopped(self, watch: Watch) -> None:
        watch.machine.run(f"systemctl stop {watch.machine.app}-timer-tidy.timer")
        watch.mend(watch.told_once("processes timer tidy"))
        watch.well_again()

    @pytest.mark.soak
    def test_a_job_that_fails(self, watch: Watch) -> None:
        unit = f"{watch.machine.app}-timer-tidy.service"
        folder = f"/run/systemd/system/{unit}.d"
        watch.machine.run(
            f"mkdir -p {folder}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > {folder}/fails.conf\n"
            f"systemctl daemon-reload; systemctl start {unit} || true"
        )
        finding = watch.told_once("processes job tidy")
        watch.machine.run(f"rm -r {folder}; systemctl daemon-reload")
        watch.mend(finding)
        watch.well_again()

    @pytest.mark.soak
    def test_a_job_that_waits(self, watch: Watch) -> None:
        app = watch.machine.app
        file, job = f"/srv/{app}/shared/data/waits", f"systemctl start {app}-timer-waits.service"
        watch.machine.run(f"echo 700 > {file}; chmod 0644 {file}; {job}")
        assert "(timer waits)" in watch.told_once("processes backlog waits")["text"]
        watch.machine.run(f"echo 300 > {file}; {job}")
        assert watch.found()["processes backlog waits"]["level"] == "yellow"
        watch.machine.run(f"rm {file}; {job}")
        watch.well_again()

    def test_a_unit_that_fails(self, watch: Watch) -> None:
        make_unit(watch, "shaky.service", "echo It is the disk; test -e /run/steady")
        finding = watch.told_once("units shaky.service")
        assert "| It is the disk" in watch.chat.got[0]["message"]
        watch.machine.run("touch /run/steady")
        watch.mend(finding)
        watch.well_again()
        watch.machine.run("rm /etc/systemd/system/shaky.service /run/steady; systemctl daemon-reload")

    def test_a_log_says_no_secret_and_harms_nobody(self, watch: Watch) -> None:
        secret = watch.machine.run(f"sed -n 's/^SECRET_KEY=//p' /etc/{watch.machine.app}/env").strip().strip('"')
        assert len(secret) > 20
        watch.machine.give("/run/hostile", f"{'A' * 100_000}\n\x1b[2J\x07key is {secret}\n<script>\n")
        make_unit(watch, "hostile.service", "cat /run/hostile; exit 1")
        watch.told_once("units hostile.service")
        message = watch.chat.got[0]["message"]
        assert secret not in message
        assert "(hidden)" in message
        assert "\x1b" not in message
        assert len(message) < 7000
        assert secret not in watch.typed()[1]
        watch.machine.run("rm /etc/systemd/system/hostile.service /run/hostile; systemctl daemon-reload")
        watch.machine.run("systemctl reset-failed hostile.service || true")
        watch.well_again()

    def test_nginx_that_is_stopped_is_one_story(self, watch: Watch) -> None:
        watch.machine.run("systemctl stop nginx.service")
        finding = watch.told_once("units nginx.service")
        code, said = watch.typed()
        assert code == 2
        assert "visitor" in said
        assert "site: https://" in watch.chat.got[0]["message"]
        watch.mend(finding)
        watch.well_again()

    @pytest.mark.soak
    def test_redis_that_is_stopped(self, watch: Watch) -> None:
        watch.machine.run("systemctl stop redis-server.service")
        watch.mend(watch.told_once("redis answer"))
        watch.over()
        watch.well_again()

    def test_postgresql_that_is_stopped_is_one_story(self, watch: Watch) -> None:
        watch.machine.run("systemctl stop 'postgresql@*'")
        watch.mend(watch.told_once("postgresql answer"))
        watch.over()
        watch.well_again()

    @pytest.mark.soak
    def test_a_transaction_that_is_left_open(self, watch: Watch) -> None:
        session(watch, "holds", "BEGIN; SELECT pg_sleep(300)")
        watch.mend(watch.told_once("postgresql transaction"))
        watch.well_again()

    @pytest.mark.soak
    def test_a_lock_that_somebody_waits_for(self, watch: Watch) -> None:
        session(watch, "holds", "SELECT pg_advisory_lock(77), pg_sleep(300)")
        time.sleep(1)
        session(watch, "waits", "SELECT pg_advisory_lock(77)")
        watch.mend(watch.told_once("postgresql lock"))
        watch.well_again()

    @pytest.mark.parametrize("what", rest_in_soak(("room", "inodes"), ("room",)))
    def test_a_small_disk_that_fills(self, watch: Watch, what: str) -> None:
        watch.machine.run("mkdir -p /srv/small; mount -t tmpfs -o size=8m,nr_inodes=200 none /srv/small")
        fill = {
            "room": "head -c 7900000 /dev/zero > /srv/small/big",
            "inodes": "cd /srv/small && for n in $(seq 195); do : > $n; done",
        }[what]
        watch.machine.run(fill)
        finding = watch.told_once("disk /srv/small" + (" inodes" if what == "inodes" else ""))
        assert "/srv/small" in watch.mend(finding)
        watch.machine.run("rm -r /srv/small/*")
        watch.well_again()
        watch.machine.run("umount /srv/small; rmdir /srv/small")

    def test_what_was_worked_on_behind_the_maintenance_page_tells_nobody(self, watch: Watch) -> None:
        where = (watch.machine.kind, "--rehearsal")
        watch.clone.samestack("maintenance", *where, "--on", "-m", "Back at nine")
        watch.machine.run("systemctl stop redis-server.service")
        finding = wait_for("it is found", lambda: watch.found().get("redis answer"))
        watch.looks(4)
        assert watch.chat.got == []
        closed = watch.found()["changes closed"]
        assert "Back at nine" in closed["text"]
        watch.mend(finding)
        watch.mend(closed)
        watch.later(601)
        wait_for("all is well", lambda: not watch.looked().wrong(), 60)
        watch.looks(3)
        assert watch.chat.got == []


class TestWaitedFor:
    """Whoever waits for pings notices what nobody can tell."""

    def test_each_look_is_followed_by_a_ping(self, watch: Watch) -> None:
        before = len(watch.pings.got)
        watch.looks(3)
        assert watch.pings.got[before:][-3:] == [f"/{watch.machine.name}"] * 3
        assert HIDDEN not in watch.machine.run("journalctl -o cat; ps axeww; cat /var/lib/samestack/manifest.json")
        assert watch.machine.run("stat -c %a /etc/samestack/watch.ping").strip() == "600"

    def test_a_ping_says_that_people_know_of_something(self, watch: Watch) -> None:
        watch.machine.run("systemctl stop redis-server.service")
        watch.mend(watch.told_once("redis answer"))
        assert watch.pings.got[-1] == f"/{watch.machine.name}/fail"
        watch.later(601)
        watch.well_again()
        assert watch.pings.got[-1] == f"/{watch.machine.name}"

    @pytest.mark.soak
    def test_a_clock_that_is_stopped_pings_no_more(self, watch: Watch) -> None:
        watch.machine.run("systemctl stop samestack-watch.timer")
        watch.pings.got.clear()
        time.sleep(70)
        assert watch.pings.got == []
        watch.machine.run("systemctl start samestack-watch.timer")
        wait_for("a ping", lambda: watch.pings.got, 75)

    def test_a_channel_that_is_dead(self, watch: Watch) -> None:
        watch.chat.status = 500
        watch.machine.run("systemctl stop redis-server.service")
        wait_for("a ping says so", lambda: f"/{watch.machine.name}/fail" in watch.looked().pings.got, LONGEST)
        watch.measured("watch unsent, by a ping")
        assert watch.found()["watch unsent"]["level"] == "yellow"
        watch.later(601)
        assert watch.found()["watch unsent"]["level"] == "red"
        watch.machine.run("systemctl start redis-server.service")
        wait_for("Redis is well", lambda: "redis answer" not in watch.looked().found())
        watch.looks(2)
        # What went by untold is told when it can be.
        assert watch.pings.got[-1].endswith("/fail")
        watch.chat.got.clear()
        watch.chat.status = 200
        wait_for("people are told", lambda: watch.looked().chat.types, LONGEST)
        assert watch.chat.types == ["success"]
        assert "redis: well again" in watch.chat.got[0]["message"]
        watch.look()
        assert watch.pings.got[-1] == f"/{watch.machine.name}"

    @pytest.mark.soak
    def test_a_ping_that_is_refused_breaks_no_look(self, watch: Watch) -> None:
        watch.pings.status = 404
        try:
            watch.look()
            finding = wait_for("it is found", lambda: watch.found().get("watch ping"), 75)
            assert finding["level"] == "yellow"
            assert finding["text"] == "watch_ping_url: it answers 404"
            code, said = watch.typed()
            assert code == 1
            assert HIDDEN not in said
            assert watch.chat.got == []
        finally:
            watch.pings.status = 200
        wait_for("all is well", lambda: not watch.looked().wrong(), 75)


class TestPage:
    """The same to look at."""

    def test_it_shows_this_machine_and_its_numbers(self, watch: Watch) -> None:
        watch.looks(2)
        _, said = watch.typed()
        assert "The same to look at: .samestack/status.html" in said
        page = watch.clone.folder / ".samestack/status.html"
        assert page.stat().st_mode & 0o777 == 0o600
        where = f"{watch.machine.kind} --rehearsal"
        assert {kind for (of, _), kind in cells(page).items() if of == where} <= {"well", "note"}
        text = page.read_text(encoding="utf-8")
        assert "Site answers in, the last day" in text
        assert "Memory, the last week" in text
        # It has been deployed to lately.
        assert '<line class="done"' in text
        assert HIDDEN not in text
        for width, scheme in ((1250, LIGHT), (1250, DARK), (500, LIGHT), (500, DARK)):
            picture = page.with_name(f"status-{width}-{scheme}.png")
            screenshot(page, picture, width, scheme=scheme)
            assert picture.stat().st_size > 20_000
        size = watch.machine.run("du -bs /var/lib/samestack/watch")
        print(f"kept: {size.split()[0]} bytes; page: {len(text)} letters")
        assert int(size.split()[0]) < 500_000


class TestShown:
    @pytest.mark.soak
    def test_the_day_on_which_a_disk_will_be_full(self, watch: Watch) -> None:
        watch.machine.run(
            "mkdir -p /srv/small; mount -t tmpfs -o size=8m none /srv/small; head -c 4m /dev/zero > /srv/small/a"
        )
        now = time.time()
        watch.remember("disk /srv/small", [[now - (48 - hour) * HOUR, hour * (4 << 20) / 48] for hour in range(48)])
        finding = watch.found()["disk /srv/small"]
        tomorrow = [time.strftime("%Y-%m-%d", time.gmtime(now + 2 * DAY + shift)) for shift in (-HOUR, HOUR)]
        assert any(f"full on {day}" in finding["text"] for day in tomorrow), finding
        watch.machine.run("umount /srv/small; rmdir /srv/small")

    @pytest.mark.soak
    def test_a_watch_that_is_silent(self, watch: Watch) -> None:
        watch.machine.run("systemctl stop samestack-watch.timer")
        watch.later(400)
        finding = watch.found()["watch silent"]
        assert watch.typed()[0] == 1
        watch.mend(finding)
        watch.look()
        assert watch.wrong() == []

    def test_a_machine_that_is_gone_is_unknown(self, watch: Watch) -> None:
        config = watch.clone.folder / ".samestack" / "ssh_config"
        text = config.read_text(encoding="utf-8")
        config.write_text(re.sub(r"HostName \S+", "HostName 192.0.2.1", text), encoding="utf-8")
        try:
            began = time.monotonic()
            code, said = watch.typed()
        finally:
            config.write_text(text, encoding="utf-8")
        assert code == 2, said
        assert "unknown" in said
        assert time.monotonic() - began < 30

    def test_a_freeze_is_shown(self, watch: Watch) -> None:
        watch.clone.samestack("freeze", watch.machine.kind, "--rehearsal", "-m", "The fair is on")
        finding = watch.found()["changes frozen"]
        assert "The fair is on" in finding["text"]
        assert watch.typed()[0] == 0
        watch.mend(finding)
        assert "changes frozen" not in watch.found()

    @pytest.mark.soak
    def test_who_else_looks_is_silent(self, watch: Watch) -> None:
        """Who makes backups and certificates look tells of them; that they do not look any more is seen here."""
        watch.machine.run("systemctl stop samestack-certificates.timer")
        finding = watch.found()["units samestack-certificates.timer"]
        watch.mend(finding)
        assert watch.wrong() == []


def words(watch: Watch) -> dict[str, str]:
    one = watch.machine
    return {
        "unit": "nginx.service", "mount": "/srv", "pid": "0", "port": str(one.variable("database_port")),
        "database": str(one.variable("database_name")), "owner": str(one.variable("database_owner")),
    }  # fmt: skip


@pytest.mark.parametrize("name", rest_in_soak((name for name in TYPED if name != "reboot"), ALWAYS))
def test_each_remedy_can_be_typed(watch: Watch, name: str) -> None:
    watch.machine.run(COMMANDS[name].format(**words(watch)))


def test_a_boot_that_an_update_waits_for(watch: Watch) -> None:
    watch.machine.run("touch /run/reboot-required")
    finding: dict[str, Any] = watch.found()["system reboot"]
    assert finding["level"] == "yellow"
    assert watch.typed()[0] == 1
    watch.looks(3)
    # Nobody is woken by that.
    assert watch.chat.got == []
    boot = watch.machine.run("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1")
    with pytest.raises((AssertionError, RuntimeError)):
        watch.mend(finding)
        watch.machine.run("sleep 30")
    wait_for("another boot", lambda: watch.machine.run("stat -c %Y /proc/1") not in boot, 90)
    wait_for("all is well", lambda: json.loads(json.dumps(watch.wrong())) == [], 120)
