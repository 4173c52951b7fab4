"""The application: its environment, its units, what starts it."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

from tests.templates.reading import environment, python, unit_values

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.expected import Expected
    from tests.templates.reading import Render


def test_migrations_have_the_applications_environment_but_for_the_databases_role(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app, user = rendered.value("app_name"), rendered.value("database_user")
        path = f"/etc/{app}/owner.env"
        if f"/etc/{app}/env" not in rendered.entries or rendered.entries[path]["state"] == "absent":
            continue
        assert (rendered.entries[path]["owner"], rendered.entries[path]["mode"]) == ("root", "0600")
        served, owner = (environment(rendered.text(f"/etc/{app}/{name}")) for name in ("env", "owner.env"))
        different = {name for name in owner if owner[name] != served.get(name)}
        at_home = {name for name in owner if name == "HOME" or name.startswith("XDG_")}
        assert different - {"DATABASE_URL"} == at_home
        # What the application can put at its home, nobody with more rights reads there.
        assert all(owner[name].startswith(f"/srv/{app}/shared/owner") for name in at_home)
        assert served.keys() == owner.keys()
        assert served["DATABASE_URL"].startswith(f"postgresql://{user}@") == rendered.value("database_is_local")
        assert owner["DATABASE_URL"].startswith(f"postgresql://{user}_owner")


def test_env_file_is_roots_and_gives_back_what_was_put_in(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        path = f"/etc/{app}/env"
        if path not in rendered.entries:
            continue
        entry = rendered.entries[path]
        assert (entry["owner"], entry["mode"]) == ("root", "0640")
        found = environment(rendered.text(path))
        wanted = {**rendered.value("django_env"), **rendered.value("django_secret_env")}
        assert found == {name: str(item) for name, item in wanted.items()}


def test_secret_files_are_shown_to_every_process_and_are_in_no_other_file(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app, secrets = rendered.value("app_name"), rendered.value("django_secret_files")
        folder = f"/etc/{app}/credentials"
        assert rendered.matching(rf"{folder}/.+") == [f"{folder}/{name}" for name in sorted(secrets)]
        units = rendered.matching(rf"/etc/systemd/system/{app}-(web|worker|timer)[^/]*\.service")
        for path in [*units, f"/usr/local/lib/samestack/{app}-sandbox"] if secrets else []:
            text = rendered.text(path)
            assert unit_values(text, "LoadCredential") == [f"{name}:{folder}/{name}" for name in secrets], path
            if path in units:
                named = [value for value in unit_values(text, "Environment") if "_FILE=" in value]
                assert named == [f"{name}_FILE=%d/{name}" for name in secrets], path
        for name, value in secrets.items():
            entry = rendered.entries[f"{folder}/{name}"]
            assert (entry["owner"], entry["mode"], entry["secret"]) == ("root", "0600", True)
            assert [path for path in rendered.matching(".*") if value in rendered.text(path)] == [f"{folder}/{name}"]
            manage = rendered.text(f"/usr/local/bin/{app}-manage")
            assert f"'{name}_FILE=${{CREDENTIALS_DIRECTORY}}/{name}'" in manage


def test_units_run_as_the_application_in_a_sandbox(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        units = rendered.matching(rf"/etc/systemd/system/{app}-(web|worker|timer)[^/]*\.service")
        assert units or f"/etc/{app}/env" not in rendered.entries
        for path in units:
            text = rendered.text(path)
            assert unit_values(text, "User") == [app], path
            assert unit_values(text, "NoNewPrivileges") == ["true"], path
            assert unit_values(text, "ProtectSystem") == ["strict"], path
            assert unit_values(text, "CapabilityBoundingSet") == [""], path
            files = unit_values(text, "EnvironmentFile")
            assert files[0] == f"/etc/{app}/env", f"{path}: the release's file comes second, because the later one wins"
            assert files[1].endswith("/release.env"), path
            assert "RuntimeDirectory" not in text, "the first instance that stops would take it away from the others"


def test_commands_that_run_once_are_confined_as_what_serves(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        path = f"/usr/local/lib/samestack/{app}-sandbox"
        if path not in rendered.entries:
            continue
        lines = [line for line in rendered.text(path).splitlines() if not line.startswith("#")]
        assert ("MemoryDenyWriteExecute=true" in lines) == (not rendered.value("app_jit"))
        for unit in rendered.matching(rf"/etc/systemd/system/{app}-(web|worker|timer)[^/]*\.service"):
            # A unit has specifiers, `systemd-run` has none.
            assert {line.replace("%", "%%") for line in lines} <= set(rendered.text(unit).splitlines()), unit
        assert f"-p '{next(line for line in lines if ' ' in line)}' " in rendered.text(f"/usr/local/bin/{app}-manage")


def test_the_application_reaches_its_services_and_what_is_named(render: Render) -> None:
    (alone,) = render("debian-13", "release")
    path = "/etc/nftables.d/noticeboard.nft"
    accepted = re.compile(r"^ +(ip6? daddr \S+ (?:tcp dport \d+ )?)accept$", re.MULTILINE)
    own = "ip daddr 127.0.0.1 tcp dport 6379 "
    assert accepted.findall(alone.text(path)) == [own]
    (named,) = render("debian-13", "what the application reaches")
    assert accepted.findall(named.text(path)) == ["ip daddr 127.0.0.1 tcp dport 25 ", "ip6 daddr 2001:db8::/64 ", own]
    web, _database = render("debian-13", "two machines")
    assert accepted.findall(web.text(path)) == [f"ip daddr 10.0.3.32 tcp dport {port} " for port in (5432, 6379)]


def test_what_starts_the_web_server_follows_its_variable(render: Render, tmp_path: Path) -> None:
    """Where the release has it: one from before its packages did can still be gone back to."""
    script = "/usr/local/lib/samestack/noticeboard-serve"
    (host,) = render("debian-13", "release")
    assert re.findall(r'^ +(.*)"\$VIRTUAL_ENV', host.text(script), re.MULTILINE) == ["exec "] * 2
    programs = tmp_path / "bin"
    programs.mkdir()
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "VIRTUAL_ENV": str(tmp_path), "SAMESTACK_SOCKET": "/x"}

    def served(server: str) -> tuple[list[str], str]:
        (wrapped,) = render("debian-13", "granian")
        command = ["sh", "-c", wrapped.text(script)]
        own = environment | {"SAMESTACK_SERVER": server}
        done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[:3], done.stderr

    def program(name: str) -> None:
        (programs / name).write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@"\n', encoding="ascii")
        (programs / name).chmod(0o755)

    program("granian")
    program("gunicorn")
    assert served("gunicorn")[0][:2] == ["gunicorn", "--config"]
    args, said = served("granian")
    assert args[:2] == ["granian", "--interface"]
    assert said == "web_wrapper: the packages of this release have no newrelic-admin: it is served without\n"
    program("newrelic-admin")
    for server in ("gunicorn", "granian"):
        assert served(server) == (["newrelic-admin", "run-program", f"{programs}/{server}"], "")


def test_editors_are_let_in_on_request_alone(render: Render) -> None:
    unit = "/etc/systemd/system/noticeboard-web@.service"
    (without,) = render("debian-13", "live")
    (debugged,) = render("debian-13", "debugged")
    assert "SAMESTACK_DEBUGGER" not in without.text(unit)
    assert "SAMESTACK_DEBUGGER=5678" in debugged.text(unit)
    assert "\nworkers = 1\n" in debugged.text("/etc/noticeboard/gunicorn.conf.py")
    assert "debugpy>=1.8" in debugged.value("release_extra_requirements")
    for name in ("live", "debugged"):
        (live,) = render("debian-13", name)
        assert "PYTHONBREAKPOINT=samestack_debug.set_trace" in live.text(unit)
        assert "\ntimeout = 0\n" in live.text("/etc/noticeboard/gunicorn.conf.py")
    (release,) = render("debian-13", "release")
    assert "PYTHONBREAKPOINT" not in release.text(unit)
    assert "\ntimeout = 30\n" in release.text("/etc/noticeboard/gunicorn.conf.py")


def test_what_runs_leave_is_hidden_whatever_the_folder_is_called(render: Render) -> None:
    """Without quotes, systemd takes a name with a space for two, and ignores them; % has a meaning in units alone."""
    (host,) = render("debian-13", "debugged")
    unit, once = "/etc/systemd/system/noticeboard-web@.service", "/usr/local/lib/samestack/noticeboard-sandbox"
    for path, percent in ((unit, "%%"), (once, "%")):
        (line,) = re.findall(r"^TemporaryFileSystem=(.*)$", host.text(path), re.MULTILINE)
        assert shlex.split(line) == [f'{host.value("app_live_path")}/my "own" 5{percent} sité/.samestack:ro']
    manage = shlex.split(host.text("/usr/local/bin/noticeboard-manage"), comments=True)
    (line,) = [word for word in manage if word.startswith("TemporaryFileSystem=")]
    assert shlex.split(line)[0].endswith('/my "own" 5% sité/.samestack:ro')


def test_what_serves_comes_back_after_a_crash(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        for path in rendered.matching(rf"/etc/systemd/system/{app}-(web|worker)[^/]*\.service"):
            text = rendered.text(path)
            assert unit_values(text, "Restart") == ["always"], path
            assert unit_values(text, "StartLimitIntervalSec") == ["0"], path
            stop = int(unit_values(text, "TimeoutStopSec")[0])
            assert stop > rendered.value("django_stop_timeout"), "systemd would kill what still finishes its requests"


def test_workers_have_the_time_that_they_are_given(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        for name, worker in rendered.value("django_workers").items():
            text = rendered.text(f"/etc/systemd/system/{app}-worker-{name}@.service")
            assert unit_values(text, "KillMode") == ["mixed"], "its first process alone is asked to end"
            assert unit_values(text, "KillSignal") == [f"SIG{worker['stop_signal']}"]
            assert int(unit_values(text, "TimeoutStopSec")[0]) > worker["stop_timeout"]
            # A shell in front would end at once, and leave the rest to be killed.
            (command,) = unit_values(text, "ExecStart")
            assert '"exec ' in command or "samestack_stop.py" in "".join(unit_values(text, "ExecStop")), command


def test_every_process_has_its_units(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        workers = {f"/etc/systemd/system/{app}-worker-{name}@.service" for name in rendered.value("django_workers")}
        assert set(rendered.matching(rf"/etc/systemd/system/{app}-worker-.*")) == workers
        timers = {f"/etc/systemd/system/{app}-timer-{name}.timer" for name in rendered.value("django_timers")}
        assert set(rendered.matching(rf"/etc/systemd/system/{app}-timer-.*\.timer")) == timers


def test_gunicorns_settings_are_python_that_old_hosts_read(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(r".*\.py"):
            python(rendered.text(path))


def test_memory_rule_reaches_the_server(render: Render) -> None:
    (small,) = render("debian-13", "small container without ipv6")
    (large,) = render("debian-13", "large machine")
    name = "/etc/postgresql/17/main/conf.d/samestack.conf"
    assert "shared_buffers = '56MB'" in small.text(name)
    assert "shared_buffers = '16056MB'" in large.text(name)
