"""Rules of hardening as data, their waivers, the way back from a change, and the figures of an audit."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.filter.host_rules import LISTED, NAMED, rule_record, rule_settings
from plugins.module_utils.system import access
from plugins.plugin_utils.audit.figures import Figure, markdown, of_host, table
from plugins.plugin_utils.audit.waivers import waived, waivers
from plugins.plugin_utils.inventory.formats import FORMATS

REPO = Path(__file__).resolve().parents[2]
RULES: dict[str, dict[str, Any]] = yaml.safe_load(
    (REPO / "roles/host/vars/main/rules.yml").read_text(encoding="utf-8")
)["__host_rules"]
WAIVERS = waivers(REPO / "docs/security.md")
MOST_WAIVERS = 15


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_what_it_is_for_and_whose_it_is(name: str) -> None:
    rule = RULES[name]
    assert set(rule) <= {"for", "cis", "dev_sec", "lynis", *NAMED, *LISTED}
    assert rule["for"]
    assert any(rule.get(key) for key in ("cis", "dev_sec", "lynis"))
    assert any(rule.get(key) for key in (*NAMED, *LISTED))
    assert f"`{name}`" in (REPO / "docs/hardening.md").read_text(encoding="utf-8")


def test_no_two_rules_set_the_same() -> None:
    for key in NAMED:
        names = [name for rule in RULES.values() if isinstance(rule.get(key), dict) for name in rule[key]]
        assert len(names) == len(set(names))


def test_forwarding_comes_before_what_the_kernel_sets_anew_with_it() -> None:
    names = list(rule_settings(RULES | {"sudo": {}}, {})["sysctl"])
    assert names.index("net.ipv4.ip_forward") < names.index("net.ipv4.conf.all.accept_redirects")


def test_a_waiver_takes_a_rule_away_until_its_last_day() -> None:
    rules = {"one": {"sshd": {"A": 1}, "files": [{"path": "/a", "content": "x"}]}, "two": {"sshd": {"B": 2}}}
    given = {"one": {"reason": "it has to", "until": "2027-06-30"}}
    found = rule_settings(rules, given, "2027-06-30")
    assert (found["sshd"], found["files"], found["in_force"], found["ended"]) == ({"B": 2}, [], ["two"], [])
    found = rule_settings(rules, given, "2027-07-01")
    assert (found["sshd"], found["in_force"], found["ended"]) == ({"A": 1, "B": 2}, ["one", "two"], ["one"])
    given["one"]["until"] = "9999-12-31"
    assert rule_record(rules, given) == {
        "rules": {"one": {"sshd": {"A": 1}, "files": ["/a"]}, "two": {"sshd": {"B": 2}}},
        "waived": given,
    }


@pytest.mark.parametrize(
    ("form", "right", "wrong"),
    [("date", "2027-06-30", "30.6.2027"), ("clock", "03:30", "24:00"), ("rule", "su", "sudoo")],
)
def test_formats_of_waivers_and_times(form: str, right: str, wrong: str) -> None:
    assert FORMATS[form].parse(right) == right
    with pytest.raises(ValueError, match="is not"):
        FORMATS[form].parse(wrong)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ssh/sshd_config.d/00-samestack.conf",
        "/etc/sudoers",
        "/etc/sudoers.d/x",
        "/etc/nftables.conf",
        "/etc/pam.d/su",
        "/home/ada/.ssh/authorized_keys",
        "/root/.ssh",
        "/etc/systemd/system/ssh.socket.d/samestack.conf",
    ],
)
def test_what_lets_people_in_is_watched(path: str) -> None:
    assert access.is_watched(path)


@pytest.mark.parametrize(
    "path", ["/etc/sshx", "/etc/nginx/nginx.conf", "/etc/systemd/system/app.service", "/home/ada/a"]
)
def test_other_files_are_not(path: str) -> None:
    assert not access.is_watched(path)


def test_the_way_back_restores_files_links_and_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program itself runs, on files of this test."""
    monkeypatch.setattr(access, "FOLDER", str(tmp_path / "access"))
    monkeypatch.setattr(access, "WATCHED", access.re.compile(".*"))
    started: list[list[str]] = []
    monkeypatch.setattr(access, "run", lambda command: started.append(command) or "")
    kept, made, link = tmp_path / "it's kept", tmp_path / "made", tmp_path / "link"
    kept.write_text("before")
    kept.chmod(0o600)
    link.symlink_to("before")
    nothing: dict[str, Any] = {"state": "file", "restart": [], "reload": []}
    back = access.Return([{"path": str(path), **nothing} for path in (kept, made, link)])
    back.arm()
    assert started[0][0] == "systemd-run"
    kept.write_text("after")
    made.write_text("after")
    link.unlink()
    link.symlink_to("after")
    program = (tmp_path / "access/go-back").read_text(encoding="utf-8")
    harmless = program.replace("systemctl", "true systemctl").replace("logger", "true logger")
    subprocess.run(["sh", "-c", harmless], check=True, capture_output=True)
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("before", 0o600)
    assert not made.exists()
    assert link.readlink() == Path("before")
    assert not (tmp_path / "access").exists()


def test_what_an_earlier_change_kept_is_what_a_later_one_goes_back_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "FOLDER", str(tmp_path / "access"))
    monkeypatch.setattr(access, "WATCHED", access.re.compile(".*"))
    monkeypatch.setattr(access, "run", lambda _command: "")
    file = tmp_path / "file"
    file.write_text("confirmed")
    entry = {"path": str(file), "state": "file", "restart": [], "reload": []}
    access.Return([entry]).arm()
    file.write_text("not confirmed")
    access.Return([entry]).arm()
    assert (tmp_path / "access/0").read_text() == "confirmed"


def test_waivers_are_few_and_have_reasons() -> None:
    assert 0 < len(WAIVERS) <= MOST_WAIVERS
    assert all(waiver.reason and waiver.findings for waiver in WAIVERS)
    assert "package_nginx_removed" in waived(WAIVERS, "cis")
    assert waived(WAIVERS, "nobody") == []


ANSWER: dict[str, Any] = {
    "rules": {
        "met": 3,
        "broken": {"ssh-idle": ["sshd ClientAliveInterval 0"]},
        "not_here": {"kernel-links": ["x"]},
        "waived": {},
    },
    "lynis": {"index": 84, "version": "3.1.7", "warnings": [], "suggestions": []},
    "cis": {"score": 80.0, "waived_score": 97.0, "failed": ["package_nginx_removed", "other"], "passed": 3},
    "exposure": {"board-web@1.service": 1.3, "nginx.service": 2.5, "cron.service": 9.6},
    "check": {"warnings": []},
    "markers": {"places": []},
    "nginx": "",
}


def test_figures_have_verdicts() -> None:
    figures = list(of_host("web1", "board", ANSWER, WAIVERS))
    found = {one.name: one for one in figures}
    assert found["rules of hardening"].verdict == "missed"
    assert "ClientAliveInterval" in found["rules of hardening"].why
    assert found["Lynis 3.1.7"].verdict == "met"
    assert (found["CIS level 1, server"].verdict, found["CIS level 1, server"].why) == ("met", "other")
    assert found["exposure of the web server"].verdict == "missed"
    assert found["exposure of Nginx"].verdict == "met"
    assert "1.3" in "\n".join(table(figures))
    assert markdown(figures).count("\n") == len(figures) + 2


def test_a_checker_that_cannot_be_had_is_one_line() -> None:
    answer = ANSWER | {"lynis": {"error": "E: no network"}, "cis": {"error": "E: no network"}, "check": None}
    lines = table(list(of_host("web1", "board", answer, WAIVERS)))
    assert sum("not measured" in line for line in lines) == len(("Lynis", "CIS"))
    assert sum("no network" in line for line in lines) == len(("Lynis", "CIS"))
    assert Figure("h", "n", "-", "t", None).verdict == "not measured"
