"""A monitor on real machines: what it asks, what fires and clears, and that nothing listens to the world."""

from __future__ import annotations

import json
import re
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.monitor.conftest import fetching
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.monitor.conftest import Monitor
    from tests.support.machines import Machine

HERE = Path(__file__).resolve().parent
EXPORTED = HERE.parent / "support/exported"
#: Those of the exporters, of what they ask, of Prometheus and of Alertmanager
PORTS = {9090, 9093, 9094, 9095, 9100, 9113, 9121, 9180, 9187}
SECONDS = 60
#: Bytes that all exporters of a machine may take, with what offers them over TLS
MEMORY = 110 << 20
#: Names that hang on what a computer is made of
HARDWARE = re.compile(r"node_(?!uname_info|time_seconds|textfile_|boot_time|load1$)")


def exporters(machine: Machine) -> dict[str, int]:
    return {one["name"]: one["port"] for one in machine.variable("exporters_list")}


def address(machine: Machine) -> str:
    return str(machine.variable("machine_address"))


def listeners(machine: Machine) -> set[tuple[str, int]]:
    lines = machine.run("ss -Hltn").splitlines()
    found = {tuple(line.split()[3].rsplit(":", 1)) for line in lines}
    return {(where, int(port)) for where, port in found if int(port) in PORTS}


def metrics(machine: Machine) -> str:
    """Return what all exporters of a machine say."""
    ports = exporters(machine).values()
    return "".join(machine.run(fetching(f"http://127.0.0.1:{port}/metrics")) for port in ports)


def exported(machine: Machine) -> set[str]:
    """Return the names that a machine's exporters have."""
    lines = [line for line in metrics(machine).splitlines() if line and not line.startswith("#")]
    return {re.split(r"[{ ]", line)[0] for line in lines}


def test_nothing_listens_to_the_world(monitor: Monitor) -> None:
    for machine in monitor.others:
        ports = set(exporters(machine).values())
        own = {("127.0.0.1", port) for port in ports} | {("127.0.0.1", 9180)}
        assert listeners(machine) == own | {(address(machine), port) for port in ports}
        assert "stunnel" in machine.run(f"ss -Hltnp src {address(machine)}:9100")
    assert listeners(monitor.machine) == {("127.0.0.1", port) for port in (9090, 9093, 9095, 9100)}


def test_every_exporter_is_asked_and_answers(monitor: Monitor) -> None:
    wanted = {(name, machine.name) for machine in monitor.all for name in exporters(machine)}
    wanted |= {("prometheus", monitor.machine.name), ("alertmanager", monitor.machine.name)}

    def up() -> bool:
        found = monitor.asks("v1/targets")["data"]["activeTargets"]
        assert {(one["labels"]["job"], one["labels"]["instance"]) for one in found} == wanted
        bad = [f"{one['scrapeUrl']}: {one['lastError']}" for one in found if one["health"] != "up"]
        assert not bad, bad
        return True

    wait_for("all targets are up", up, SECONDS)
    for name in ("pg_up", "redis_up", "nginx_up", "samestack_postgresql_up"):
        assert wait_for(name, partial(monitor.value, name), SECONDS) == {monitor.others[0].name: 1.0}
    looked = monitor.value("time() - samestack_watch_looked_seconds")
    assert set(looked) == {machine.name for machine in monitor.all}
    assert max(looked.values()) < 180
    assert set(monitor.value("node_textfile_scrape_error").values()) == {0.0}


def test_nobody_else_gets_an_answer(monitor: Monitor) -> None:
    # From this computer, which is no machine of the environment
    for machine in monitor.all:
        for port in PORTS:
            with socket.socket() as outside:
                outside.settimeout(1)
                assert outside.connect_ex((machine.address, port)) != 0, (machine.name, port)
    # From the monitor without its certificate, and from a machine with one that is a server's
    for machine in monitor.others:
        for port in exporters(machine).values():
            url, authority = f"https://{address(machine)}:{port}/metrics", "/etc/samestack/monitor-ca.crt"
            known = fetching(url, authority, "/etc/samestack/monitor.pem")
            assert monitor.machine.run(known).startswith("# HELP")
            assert monitor.machine.host.run(fetching(url, authority)).rc != 0
            assert monitor.machine.host.run(fetching(url.replace("https", "http"))).rc != 0
            own = fetching(url, "/etc/samestack/metrics-ca.crt", "/etc/samestack/metrics.pem")
            assert machine.host.run(own).rc != 0


def test_other_accounts_of_a_machine_speak_to_nobody(monitor: Monitor) -> None:
    """What Alertmanager is told, people are told; and who waits at a port keeps others from it."""
    (served,) = monitor.others
    nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups "
    places = [(monitor.machine, "127.0.0.1", port) for port in (9093, 9095)]
    for machine, where, port in [*places, *((served, address(served), port) for port in exporters(served).values())]:
        knock = f"timeout 2 bash -c '</dev/tcp/{where}/{port}'"
        assert machine.host.run(knock).rc == 0, (where, port)
        assert machine.host.run(nobody + knock).rc != 0, (where, port)
    for port in exporters(served).values():
        assert served.host.run(f"{nobody}timeout 2 bash -c '</dev/tcp/127.0.0.1/{port}'").rc == 0


def test_each_has_least_rights(monitor: Monitor) -> None:
    for machine in monitor.all:
        for name in exporters(machine):
            pid = machine.run(f"systemctl show -P MainPID prometheus-{name}-exporter").strip()
            assert machine.run(f"ps -o user:40= -p {pid}").strip() == f"samestack-{name}-exporter"
            told = machine.run(f"tr '\\0' '\\n' < /proc/{pid}/cmdline; tr '\\0' '\\n' < /proc/{pid}/environ")
            secrets = machine.run("cat /etc/samestack/redis-informed 2>/dev/null || true")
            assert not [one for one in re.findall(r'": "(\w+)"', secrets) if one in told]
    (served,) = monitor.others
    password = next(iter(json.loads(served.run("cat /etc/samestack/redis-informed")).values()))
    asks = (f"AUTH samestack-informed {password}", "INFO server", "GET x", "CONFIG GET *", "SLOWLOG GET 1", "")
    served.give("/root/informed", "\n".join(asks))
    said = served.run("redis-cli -s /run/redis/redis-server.sock < /root/informed; rm /root/informed")
    assert "redis_version" in said
    assert said.count("NOPERM") == 3
    database = served.variable("database_name")
    psql = f"psql -X -h /run/postgresql -U samestack -d {database} -Atc"
    account = "cd / && setpriv --reuid samestack-postgres-exporter --regid samestack-postgres-exporter --init-groups"
    assert served.run(f"{account} {psql} 'select 1'").strip() == "1"
    assert "permission denied" in served.host.run(f"{account} {psql} 'table django_session'").stderr
    owner = served.variable("database_owner")
    assert served.host.run(f"{account} {psql.replace('samestack', owner, 1)} 'select 1'").rc != 0


def test_no_secret_is_in_a_number(monitor: Monitor) -> None:
    kept = monitor.clone.folder / ".samestack/secrets/production.yml"
    secrets = {name: str(text) for name, text in yaml.safe_load(kept.read_text(encoding="utf-8")).items() if text}
    (served,) = monitor.others
    secrets["of redis"] = next(iter(json.loads(served.run("cat /etc/samestack/redis-informed")).values()))
    assert len(secrets) > 4
    for machine in monitor.all:
        file = "/var/lib/samestack/metrics/samestack.prom"
        assert machine.run(f"stat -c '%U %a' {file}").split() == ["root", "644"]
        text = machine.run(f"cat {file}") + metrics(machine)
        assert [name for name, secret in secrets.items() if secret in text] == []


def test_the_rules_fire_and_clear(monitor: Monitor) -> None:
    monitor.machine.give("/root/rules.yml", (HERE / "rules.yml").read_text(encoding="utf-8"))
    said = monitor.machine.run("promtool test rules /root/rules.yml 2>&1")
    assert "SUCCESS" in said


def test_a_rule_that_is_broken_is_seen(monitor: Monitor) -> None:
    text = (HERE / "rules.yml").read_text(encoding="utf-8")
    monitor.machine.give("/root/rules.yml", text.replace("values: 1x5 0x10 1x10", "values: 1x40", 1))
    assert monitor.machine.host.run("promtool test rules /root/rules.yml").rc != 0


def test_the_names_are_those_that_rules_may_use(monitor: Monitor) -> None:
    """What `tests/support/exported` has of a release is what its exporters really have."""
    for machine in monitor.others:
        release = machine.facts["codename"]
        recorded = set((EXPORTED / f"{release}.txt").read_text(encoding="ascii").split())
        real = exported(machine)
        print(f"{release}: {len(real)} names")
        missing = {name for name in recorded - real if not HARDWARE.match(name)}
        assert recorded
        assert not missing, sorted(missing)


def test_what_no_machine_can_tell_of_itself_is_told_once_and_once_that_it_is_over(impatient: Monitor) -> None:
    (served,) = impatient.others
    served.run("systemctl stop samestack-metrics.service")
    try:
        wait_for("it fires", lambda: "HostGone" in impatient.firing(), SECONDS)
        wait_for("people are told", lambda: impatient.told, SECONDS)
    finally:
        served.run("systemctl start samestack-metrics.service")
    assert impatient.told == ["failure"]
    assert any(one["title"].endswith(f": {served.name} does not answer") for one in impatient.chat.got)
    assert "very-secret" not in str(impatient.chat.got)
    wait_for("it clears", lambda: "HostGone" not in impatient.firing(), SECONDS)
    wait_for("people are told that", lambda: impatient.told == ["failure", "success"], SECONDS)


def test_a_watch_that_ends_is_noticed_from_outside(impatient: Monitor) -> None:
    (served,) = impatient.others
    file, name = "/var/lib/samestack/metrics/samestack.prom", "samestack_watch_looked_seconds"
    # A look that goes on would write it again.
    served.run("systemctl stop samestack-watch.timer samestack-watch.service")
    try:
        served.run(f"mv {file} /root/before.prom")
        wait_for("it fires", lambda: "WatchSilent" in impatient.firing(), SECONDS)
        wait_for("people are told", lambda: impatient.told == ["failure"], SECONDS)
        served.run(f"sed 's/^{name} .*/{name} 1/' /root/before.prom > {file}; chmod 0644 {file}")
        wait_for("it is still so", lambda: impatient.value(name).get(served.name) == 1, SECONDS)
        assert "WatchSilent" in impatient.firing()
    finally:
        served.run("systemctl start samestack-watch.timer samestack-watch.service")
    wait_for("it clears", lambda: "WatchSilent" not in impatient.firing(), SECONDS)
    wait_for("people are told that", lambda: impatient.told == ["failure", "success"], SECONDS)


@pytest.mark.parametrize(
    ("unit", "number"), [("redis-server", "redis_up"), ("nginx", "nginx_up"), ("postgresql@*", "pg_up")]
)
def test_what_a_machine_tells_itself_is_only_shown(impatient: Monitor, unit: str, number: str) -> None:
    (served,) = impatient.others
    served.run(f"systemctl stop '{unit}'")
    try:
        wait_for(f"{number} is 0", lambda: impatient.value(number).get(served.name) == 0, SECONDS)
        wait_for("it fires", lambda: "ServerDown" in impatient.firing(), SECONDS)
    finally:
        served.run(f"systemctl start '{unit.replace('@*', '')}'")
    wait_for("it clears", lambda: "ServerDown" not in impatient.firing(), SECONDS)
    assert impatient.told == []


def test_they_cost_little(monitor: Monitor) -> None:
    collects = ["prometheus", "prometheus-alertmanager", "samestack-alerts"]
    for machine in monitor.all:
        units = [f"prometheus-{name}-exporter" for name in exporters(machine)]
        units += collects if machine is monitor.machine else ["samestack-metrics"]
        sizes = {}
        for unit in units:
            pid = machine.run(f"systemctl show -P MainPID {unit}").strip()
            sizes[unit] = int(machine.run(f"ps -o rss= -p {pid}")) << 10
        print(machine.name, machine.facts["codename"], {unit: f"{size / 1e6:.1f} MB" for unit, size in sizes.items()})
        assert machine is monitor.machine or sum(sizes.values()) < MEMORY


def test_a_package_starts_nothing_before_its_role_has_said_how(monitor: Monitor) -> None:
    """Installed anew, without what the role says: at no moment does anything listen to others."""
    (served,) = monitor.others
    said = "/etc/systemd/system/prometheus-node-exporter.service.d/samestack.conf"
    served.run("DEBIAN_FRONTEND=noninteractive apt-get -qq purge -y prometheus-node-exporter")
    served.run(f"mv {said} /root/said && systemctl daemon-reload")
    heard = served.run("""
(while [ ! -e /root/enough ]; do ss -Hltn sport = :9100; sleep 0.05; done) > /root/heard &
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends prometheus-node-exporter >/dev/null
sleep 1; touch /root/enough; wait; rm /root/enough; cat /root/heard""")
    # What offers it over TLS goes on to listen.
    assert {line.split()[3] for line in heard.splitlines()} <= {f"{address(served)}:9100"}
    assert served.run("systemctl show -P ActiveState prometheus-node-exporter").strip() == "inactive"
    served.run(f"mv /root/said {said} && systemctl daemon-reload && systemctl start prometheus-node-exporter")
    wait_for("it listens", lambda: ("127.0.0.1", 9100) in listeners(served))


def test_without_them_nothing_is_left_that_listens(monitor: Monitor) -> None:
    (served,) = monitor.others
    file = monitor.clone.folder / "inventories/rehearsal.yml"
    text = file.read_text(encoding="utf-8")
    groups = yaml.safe_load(text.replace("watch_exporters: true", "watch_exporters: false"))
    groups["monitor"]["hosts"] = {}
    try:
        file.write_text(yaml.safe_dump(groups, sort_keys=False), encoding="utf-8")
        monitor.clone.samestack("provision", served.kind, "--rehearsal")
        for machine in monitor.all:
            assert listeners(machine) == set()
            assert machine.run("ls /etc/samestack | grep -E '^(metrics|monitor)' || true") == ""
        active = monitor.machine.host.run("systemctl is-active prometheus prometheus-alertmanager samestack-alerts")
        assert "active" not in active.stdout.split()
    finally:
        file.write_text(text, encoding="utf-8")
    monitor.clone.samestack("provision", served.kind, "--rehearsal")
    assert ("127.0.0.1", 9100) in listeners(served)
    assert ("127.0.0.1", 9090) in listeners(monitor.machine)
