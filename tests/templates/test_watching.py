"""Exporters, a monitor, and who may ask them."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import yaml
from cryptography import x509

from tests.templates.reading import unit_values

if TYPE_CHECKING:
    from tests.support.expected import Expected
    from tests.templates.reading import Render


def test_what_counts_listens_on_its_own_machine_alone(hosts: list[Expected]) -> None:
    """Nor for a moment before: what a package starts has a condition that only the role fulfils."""
    for rendered in hosts:
        first = rendered.matching(r"/etc/systemd/system/prometheus.*\.service\.d/samestack-first\.conf")
        said = rendered.matching(r"/etc/systemd/system/prometheus.*\.service\.d/samestack\.conf")
        assert [path.replace("-first", "") for path in first] == said
        for path in said:
            assert f"ConditionPathExists={path}" in rendered.text(path.replace("samestack.", "samestack-first."))
            start = unit_values(rendered.text(path), "ExecStart")
            assert start[0] == "", path
            listens = re.findall(r"listen-address=(\S*)", start[1])
            assert listens, path
            assert all(re.match(r"127\.0\.0\.1:\d+$|$", one) for one in listens), path
            # Alertmanagers find each other, on all interfaces, where nobody says otherwise.
            assert ("--cluster.listen-address= " in start[1]) == ("alertmanager" in path)
            assert unit_values(rendered.text(path), "EnvironmentFile") == [""]
            assert unit_values(rendered.text(path), "UMask") == ["0077"]
        if rendered.matching("/etc/samestack/metrics.conf"):
            front = rendered.text("/etc/samestack/metrics.conf")
            accepts = re.findall(r"^accept = (.*):\d+$", front, re.MULTILINE)
            assert set(accepts) == {rendered.value("machine_address")}
            assert {"requireCert = yes", "verifyChain = yes"} <= set(front.splitlines())


def test_a_monitor_asks_over_tls_and_is_let_in_alone(render: Render) -> None:
    found = {one.host: one for one in render("debian-12", "with a monitor")}
    asks = yaml.safe_load(found["monitor1"].text("/etc/prometheus/samestack.yml"))["scrape_configs"]
    targets = {
        (job["job_name"], target): group["labels"].get("__scheme__", job.get("scheme", "http"))
        for job in asks for group in job["static_configs"] for target in group["targets"]
    }  # fmt: skip
    assert targets == {
        ("prometheus", "127.0.0.1:9090"): "http", ("alertmanager", "127.0.0.1:9093"): "http",
        ("node", "127.0.0.1:9100"): "http", ("node", "10.0.3.31:9100"): "https", ("node", "[fd00::32]:9100"): "https",
        ("nginx", "10.0.3.31:9113"): "https", ("postgres", "[fd00::32]:9187"): "https",
        ("redis", "[fd00::32]:9121"): "https",
    }  # fmt: skip
    assert "9100" in found["production1"].text("/etc/nftables.conf")
    assert re.search(r"10\.0\.3\.33.*\b9100\b", found["production1"].text("/etc/nftables.conf"))
    assert "9100" not in found["monitor1"].text("/etc/nftables.conf")
    pairs = {
        name: x509.load_pem_x509_certificate(one.text(path).encode())
        for name, one in found.items()
        for path in one.matching(r"/etc/samestack/(metrics|monitor)-\w{8}\.pem")
    }
    usages = {
        name: [str(usage._name) for usage in pair.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value]
        for name, pair in pairs.items()
    }
    assert usages == {"production1": ["serverAuth"], "production2": ["serverAuth"], "monitor1": ["clientAuth"]}


def test_a_monitor_runs_the_program_that_it_has(render: Render) -> None:
    (monitor,) = [one for one in render("debian-12", "with a monitor") if one.host == "monitor1"]
    program = monitor.matching("/usr/local/lib/samestack/alerting/.*")
    assert len(program) > 3
    assert {tuple(monitor.entries[path]["restart"]) for path in program} == {("samestack-alerts.service",)}


def test_a_monitor_that_is_none_any_more_ends(render: Render) -> None:
    (before,) = [one for one in render("debian-12", "with a monitor") if one.host == "monitor1"]
    (rendered,) = render("debian-12", "a monitor no more")
    units = "/etc/systemd/system/"
    for unit in ("prometheus.service", "prometheus-alertmanager.service"):
        gone = rendered.entries[f"{units}{unit}.d/samestack.conf"]
        assert (gone["state"], gone["restart"]) == ("absent", [unit])
        # It may be somebody else's.
        assert unit not in rendered.units
    assert rendered.units["samestack-alerts.service"] == {
        "name": "samestack-alerts.service", "enabled": False, "started": False,
    }  # fmt: skip
    files = before.matching("/etc/(?!.*first|.*exporter|sysusers).*(prometheus|monitor|alerts).*")
    assert len(files) > 8
    gone = [path for path, entry in rendered.entries.items() if entry["state"] == "absent"]
    assert [path for path in files if not any(fnmatch(path, one) for one in gone)] == []
    assert rendered.entries["/usr/local/lib/samestack/alerting"]["exclusive"]
    assert not rendered.matching("/usr/local/lib/samestack/alerting/.*")


def test_of_keys_the_live_one_is_there_alone(render: Render) -> None:
    """Whether others ask or not, and whatever authority has signed those before."""
    names = {"watch-server": "production1", "metrics": "production1", "monitor": "monitor1"}
    found = {one.host: one for one in render("debian-12", "with a monitor")}
    (alone,) = render("debian-12", "a monitor no more")
    for name, host in names.items():
        pattern = f"/etc/samestack/{name}-*.pem"
        assert found[host].entries[pattern]["state"] == "absent"
        (pair,) = [path for path in found[host].matching(".*") if fnmatch(path, pattern)]
        assert "PRIVATE KEY" in found[host].text(pair)
        assert name == "metrics" or alone.entries[pattern]["state"] == "absent"
        assert not [path for path in alone.matching(".*") if fnmatch(path, pattern)]


def test_where_others_ask_nobody_of_the_machine_does(render: Render) -> None:
    """But root, and on a monitor people, and who has something to tell."""
    found = {one.host: one for one in render("debian-12", "with a monitor")}
    rules = {
        name: set(re.findall(r"^ +oif lo (.*) reject with tcp reset$", one.text("/etc/nftables.conf"), re.MULTILINE))
        for name, one in found.items()
    }
    known = '{ 1-999, 60000-4294967294 } meta skgid != "samestack-monitor"'
    web, database = "ip daddr 10.0.3.31", "ip6 daddr fd00::32"
    asked = "tcp dport 8434 meta skuid != 0"
    assert rules == {
        "production1": {asked, *(f"{web} tcp dport {port} meta skuid != 0" for port in (9100, 9113))},
        "production2": {asked, *(f"{database} tcp dport {port} meta skuid != 0" for port in (9100, 9121, 9187))},
        "monitor1": {asked, *(f"tcp dport {port} meta skuid {known}" for port in (9093, 9095))},
    }
    monitor = found["monitor1"]
    for unit in ("prometheus", "prometheus-alertmanager"):
        said = monitor.text(f"/etc/systemd/system/{unit}.service.d/samestack.conf")
        assert unit_values(said, "Group") == ["samestack-monitor"]
    assert "samestack-monitor" in monitor.text("/etc/sysusers.d/samestack-monitor.conf")
    assert "TriggerLimitIntervalSec=0" in monitor.text("/etc/systemd/system/samestack-watch-answer.socket")
    (alone,) = render("debian-12", "a monitor no more")
    assert "chain own" not in alone.text("/etc/nftables.conf")


def test_exporters_have_no_secret_where_others_see_it(render: Render) -> None:
    (staging,) = render("debian-13", "with exporters")
    password = json.loads(staging.text("/etc/samestack/redis-informed")).popitem()[1]
    assert staging.entries["/etc/samestack/redis-informed"]["mode"] == "0600"
    assert staging.entries["/etc/samestack/redis-informed"]["secret"]
    assert not [path for path in staging.matching("/etc/systemd/.*") if password in staging.text(path)]
    (informed,) = [line for line in staging.text("/etc/redis/users.acl").splitlines() if "samestack-informed" in line]
    assert re.fullmatch(r"user samestack-informed reset on #[0-9a-f]{64} \+info", informed)
    assert "samestack   samestack-postgres-exporter   samestack\n" in staging.text(
        "/etc/postgresql/17/main/pg_ident.conf"
    )
    (without,) = render("debian-13", "staging")
    assert "user samestack-informed reset off" in without.text("/etc/redis/users.acl")
    assert not without.matching(".*prometheus.*")
    assert "stub_status" not in without.text("/etc/nginx/conf.d/samestack.conf")


def test_a_monitor_needs_something_to_collect(render: Render) -> None:
    (hindrance,) = render("debian-13", "a monitor without exporters")[0].value("preflight_hindrances")
    assert "watch_exporters: true" in hindrance
