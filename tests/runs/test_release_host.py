"""What the release engine does on a host, as far as it can be seen without one."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import StreamRequestHandler, UnixStreamServer
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.common.errors import HostError as Error
from plugins.module_utils.common.errors import check_space
from plugins.module_utils.common.files import point, write_atomic
from plugins.module_utils.common.text import excerpt, journal_excerpt, missing_name, short_traceback
from plugins.module_utils.inside_app import program
from plugins.module_utils.release import application, environment, install
from plugins.module_utils.release.application import app_command, environment_file_names
from plugins.module_utils.release.builder import Builder
from plugins.module_utils.release.database import check
from plugins.module_utils.release.environment import stand_in
from plugins.module_utils.release.inside import inside_answer, inside_source
from plugins.module_utils.release.place import Place
from plugins.module_utils.release.serving.probe import ask

if TYPE_CHECKING:
    from plugins.module_utils.release.sandbox import Step

TRACEBACK = """Watching for file changes
Traceback (most recent call last):
  File "/srv/shop/releases/0a/source/manage.py", line 9, in main
    execute_from_command_line(sys.argv)
  File "/srv/shop/releases/0a/venv/lib/python3.13/site-packages/django/core/management/__init__.py", line 4, in x
    utility.execute()
    ~~~~~~~~~~~~~~~^^
  File "/srv/shop/releases/0a/source/shop/settings.py", line 12, in <module>
    SECRET_KEY = os.environ["DJANGO_KEY"]
                 ~~~~~~~~~~^^^^^^^^^^^^^^
  File "<frozen os>", line 714, in __getitem__
KeyError: 'DJANGO_KEY'
"""


def test_tracebacks_are_cut_to_the_applications_own_frames() -> None:
    assert short_traceback(TRACEBACK, "/srv/shop/releases/0a/source") == (
        "  shop/settings.py:12: SECRET_KEY = os.environ[\"DJANGO_KEY\"]\nKeyError: 'DJANGO_KEY'"
    )


def test_the_last_traceback_counts_and_messages_may_have_several_lines() -> None:
    text = TRACEBACK + (
        "\nDuring handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "/srv/shop/a.py", line 1, in x\n    go()\n'
        "django.core.exceptions.ImproperlyConfigured: first\nsecond\n[2026-11-22] more log\n"
    )
    assert short_traceback(text).endswith(
        "KeyError: 'DJANGO_KEY'\n  /srv/shop/a.py:1: go()\ndjango.core.exceptions.ImproperlyConfigured: first\nsecond"
    )


DJANGO = "/srv/shop/venvs/6d/lib/python3.13/site-packages/django"
MIDDLEWARE = f"""Internal Server Error: /
Traceback (most recent call last):
  File "{DJANGO}/core/handlers/exception.py", line 55, in inner
    response = get_response(request)
  File "/srv/shop/releases/0a/source/shop/views.py", line 7, in home
    return price["apple"]
           ~~~~~^^^^^^^^^
KeyError: 'apple'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "{DJANGO}/core/handlers/exception.py", line 55, in inner
    response = get_response(request)
  File "/srv/shop/releases/0a/source/shop/middleware.py", line 9, in __call__
    return self.get_response(request)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "{DJANGO}/template/base.py", line 9, in render
    raise TemplateError("no price") from error
TemplateError: no price
"""


def test_an_exception_is_told_with_where_it_came_from_and_not_with_who_handed_the_request_on() -> None:
    expected = "  shop/views.py:7: return price[\"apple\"]\nKeyError: 'apple'\nTemplateError: no price"
    for text in (MIDDLEWARE, MIDDLEWARE * 3):
        assert short_traceback(text, "/srv/shop/releases/0a/source") == expected
    # A middleware that fails itself
    own = MIDDLEWARE.replace("return self.get_response(request)", "return 1 / 0").split("exception:\n")[1]
    assert short_traceback(own, "/srv/shop/releases/0a/source").startswith("  shop/middleware.py:9: return 1 / 0\n")


def test_a_traceback_that_is_not_written_to_its_end_hides_none_that_is() -> None:
    expected = "  shop/views.py:7: return price[\"apple\"]\nKeyError: 'apple'\nTemplateError: no price"
    lines = MIDDLEWARE.splitlines(keepends=True)
    middles = [at for at in range(len(lines)) if lines[at].startswith("  ")]
    assert len(middles) > 10
    for at in middles:
        torn = MIDDLEWARE + "".join(lines[: at + 1])
        told = short_traceback(torn, "/srv/shop/releases/0a/source")
        assert told in (expected, expected.removesuffix("\nTemplateError: no price")), at
        # As a journal has it: without empty lines
        assert short_traceback(torn.replace("\n\n", "\n"), "/srv/shop/releases/0a/source") == told
    assert short_traceback("".join(lines[:6]), "/srv/shop/releases/0a/source").startswith("  shop/views.py:7: ")


def test_what_fails_again_in_each_middleware_is_told_once() -> None:
    part = MIDDLEWARE.split("exception:\n\n")[1]
    chain = "\nDuring handling of the above exception, another exception occurred:\n\n".join([part] * 16)
    assert short_traceback(chain, "/srv/shop/releases/0a/source") == (
        "  shop/middleware.py:9: return self.get_response(request)\nTemplateError: no price"
    )


def test_the_applications_traceback_is_told_and_not_its_servers() -> None:
    server = (
        'Traceback (most recent call last):\n  File "/srv/shop/venvs/6d/lib/python3.13/site-packages/gunicorn/a.py",'
        " line 270, in run\n    handler()\ngunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>\n\n"
        "During handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
        '  File "/srv/shop/releases/0a/venv/bin/gunicorn", line 10, in <module>\n    sys.exit(run())\n'
        "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>\n"
    )
    assert short_traceback(TRACEBACK + server).endswith("KeyError: 'DJANGO_KEY'")
    assert "Worker failed to boot" in short_traceback(server)


def test_without_a_traceback_the_last_lines_are_shown() -> None:
    assert excerpt("one\n\ntwo\nthree\n", count=2) == "two\nthree"
    assert short_traceback("nothing of the kind") == ""


def test_a_journal_is_read_for_what_it_tells() -> None:
    routine = (
        "Starting shop-web@0a.service - shop web server...\n[2026-11-22 13:37:43 +0000] [7] [INFO] Starting gunicorn\n"
        "shop-web@0a.service: Main process exited, code=exited, status=1/FAILURE\n"
    )
    assert journal_excerpt(routine) == "It wrote nothing about it to its journal."
    assert journal_excerpt(routine + "no such table\n" + routine) == "no such table"
    assert journal_excerpt(TRACEBACK + "'DJANGO_KEY'\n" + routine).endswith("\nKeyError: 'DJANGO_KEY'")


@pytest.mark.parametrize(
    "text",
    [
        "  File \"<frozen os>\", line 679, in __getitem__\nKeyError: 'DJANGO_KEY'",
        '  File "/usr/lib/python3.10/os.py", line 680, in __getitem__\n    raise KeyError(key) from None\n'
        "KeyError: 'DJANGO_KEY'",
        "  mysite/settings.py:3: KEY = os.environ['DJANGO_KEY']\nKeyError: 'DJANGO_KEY'",
        "django.core.exceptions.ImproperlyConfigured: Set the DJANGO_KEY environment variable",
        "decouple.UndefinedValueError: DJANGO_KEY not found. Declare it as envvar or define a default value.",
        'environs.exceptions.EnvError: Environment variable "DJANGO_KEY" not set',
        'environs.exceptions.EnvNotSetError: Environment variable "DJANGO_KEY" not set',
        "ValueError: Value 'KEY' is required to be set as the environment variable 'DJANGO_KEY'",
        "KeyError: \"Config 'DJANGO_KEY' is missing, and has no default.\"",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\ndjango_key\n  Field required [",
    ],
)
def test_missing_variables_are_recognised(text: str) -> None:
    assert missing_name(text) == "DJANGO_KEY"


def test_another_dictionarys_key_is_no_variable() -> None:
    assert missing_name("  mysite/views.py:3: x = CACHES['SLOW']\nKeyError: 'SLOW'") == ""
    engines = '  File "/v/django/template/utils.py", line 69, in __getitem__\n    return self._engines[alias]\n'
    assert missing_name(f"{engines}           ~~~~~~~^^\nKeyError: 'django'") == ""


#: As services say it
STAND_INS = {"DATABASE_URL": "postgresql:///build", "*CACHE_URL": "redis://localhost:6379/0"}


def params(tmp_path: Path, **more: Any) -> dict[str, Any]:
    release = {
        "id": "0a1b2c3d4e5f", "vid": "0f0f0f0f0f0f", "app": "shop",
        "inputs": {"layout": 1}, "directory": "web", "settings": "shop.settings",
        "interface": "wsgi", "application": "shop.wsgi:application", "environment": {"API_KEY": True, "X": False},
        "python_path": ["src"], "server": "gunicorn", "live_path": "", "collectstatic": True,
        "packages": {"indexes": ["known"], "file": "uv.lock", "kind": "uv"},
    }  # fmt: skip
    return {
        "release": {**release, **more}, "root": str(tmp_path), "uv_cache": str(tmp_path / "cache/uv"), "overlay": True,
        "overlay_path": "/overlay", "build_env": {"NODE_ENV": "production", "FLAG": True}, "min_free": 0,
        "stand_ins": STAND_INS,
        "static_url": "/static/", "media_url": "/media/", "indexes": {}, "index_passwords": {}, "fetch_user": "x",
        "build_network": False,
    }  # fmt: skip


def test_the_build_has_no_secret_and_stand_ins_for_what_the_settings_insist_on(tmp_path: Path) -> None:
    values = environment.of_build(Builder(params(tmp_path)))
    assert values["DJANGO_SETTINGS_MODULE"] == "samestack_settings"
    assert values["SAMESTACK_BASE_SETTINGS"] == "shop.settings"
    assert values["API_KEY"] == "build"
    assert "X" not in values
    assert values["DATABASE_URL"] == "postgresql:///build"
    assert "*CACHE_URL" not in values
    assert "CACHE_URL" not in values
    assert (values["NODE_ENV"], values["FLAG"]) == ("production", "True")
    folder = f"{tmp_path}/releases/0a1b2c3d4e5f"
    assert values["STATIC_ROOT"] == f"{folder}/static"
    assert values["PYTHONPATH"] == f"/overlay:{folder}/app:{folder}/source/src"
    assert values["PATH"].startswith(f"{folder}/venv/bin:")


def test_live_code_keeps_no_byte_code(tmp_path: Path) -> None:
    values = environment.of_release(Builder(params(tmp_path, live_path="/srv/live")))
    assert values["SAMESTACK_BASE_APPLICATION"] == "shop.wsgi:application"
    assert values["PYTHONDONTWRITEBYTECODE"] == "1"


def test_commands_of_the_build_may_write_into_live_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Step] = []
    live = tmp_path / "live"
    live.mkdir()
    builder = Builder(params(tmp_path, live_path=str(live), build_commands=["npm ci"]))
    Path(builder.sandbox.folder).mkdir(parents=True)

    def run(step: Step) -> subprocess.CompletedProcess[str]:
        steps.append(step)
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(builder.sandbox, "run", run)
    monkeypatch.setattr(os, "chown", lambda *_given: None)
    builder.run_build_commands()
    assert str(live) in steps[0].given
    shown = next(one for one in steps[0].more if one.startswith("BindReadOnlyPaths=")).partition("=")[2].split()
    # systemd keeps the one for reading where there are both.
    assert f"-{live}" not in shown
    assert f"-{builder.place.folder}" in shown


def test_stand_ins_by_name() -> None:
    assert stand_in("DJANGO_SECRET_KEY", STAND_INS) == "build-only-not-a-secret"
    assert stand_in("MY_DATABASE_URL", STAND_INS) == "postgresql:///build"
    assert stand_in("DJANGO_CACHE_URL", STAND_INS) == "redis://localhost:6379/0"
    assert stand_in("EMAIL_PORT", STAND_INS) == "1"
    assert stand_in("ANYTHING_ELSE", STAND_INS) == "build"


def test_a_release_is_complete_only_with_its_record(tmp_path: Path) -> None:
    builder = Builder(params(tmp_path))
    folder = Path(builder.place.folder)
    folder.mkdir(parents=True)
    assert not builder.complete()
    (folder / "release.json").write_text(json.dumps(builder.record()))
    assert builder.complete()
    (folder / "release.json").write_text('{"id": "0a1b2c')
    assert not builder.complete()


def test_a_full_disk_is_refused_with_figures(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"release_min_free = 1099511627776m .* has only \d+m free"):
        check_space(str(tmp_path), 1 << 60)


def test_a_disk_without_room_for_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = list(os.statvfs(tmp_path))
    values[5:8] = [65536, 12, 12]
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(values))
    with pytest.raises(Error, match=r"room for 12 more files"):
        check_space(str(tmp_path), 0)
    values[5:8] = [0, 0, 0]
    # Btrfs has no fixed number of them.
    check_space(str(tmp_path), 0)


ANSWER = {
    "static_url": "/static/", "media_url": "", "static_root": "", "staticfiles": True, "compressed": 0, "committed": "",
    "media_root": "", "ready": "", "left_out": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"static_url": "https://cdn.example.org/static/"}, {"static_url": "/x/", "staticfiles": False},
        {"static_url": "https://bucket.s3.example.org/assets/v2/"}, {"static_url": "//cdn.example.org/x/"},
        {"media_url": "https://bucket.s3.example.org/"}, {"media_url": "s3://bucket/uploads/"}, {"media_url": "/"},
    ],
)  # fmt: skip
def test_addresses_of_files_that_nginx_serves_are_accepted(tmp_path: Path, answer: dict[str, Any]) -> None:
    builder = Builder(params(tmp_path))
    Path(builder.sandbox.path("static")).mkdir(parents=True)
    builder.check_answer({**ANSWER, **answer})


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        ({"static_url": "/assets/"}, r"web_static_url = /static/ .*STATIC_URL = '/assets/'", "/assets/"),
        ({"media_url": "/files/"}, r"web_media_url = /media/ .*MEDIA_URL = '/files/'", "/files/"),
        ({"static_root": "/elsewhere"}, r"app_settings_overlay = false .*went to /elsewhere", "STATIC_ROOT"),
    ],
)
def test_files_that_nginx_would_not_find_are_refused(
    tmp_path: Path, answer: dict[str, Any], message: str, hint: str
) -> None:
    builder = Builder(params(tmp_path))
    Path(builder.sandbox.path("static")).mkdir(parents=True)
    with pytest.raises(Error, match=message) as caught:
        builder.check_answer({**ANSWER, **answer})
    assert hint in caught.value.hint


def test_passwords_of_indexes_are_for_their_hosts_and_no_step_that_builds(tmp_path: Path) -> None:
    values = params(tmp_path)
    values["indexes"] = {
        "my-company": {"url": "https://pypi.example/simple", "user": "ada"},
        "known": {"url": "https://other.example/simple", "user": "bob"},
        "again": {"url": "https://pypi.example:8443/simple", "user": "eve"},
        "odd": {"url": "https://odd.example/simple", "user": "ada"},
    }
    values["index_passwords"] = {"my-company": "hunter2", "known": "", "again": "x", "odd": "a b/#"}
    builder = Builder(values)
    found, netrc = install.index_environment(builder)
    # The project's own lock already names the index `known`: its user goes with our address.
    assert found == {
        "UV_INDEX": "my-company=https://pypi.example/simple known=https://bob:@other.example/simple "
        "again=https://eve:x@pypi.example:8443/simple odd=https://ada:a%20b%2F%23@odd.example/simple"
    }
    assert netrc == "machine pypi.example\nlogin ada\npassword hunter2\n"
    assert not {"hunter2", "x"} & {*install.environment(builder).values(), *environment.of_build(builder).values()}


class Uv(install.Uv):
    def __init__(self, builder: Builder, output: str) -> None:
        super().__init__(builder, "/")
        self.output = output

    def run(self, *arguments: str, kind: str = "") -> str:
        return self.explain(arguments, self.output, kind)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.",
            "uv.lock does not match",
        ),
        ("hint: could not be queried (401 Unauthorized)", "401 Unauthorized"),
        ("Error: pg_config executable not found.", "psycopg2 has to be compiled"),
        ("  x No solution found\n  you require nosuchpackage", "you require nosuchpackage"),
    ],
)
def test_installation_failures_say_what_to_do(tmp_path: Path, output: str, message: str) -> None:
    with pytest.raises(Error, match=message) as caught:
        Uv(Builder(params(tmp_path)), output).run("sync")
    assert caught.value.hint


def test_links_are_renamed_over(tmp_path: Path) -> None:
    link = tmp_path / "live.sock"
    (tmp_path / "live.sock.new").symlink_to("left-by-a-killed-run")
    assert point(str(link), "a.sock")
    assert not point(str(link), "a.sock")
    assert point(str(link), "b.sock")
    assert os.readlink(link) == "b.sock"
    assert [path.name for path in tmp_path.iterdir()] == ["live.sock"]


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "release.env"
    assert write_atomic(str(path), "A=1\n")
    assert not write_atomic(str(path), "A=1\n")
    assert path.stat().st_mode & 0o777 == 0o644


ACCOUNT = {"user": "shop", "groups": ["redis"], "env_file": "/etc/shop/env"}


def test_commands_get_their_secrets_from_files_and_the_releases_own_file_wins(tmp_path: Path) -> None:
    place = Place(str(tmp_path), "0a")
    command = app_command(place, ACCOUNT, ["/bin/sh", "-ec", "echo $HOME"])
    files = [part for part in command if part.startswith("EnvironmentFile=")]
    assert files == ["EnvironmentFile=/etc/shop/env", f"EnvironmentFile={tmp_path}/releases/0a/release.env"]
    assert command[-3:] == ["/bin/sh", "-ec", "echo $$HOME"]
    assert "User=shop" in command
    assert "SupplementaryGroups=redis" in command
    assert not any("Capabilities" in part for part in command)


def test_commands_are_confined_by_what_the_host_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "SANDBOX", str(tmp_path / "{}-sandbox"))
    place = Place(str(tmp_path / "shop"), "0a")
    assert "PrivateUsers=true" not in app_command(place, ACCOUNT, ["true"])
    (tmp_path / "shop-sandbox").write_text("# Made by\nPrivateUsers=true\nSystemCallFilter=~@privileged @resources\n\n")
    # Whoever runs it: migrations may have an account of their own.
    command = app_command(place, {**ACCOUNT, "user": "shop-owner"}, ["true"])
    assert [part for part in command if part.startswith(("PrivateUsers", "SystemCall", "#"))] == [
        "PrivateUsers=true",
        "SystemCallFilter=~@privileged @resources",
    ]


def test_commands_are_told_where_their_secret_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd expands the folder, which nobody knows before the unit runs; what the command says stays as it is."""
    monkeypatch.setattr(application, "SANDBOX", str(tmp_path / "{}-sandbox"))
    loaded = "LoadCredential=MAIL:/etc/shop/credentials/MAIL\nLoadCredential=PAY:/etc/shop/credentials/PAY\n"
    (tmp_path / "shop-sandbox").write_text(loaded, encoding="utf-8")
    command = app_command(Place(str(tmp_path / "shop"), "0a"), ACCOUNT, ["sh", "-c", "echo $MAIL_FILE"])
    told = [f"{name}_FILE=${{CREDENTIALS_DIRECTORY}}/{name}" for name in ("MAIL", "PAY")]
    assert command[command.index("--") :] == ["--", "/usr/bin/env", *told, "sh", "-c", "echo $$MAIL_FILE"]
    assert [part for part in command if part.startswith("LoadCredential=")] == loaded.splitlines()


def test_live_code_may_be_written_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "releases/live-code").mkdir(parents=True)
    (tmp_path / "releases/live-code/source").symlink_to(tmp_path / "live")
    command = app_command(Place(str(tmp_path), "live-code"), ACCOUNT, ["true"])
    assert f"ReadWritePaths={tmp_path}/live {tmp_path}/shared" in command
    assert "ProtectSystem=strict" in command


def test_advice_names_what_the_environment_lacks(tmp_path: Path) -> None:
    env = tmp_path / "env"
    env.write_text('# comment\nSECRET_KEY="x"\nAPI_KEY="y"\n')
    place = Place(str(tmp_path), "0a")
    Path(place.folder).mkdir(parents=True)
    required = {"environment": {"API_KEY": True, "MAIL_KEY": True, "OTHER": False}}
    Path(place.path("release.json")).write_text(json.dumps(required))
    account = {**ACCOUNT, "env_file": str(env)}
    assert environment_file_names(str(env)) == {"SECRET_KEY", "API_KEY"}
    advice = check.advice(place, account, "  settings.py:3: os.environ['PAY_KEY']\nKeyError: 'PAY_KEY'")
    assert advice.startswith("Set PAY_KEY, MAIL_KEY in app_env or app_secret_env (in ")
    assert "database" in check.advice(place, account, "OperationalError: no")
    other = check.advice(place, account, "sqlite3.OperationalError: unable to open database file")
    assert "app_writable_paths" in other
    assert "DATABASE_URL" not in other
    assert "was not touched" in check.advice(place, account, "SyntaxError: invalid syntax")


@pytest.mark.parametrize("piece", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_server_that_never_comes_to_an_end_is_given_up(tmp_path: Path, piece: bytes) -> None:
    class Dripping(StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                for _ in range(100):
                    self.request.sendall(piece)
                    time.sleep(0.05)

    path = str(tmp_path / "a.sock")
    with UnixStreamServer(path, Dripping) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        began = time.monotonic()
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(path, "shop.test", "/", 0.4)
        assert time.monotonic() - began < 2
        server.shutdown()


def test_asking_over_a_socket_sends_what_nginx_would(tmp_path: Path) -> None:
    seen: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.update({"path": self.path, "host": self.headers["Host"], "proto": self.headers["X-Forwarded-Proto"]})
            self.send_response(302)
            self.end_headers()

        def address_string(self) -> str:
            return "socket"

        def log_message(self, *_arguments: object) -> None:
            pass

    path = str(tmp_path / "a.sock")
    with UnixStreamServer(path, Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert ask(path, "shop.test", "/healthz", 5) == 302
    assert seen == {"path": "/healthz", "host": "shop.test", "proto": "https"}
    with pytest.raises(OSError):
        ask(str(tmp_path / "none.sock"), "shop.test", "/", 1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen()
        with pytest.raises(OSError):
            ask(str(tmp_path / "silent.sock"), "shop.test", "/", 0.1)


def test_compressed_files_keep_their_time_and_are_worth_it(tmp_path: Path) -> None:
    big, small, picture, noise = (tmp_path / name for name in ("a.css", "b.css", "c.png", "d.js"))
    big.write_text("x" * 5000)
    small.write_text("x")
    picture.write_text("x" * 5000)
    noise.write_bytes(os.urandom(3000))
    (tmp_path / "link.css").symlink_to(big)
    os.utime(big, (1_000_000_000, 1_000_000_000))
    assert program.compress_all(str(tmp_path)) == 1
    assert [path.name for path in tmp_path.glob("*.gz")] == ["a.css.gz"]
    assert (tmp_path / "a.css.gz").stat().st_mtime == 1_000_000_000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    command = [sys.executable, "-m", "django", "startproject", "shop", str(tmp_path)]
    subprocess.run(command, check=True)
    return tmp_path


def build(folder: Path, collect: bool, **env: str) -> subprocess.CompletedProcess[str]:
    values = {"PATH": os.environ["PATH"], "STATIC_ROOT": str(folder / "static"), **env}
    return subprocess.run(
        [sys.executable, "-"], cwd=folder, env=values, text=True,
        input=inside_source("program.build", {"source": str(folder), "collect": collect}),
        capture_output=True, check=False,
    )  # fmt: skip


def test_build_collects_compresses_and_compiles(project: Path) -> None:
    settings = project / "shop/settings.py"
    settings.write_text(settings.read_text() + "\nimport os\nSTATIC_ROOT = os.environ['STATIC_ROOT']\n")
    done = build(project, True)
    answer = inside_answer(done.stdout)
    assert answer is not None, done.stderr
    assert (answer["static_url"], answer["static_root"]) == ("/static/", str(project / "static"))
    assert answer["compressed"] > 10
    assert (project / "static/admin/css/base.css.gz").is_file()
    assert list(project.glob("shop/__pycache__/urls.*.pyc"))


def test_folders_that_settings_without_the_overlay_have_in_the_source(project: Path) -> None:
    """What was collected is served, and found where the settings look for it; people upload outside of the release."""
    settings = project / "shop/settings.py"
    more = ["STATIC_ROOT = BASE_DIR / 'public'", "MEDIA_ROOT = BASE_DIR / 'up/media'", "STORAGES = {'staticfiles': {",
            "'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'}}"]  # fmt: skip
    settings.write_text("\n".join([settings.read_text(), *more]) + "\n")
    (project / "static").mkdir()
    answer = inside_answer(build(project, True).stdout)
    assert answer is not None
    assert (project / "static/admin/css/base.css.gz").is_file()
    lists = [(project / name / "staticfiles.json").read_bytes() for name in ("public", "static")]
    assert lists[0] == lists[1]
    assert answer["media_root"] == str(project / "up/media")


@pytest.mark.parametrize(
    ("folder", "found"),
    [("source/up/media", "up/media"), ("source", ""), ("source/web", ""), ("source/data/media", ""), ("elsewhere", "")],
)
def test_only_a_folder_of_the_source_that_is_for_media_is_led_out_of_it(
    tmp_path: Path, folder: str, found: str
) -> None:
    builder = Builder(params(tmp_path, directory="web/site", writable_paths=["data"]))
    assert builder.media_of(builder.place.path(*folder.split("/"))) == found


@pytest.mark.parametrize(("own", "committed"), [("BASE_DIR / 'public'", "public"), ("'/elsewhere'", ""), ("None", ""),
                                                 ("'public'", "public")])  # fmt: skip
def test_what_the_project_committed_is_served_where_nothing_is_collected(
    project: Path, own: str, committed: str
) -> None:
    settings = project / "shop/settings.py"
    settings.write_text(settings.read_text() + f"\nSTATIC_ROOT = {own}\n")
    (project / "public").mkdir()
    (project / "public/site.css").write_text("x" * 5000)
    (project / "static").mkdir()
    done = build(project, False)
    answer = inside_answer(done.stdout)
    assert answer is not None, done.stderr
    # A relative one is the folder of manage.py's, where this runs.
    committed = committed or ("public" if own == "'public'" else "")
    assert answer["committed"] == committed
    assert (project / "static/site.css").is_file() == bool(committed)
    assert (project / "static/site.css.gz").is_file() == bool(committed)


def test_files_that_are_ready_in_the_source_and_that_nothing_collects_are_said(project: Path, tmp_path: Path) -> None:
    """A project may commit what its own tools make of its sources, with the list that its storage reads."""
    settings = project / "shop/settings.py"
    settings.write_text(settings.read_text() + "\nSTATIC_ROOT = BASE_DIR / 'public'\n")
    for name in ("admin/css/base.css", "shop/built.css", "staticfiles.json", ".keep"):
        (project / "public" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "public" / name).write_text("x")
    (project / "over.py").write_text(
        "from os import environ\nfrom shop.settings import *\nSTATIC_ROOT = environ['STATIC_ROOT']\n"
    )
    given = {"SAMESTACK_BASE_SETTINGS": "shop.settings", "DJANGO_SETTINGS_MODULE": "over", "PYTHONPATH": str(project)}
    answer = inside_answer(build(project, True, **given).stdout)
    assert answer is not None
    assert (answer["ready"], answer["left_out"]) == ("public", 2)
    (said,) = Builder(params(tmp_path / "host")).say_of_static_files(answer)
    assert said.startswith("public of the source has 2 static files") and "app_collectstatic: false" in said


def test_what_a_command_of_the_build_has_made_stays(project: Path) -> None:
    settings = project / "shop/settings.py"
    settings.write_text(settings.read_text() + "\nSTATIC_ROOT = BASE_DIR / 'public'\n")
    for name in ("public/old.css", "static/new.css"):
        (project / name).parent.mkdir()
        (project / name).write_text("x")
    assert build(project, False).returncode == 0
    assert [path.name for path in (project / "static").iterdir()] == ["new.css"]


@pytest.mark.parametrize(("answer", "said"), [({"committed": "public"}, "has the files of public"), ({}, "is empty"),
                                              ({"static_url": "https://cdn.example.org/"}, "")])  # fmt: skip
def test_it_is_said_what_is_served_where_nothing_is_collected(
    tmp_path: Path, answer: dict[str, Any], said: str
) -> None:
    builder = Builder(params(tmp_path, collectstatic=False))
    lines = builder.say_of_static_files({**ANSWER, **answer})
    assert said in "".join(lines) and bool(lines) == bool(said)
