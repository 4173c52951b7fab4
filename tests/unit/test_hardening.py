"""Rules of hardening as data, their waivers, the way back from a change, and the figures of an audit."""

from __future__ import annotations

import base64
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.measuring import is_accepted
from plugins.filter.host_rules import LISTED, NAMED, ended_waivers, rule_record, rule_settings, rules_in_force
from plugins.module_utils.system import access
from plugins.plugin_utils.audit.figures import Figure, markdown, of_host, table
from plugins.plugin_utils.audit.waivers import waived, waivers
from plugins.plugin_utils.connection.new_login import CONFIRM, FOLDER
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
    names = list(rule_settings(RULES | {"sudo": {}}, {}, "sysctl"))
    assert names.index("net.ipv4.ip_forward") < names.index("net.ipv4.conf.all.accept_redirects")


def test_a_waiver_takes_a_rule_away_until_its_last_day() -> None:
    rules = {"one": {"sshd": {"A": 1}, "files": [{"path": "/a", "content": "x"}]}, "two": {"sshd": {"B": 2}}}
    given = {"one": {"reason": "it has to", "until": "2027-06-30"}}
    assert rule_settings(rules, given, "sshd", "2027-06-30") == {"B": 2}
    assert rule_settings(rules, given, "files", "2027-06-30") == [{"path": "/a", "state": "original"}]
    assert (rules_in_force(rules, given, "2027-06-30"), ended_waivers(given, "2027-06-30")) == (["two"], [])
    assert rule_settings(rules, given, "sshd", "2027-07-01") == {"A": 1, "B": 2}
    assert (rules_in_force(rules, given, "2027-07-01"), ended_waivers(given, "2027-07-01")) == (["one", "two"], ["one"])
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


@pytest.fixture
def way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's for the way back, which watches every path; systemd is told nothing."""
    folder = tmp_path / "access"
    monkeypatch.setattr(access, "FOLDER", str(folder))
    monkeypatch.setattr(access, "WATCHED", access.re.compile(".*"))
    monkeypatch.setattr(access, "run", lambda _command: "")
    return folder


def of_shell(script: str, way: Path) -> int:
    """Run a script on this test's folder, without systemd."""
    for name in ("systemctl", "logger"):
        script = script.replace(name, f"true {name}")
    return subprocess.run(["sh", "-c", script.replace(FOLDER, str(way))], check=False, capture_output=True).returncode


@pytest.mark.parametrize("login_first", [True, False])
def test_either_the_new_login_or_the_return_decides(way: Path, tmp_path: Path, login_first: bool) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    access.Return([{"path": str(file), "state": "file", "restart": [], "reload": []}]).arm()
    file.write_text("after")
    program = (way / "go-back").read_text(encoding="utf-8")
    if login_first:
        # Cut off behind the first step: the return keeps away all the same.
        assert of_shell(CONFIRM.partition(" && ")[0], way) == 0
        of_shell(program, way)
    else:
        assert of_shell(program, way) == 0
        assert of_shell(CONFIRM, way) != 0
    assert file.read_text() == ("after" if login_first else "before")
    assert not access.unconfirmed()


def test_a_return_that_a_reboot_cut_off_is_finished(way: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    access.Return([{"path": str(file), "state": "file", "restart": [], "reload": []}]).arm()
    file.write_text("after")
    (way / "kept.json").rename(way / "going-back")
    assert of_shell((way / "go-back").read_text(encoding="utf-8"), way) == 0
    assert file.read_text() == "before"


def test_a_change_that_was_not_confirmed_waits_for_the_next_runs_login(way: Path, tmp_path: Path) -> None:
    nothing = access.Return([])
    nothing.arm()
    assert (nothing.await_login(), way.exists()) == ("", False)
    file = tmp_path / "file"
    file.write_text("before")
    access.Return([{"path": str(file), "state": "file", "restart": [], "reload": []}]).arm()
    nothing = access.Return([])
    nothing.arm()
    assert nothing.await_login().endswith(".timer")
    # A later change that failed and was rolled back says nothing of the earlier one.
    nothing.disarm()
    assert access.unconfirmed()


def test_kernel_settings_go_back_too(way: Path) -> None:
    path, now = "/proc/sys/kernel/pid_max", Path("/proc/sys/kernel/pid_max").read_text(encoding="utf-8").strip()
    data = base64.b64encode(b"# pid_max = 1\n-kernel.pid_max = 5\nno.such_setting = 1\n").decode()
    entry = {"path": "/etc/sysctl.d/x.conf", "state": "file", "restart": [], "reload": [], "data": data}
    assert access.kernel_settings([entry, {"path": "/etc/other", "data": data}]) == {path: now}
    access.Return([entry]).arm()
    assert f"(echo {now} >{path}) 2>/dev/null" in (way / "go-back").read_text(encoding="utf-8")


def test_whoever_logged_in_is_found_above_what_became_root() -> None:
    """The variable is gone below, as sudo takes it away."""
    program = "from plugins.module_utils.standalone import look; "
    program += "found = look.login(); print(found['user'], found['port'])"
    above = ["sh", "-c", 'env -u SSH_CONNECTION "$@"; true', "sh", sys.executable, "-c", program]
    connection = {"SSH_CONNECTION": "2001:db8::1 50000 fe80::1%eth0 2222", "SUDO_UID": "12345678"}
    done = subprocess.run(above, cwd=REPO, env=os.environ | connection, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [pwd.getpwuid(os.getuid()).pw_name, "2222"]


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
    "exposure": {"board-web@1.service": 1.3, "nginx.service": 2.5, "ssh.service": 9.6, "cron.service": 9.6},
    "check": {"warnings": []},
    "markers": {"places": []},
    "nginx": "",
}


UPGRADE = "./samestack upgrade staging"


def test_updates_that_wait_are_said_with_their_command() -> None:
    lynis = ANSWER["lynis"] | {"warnings": ["PKGS-7392|Found one or more vulnerable packages.", "X-1|Another"]}
    (line,) = (
        one for one in of_host("web1", "board", ANSWER | {"lynis": lynis}, WAIVERS, UPGRADE) if "Lynis" in one.name
    )
    assert (line.verdict, line.why) == ("missed", f"security updates wait (`{UPGRADE}`), X-1|Another")


def test_figures_have_verdicts() -> None:
    figures = list(of_host("web1", "board", ANSWER, WAIVERS, UPGRADE))
    found = {one.name: one for one in figures}
    assert found["rules of hardening"].verdict == "missed"
    assert "ClientAliveInterval" in found["rules of hardening"].why
    assert found["Lynis 3.1.7"].verdict == "met"
    assert (found["CIS level 1, server"].verdict, found["CIS level 1, server"].why) == ("met", "other")
    assert found["exposure of the web server"].verdict == "missed"
    assert found["exposure of nginx"].verdict == "met"
    assert (found["exposure of ssh.service"].value, found["exposure of ssh.service"].target) == ("9.6", "waived")
    assert "1.3" in "\n".join(table(figures))
    assert markdown(figures).count("\n") == len(figures) + 2


def test_a_checker_that_cannot_be_had_is_one_line() -> None:
    answer = ANSWER | {"lynis": {"error": "E: no network"}, "cis": {"error": "E: no network"}, "check": None}
    lines = table(list(of_host("web1", "board", answer, WAIVERS, UPGRADE)))
    assert sum("not measured" in line for line in lines) == len(("Lynis", "CIS"))
    assert sum("no network" in line for line in lines) == len(("Lynis", "CIS"))
    assert Figure("h", "n", "-", "t", None).verdict == "not measured"


@pytest.mark.parametrize(
    ("actual", "accepted"),
    [
        (["sntrup", "old", "strict"], True),
        (["sntrup", "strict", "old"], True),
        (["sntrup", "older", "strict"], False),
        (["old", "strict"], False),
        (["strict", "sntrup", "old"], False),
    ],
)
def test_a_mismatch_of_more_than_what_is_waived_counts(actual: list[str], accepted: bool) -> None:
    assert is_accepted({"actual": actual, "expected_required": ["sntrup", "strict"]}, ["old"]) is accepted
