"""What commonly goes wrong is known by its words, and each remedy names what to write."""

from __future__ import annotations

import re

import pytest
import yaml

from plugins.module_utils.release import causes
from plugins.module_utils.release.builder import NO_NETWORK

GCC = "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory"


def decision(remedy: str) -> tuple[str, object]:
    """Return the decision that a remedy says to set, as app.yml would read it."""
    found = re.search(r"Set (\w+): (\[[^\]]*\])", remedy)
    assert found, remedy
    return found[1], yaml.safe_load(found[2])


@pytest.mark.parametrize(
    ("package", "needed"),
    [
        ("psycopg2", "libpq-dev"), ("mysqlclient", "default-libmysqlclient-dev"), ("lxml", "libxslt1-dev"),
        ("uWSGI", "build-essential"), ("Pillow", "libjpeg-dev"), ("xmlsec", "libxmlsec1-dev"), ("GDAL", "libgdal-dev"),
        ("python_ldap", "libldap-dev"), ("pycairo", "libcairo2-dev"), ("pycurl", "libcurl4-openssl-dev"),
        ("cffi", "libffi-dev"), ("cryptography", "cargo"), ("pyodbc", "unixodbc-dev"), ("nobody-knows", "python3-dev"),
    ],
)  # fmt: skip
def test_well_known_packages_need_what_they_need(package: str, needed: str) -> None:
    assert needed in causes.to_build([package], GCC)


def test_all_that_is_missing_is_named_at_once() -> None:
    name, value = decision(causes.system_packages(causes.to_build(["psycopg2", "mysqlclient", "lxml"], GCC)))
    assert name == "app_system_packages"
    assert value == [
        "build-essential", "python3-dev", "libxml2-dev", "libxslt1-dev", "zlib1g-dev", "default-libmysqlclient-dev",
        "pkg-config", "libpq-dev",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("packages", "python", "offered"),
    [
        (["cffi", "psycopg2"], "3.13", '"3.12"'), (["Nobody_Knows"], "3.12", '"3.11"'),
        (["psycopg2", "uWSGI", "python_ldap"], "3.13", ""), (["cffi"], "3.10", ""), (["cffi"], "", ""),
    ],
)  # fmt: skip
def test_an_older_python_may_have_them_ready_made(packages: list[str], python: str, offered: str) -> None:
    assert causes.older_python(packages, python).partition("app_python: ")[2].rstrip(".") == offered


@pytest.mark.parametrize(
    ("output", "needed"),
    [
        ("own.c:1:10: fatal error: libpq-fe.h: No such file or directory", "libpq-dev"),
        ("fatal error: ffi.h: No such file or directory", "libffi-dev"),
        ("fatal error: lber.h: No such file or directory", "libldap-dev"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'gdal-config'", "libgdal-dev"),
        ("../meson.build:31:12: ERROR: Dependency 'cairo' not found, tried pkgconfig", "libcairo2-dev"),
        ("error: linker `cc` not found", "build-essential"),
        ("Exception: Can not find valid pkg-config name.", "pkg-config"),
        ("cargo: command not found", "cargo"),
        ("try installing a Rust compiler from your system package manager", "cargo"),
        ('File "/x/site-packages/puccinialin/_setup_rust.py", line 1\nhttpx.ConnectError: [Errno -2]', "cargo"),
        ("Exception: you need a C compiler to build uWSGI", "build-essential"),
        ("fatal error: Python.h: No such file or directory", "python3-dev"),
        ("Could not run curl-config: [Errno 2] No such file or directory: 'curl-config'", "libcurl4-openssl-dev"),
    ],
)
def test_packages_that_nobody_knows_are_helped_by_what_their_build_says(output: str, needed: str) -> None:
    assert causes.NO_COMPILER.search(output)
    assert needed in causes.to_build(["of-ours"], output)


@pytest.mark.parametrize(
    ("output", "package"),
    [
        ("ImportError: failed to find libmagic.  Check your installation", "file"),
        ("ImproperlyConfigured: Could not find the GDAL library (tried \"gdal\"). Is GDAL installed?", "gdal-bin"),
        ("CommandError: Can't find msgfmt. Make sure you have GNU gettext tools 0.15 or newer installed.", "gettext"),
        ("locale.Error: unsupported locale setting", "locales-all"),
        ("OSError: no library called \"cairo-2\" was found", "libcairo2"),
        ("OSError: cannot load library 'gobject-2.0-0': gobject-2.0-0: cannot open", "libpango-1.0-0"),
        ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "libgl1"),
        ("saml2.sigver.SigverError: Cannot find ['xmlsec1']", "xmlsec1"),
        ("sh: 1: npm: not found", "npm"), ("/bin/sh: 3: git: not found", "git"),
        ("sh: git: command not found", "git"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'", "ffmpeg"),
    ],
)  # fmt: skip
def test_what_a_program_lacks_at_run_time(output: str, package: str) -> None:
    name, value = decision(causes.advice(output))
    assert (name, package in value) == ("app_system_packages", True)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("error: invalid peer certificate: UnknownIssuer", "machine_trusted_ca_files"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate",
         "machine_trusted_ca_files"),
        ("npm error code SELF_SIGNED_CERT_IN_CHAIN", "machine_trusted_ca_files"),
        ("ModuleNotFoundError: No module named 'pkg_resources'", '["setuptools<81"]'),
        ("ModuleNotFoundError: No module named 'distutils'", '["setuptools<81"]'),
        ("error: error sending request for url (https://pypi.org/simple/x/)", "release_package_indexes"),
        ("x No solution found\n because x was not found in the package registry", "release_package_indexes"),
        ("error: Hash mismatch for x", "Make the lock anew"),
        ("ValueError: Missing staticfiles manifest entry for 'site.css'", "set app_collectstatic: false"),
        ("sh: 1: frobnicate: not found", "the package that has it to app_system_packages"),
        ('OfflineGenerationError: offline compression enabled but key "0f" is missing from offline manifest.',
         "Set app_build_commands: [python manage.py compress]"),
        ("PermissionError: [Errno 13] Permission denied: '/srv/x/releases/8d62fa25256d/static/CACHE'",
         "COMPRESS_OFFLINE = True"),
        ("PermissionError: [Errno 13] Permission denied: '/srv/x/releases/8d62fa25256d/static/site.css'",
         "python manage.py compilescss"),
        ("OSError: [Errno 30] Read-only file system: '/srv/x/releases/8d62fa25256d/static/css/site.css'",
         "app_build_commands"),
        ('error x@11.4.6: The engine "node" is incompatible with this module. Got "20.19.2"',
         "-- env --unset=npm_config_package"),
        ("npm error code EBADENGINE", "-- env --unset=npm_config_package"),
        ('ProgrammingError: permission denied to create extension "bloom"', "database_extensions: [bloom]"),
        ("Cannot find src/main.ts for app=default in Vite manifest at /srv/x/static/manifest.json", "npm run build"),
        ("sqlite3.OperationalError: unable to open database file", "set app_writable_paths: [data]"),
        ("ValueError: Unable to configure handler 'file'", "let it write to the console"),
        ("OSError: [Errno 30] Read-only file system: '/srv/x/releases/8d62fa25256d/source/logs/a.log'\n"
         "ValueError: Unable to configure handler 'file'", "app_writable_paths: [logs]"),
        ("RuntimeError: Model class debug_toolbar.models.Entry doesn't declare an explicit app_label and isn't in",
         "app_debug: false"),
        ("redis.exceptions.AuthenticationError: HELLO must be called with the client already authenticated, otherwise",
         "{{ redis_url }}"),
        ("redis.exceptions.ConnectionError: Error -2 connecting to redis:6379. Name or service not known.",
         "Set app_redis: true"),
        ("OSError: Error reading /x/stats.json. Are you sure webpack has generated the file and the path is correct?",
         "npm run build"),
    ],
)  # fmt: skip
def test_other_causes_have_their_remedy(output: str, words: str) -> None:
    assert words in causes.advice(output)
    assert "Mend this in the project" not in causes.advice(output)


def test_what_is_the_projects_own_is_no_known_cause() -> None:
    lacks = "FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'"
    for output in (lacks, "SyntaxError: invalid syntax", "KeyError: 'X'", "NameError: name 'x' is not defined", ""):
        assert causes.advice(output) == causes.of_import(output) == ""
    assert "has requests: add it" in causes.of_import("ModuleNotFoundError: No module named 'requests'")


@pytest.mark.parametrize(("module", "package"), [("cgi", "legacy-cgi"), ("imghdr", "standard-imghdr")])
def test_what_python_has_no_more_is_brought_back_by_a_package(module: str, package: str) -> None:
    told = causes.of_import(f"ModuleNotFoundError: No module named '{module}'")
    assert f"Set app_extra_requirements: [{package}]" in told
    # A module of its own that is only called like one
    assert "app_extra_requirements: [" not in causes.of_import(f"No module named 'mysite.{module}'")


@pytest.mark.parametrize(
    ("said", "looked"),
    [
        ("npm error code EAI_AGAIN", True),
        ("curl: (6) Could not resolve host: example.org", True),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", True),
        ("wget: unable to resolve host address 'example.org'", True),
        ("OSError: [Errno 101] Network is unreachable", True),
        ("ModuleNotFoundError: No module named 'pkg_resources'", False),
        ('  File "/srv/x/settings.py", line 3\n    BASE_DIR = Path(__file__).resolve()', False),
        ("import resolver", False),
    ],
)
def test_only_who_looks_for_a_network_is_told_of_it(said: str, *, looked: bool) -> None:
    assert bool(NO_NETWORK.search(said)) == looked


@pytest.mark.parametrize(
    ("frame", "module", "words"),
    [
        ("site/extras/data/__init__.py:3: from .places import X", "extras.data.places", "no places.py in it"),
        ("site/extras/data.py:3: import lib.places", "lib.places", "does not list the package"),
        ("site/extras/data.py:3: import places", "places", "does not list the package"),
    ],
)
def test_a_missing_module_of_the_projects_own(frame: str, module: str, words: str) -> None:
    assert words in causes.of_import(f"{frame}\nModuleNotFoundError: No module named '{module}'")
