"""Decisions become what roles need."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter import firewall, host_files, paths, postgresql, releases, sizes, stack, systemd, urls
from plugins.plugin_utils import project_root

if TYPE_CHECKING:
    from pathlib import Path

SUBJECTS = (firewall, host_files, paths, postgresql, releases, sizes, stack, systemd, urls)
FILTERS = {name: function for subject in SUBJECTS for name, function in subject.FilterModule().filters().items()}
AWKWARD = [
    "plain",
    "",
    "two words",
    "a \"b\" 'c'",
    "$HOME `id` $(id) ${X}",
    "back\\slash\\\\",
    "line\nbreak\ttab",
    "100%",
    "ümläut",
    "#no",
]


def apply(name: str, *given: Any) -> Any:
    return FILTERS[name](*given)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("25m", 26214400),
        ("25M", 26214400),
        ("25mb", 26214400),
        ("1g", 1073741824),
        ("512", 512),
        (0, 0),
        ("2k", 2048),
        ("1 t", 2**40),
    ],
)
def test_sizes(value: Any, size: int) -> None:
    assert apply("size_bytes", value) == size


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("365d", 31536000), ("1w", 604800), (0, 0), ("90", 90)],
)
def test_durations(value: Any, seconds: int) -> None:
    assert apply("duration_seconds", value) == seconds


@pytest.mark.parametrize("value", ["", "m", "-1m", "1.5g", "ten", "1 m m", "5x", None])
def test_what_is_no_quantity(value: Any) -> None:
    for name in ("size_bytes", "duration_seconds"):
        with pytest.raises(AnsibleFilterError, match=r"is not a (size|duration)"):
            apply(name, value)


def test_addresses_by_family() -> None:
    given = ["10.0.0.5", "10.1.0.0/16", "2001:db8::1", "2001:db8::/32"]
    assert apply("addresses", given, "ipv4") == ["10.0.0.5", "10.1.0.0/16"]
    assert apply("addresses", given, "ipv6") == ["2001:db8::1", "2001:db8::/32"]
    with pytest.raises(AnsibleFilterError, match=r"'db\.example' is not an IP address"):
        apply("addresses", ["db.example"], "ipv4")


def test_destinations_as_the_firewall_names_them() -> None:
    places = [{"address": "10.0.0.5", "port": 25}, {"address": "2001:db8::/64"}, {"address": "127.0.0.1", "port": None}]
    assert apply("destinations", places) == [
        {"family": "ip", "address": "10.0.0.5", "port": 25},
        {"family": "ip6", "address": "2001:db8::/64", "port": 0},
        {"family": "ip", "address": "127.0.0.1", "port": 0},
    ]
    assert {"family": "ip", "address": "127.0.0.1", "port": 1} in apply(
        "destinations", [{"address": "localhost", "port": 1}]
    )
    with pytest.raises(AnsibleFilterError, match=r"'db\.invalid' is neither an address nor a name that is known"):
        apply("destinations", [{"address": "db.invalid"}])


@pytest.mark.parametrize("text", AWKWARD)
def test_environment_values_come_back_as_they_were(text: str) -> None:
    line = apply("systemd_environment", {"NAME": text})
    found = re.fullmatch(r'NAME="((?:\\.|[^"\\])*)"\n', line, re.DOTALL)
    assert found
    assert re.sub(r'\\(["\\`$])', r"\1", found[1]) == text


def test_environment_values_that_are_no_text() -> None:
    assert apply("systemd_environment", {"A": True, "B": False, "C": 7}) == 'A="True"\nB="False"\nC="7"\n'


@pytest.mark.parametrize("text", AWKWARD[:6])
def test_a_command_reaches_its_shell_as_it_was(text: str) -> None:
    argument = apply("systemd_argument", text)
    # systemd's own expansions, undone in its order: quotes, then specifiers and variables.
    (unquoted,) = shlex.split(argument.replace("$", "\0").replace("`", "\1"))
    assert unquoted.replace("\0\0", "$").replace("\1", "`").replace("%%", "%") == text


@pytest.mark.parametrize(
    ("value", "text"), [("64MB", "'64MB'"), ("it's", "'it''s'"), (True, "'on'"), (False, "'off'"), (7, "'7'")]
)
def test_postgresql_values(value: Any, text: str) -> None:
    assert apply("postgresql_value", value) == text


def megabytes(text: str) -> int:
    assert text.endswith("MB")
    return int(text[:-2])


@pytest.mark.parametrize("memory", [256, 481, 1024, 1987, 4096, 16000, 64000, 257000])
@pytest.mark.parametrize("shared_machine", [True, False])
def test_memory_rule_fits_the_machine(memory: int, shared_machine: bool) -> None:
    found = apply("postgresql_settings", memory, shared_machine)
    own = memory // 2 if shared_machine else memory
    assert megabytes(found["shared_buffers"]) <= max(own // 4, 32)
    assert megabytes(found["effective_cache_size"]) >= megabytes(found["shared_buffers"])
    assert 64 <= megabytes(found["maintenance_work_mem"]) <= 2048
    assert int(found["work_mem"].removesuffix("kB")) >= 4096


def test_memory_rule_for_a_dedicated_server() -> None:
    found = apply("postgresql_settings", 16384, False)
    assert found["shared_buffers"] == "4096MB"
    assert found["effective_cache_size"] == "12288MB"
    assert found["maintenance_work_mem"] == "1024MB"
    assert found["work_mem"] == f"{12288 * 1024 // 300}kB"


def test_certificate_files_are_named_as_the_system_reads_them() -> None:
    found = apply("ca_files", ["/b/office.pem", "/a/Proxy.crt", "/b/office.pem"])
    assert [entry["path"].rsplit("/", 1)[1] for entry in found] == ["Proxy.crt", "office.crt"]
    assert [entry["source"] for entry in found] == ["/a/Proxy.crt", "/b/office.pem"]


def test_people_get_keys_and_sudo() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ5dGVzIGJ5dGVzIGJ5dGVzIGJ5dGVzIGJ5dGVz ada"
    folder, keys, sudo = apply("people_files", {"ada": {"keys": [f"{key} "]}})
    assert (folder["path"], folder["mode"], folder["owner"]) == ("/home/ada/.ssh", "0700", "ada")
    assert keys["content"] == f"{key}\n"
    assert (keys["mode"], keys["owner"]) == ("0600", "ada")
    assert (sudo["mode"], sudo["validate"].split()[0]) == ("0440", "visudo")
    assert "." not in sudo["path"].rsplit("/", 1)[1], "sudo passes over files with a dot in their name"


def test_every_worker_and_timer_gets_its_units() -> None:
    workers = apply("process_units", {"queue": {"command": "run"}}, "site", "worker")
    assert [entry["path"] for entry in workers] == ["/etc/systemd/system/site-worker-queue@.service"]
    timers = apply("process_units", {"tidy": {"command": "run", "schedule": "daily"}}, "site", "timer")
    assert [entry["path"].rsplit("/", 1)[1] for entry in timers] == ["site-timer-tidy.service", "site-timer-tidy.timer"]
    assert timers[1]["vars"]["process_schedule"] == "daily"


def test_files_of_this_computer_are_relative_to_the_repository() -> None:
    assert apply("repository_path", "inventories/x.crt").endswith("/inventories/x.crt")
    assert apply("repository_path", "/etc/x.crt") == "/etc/x.crt"
    assert apply("repository_path", "~/x.crt").endswith("/x.crt")
    assert "~" not in apply("repository_path", "~/x.crt")
    assert apply("repository_path", "") == ""


def test_the_batch_is_known_before_any_host() -> None:
    assert FILTERS["release_batch"]({"web1": {"release_batch": 2}}) == "2"
    assert FILTERS["release_batch"]({}) == "100%"


def test_secret_files_are_root_s_alone_and_renew_the_application() -> None:
    folder, file = systemd.credential_files({"MAIL": "a\nb"}, "shop")
    assert (folder["path"], folder["mode"], folder["exclusive"]) == ("/etc/shop/credentials", "0700", True)
    assert (file["path"], file["content"]) == ("/etc/shop/credentials/MAIL", "a\nb")
    assert (file["mode"], file["secret"], file["apply"]) == ("0600", True, "touch /var/lib/samestack/owed/shop")
    assert systemd.credential_files({}, "shop") == [folder]


def test_an_app_that_has_our_project_inside_does_not_see_what_runs_leave_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "shop" / "machines"
    project.mkdir(parents=True)
    monkeypatch.setattr(project_root, "project_path", lambda path: str(project / path) if path else "")
    assert apply("own_state_inside", {"type": "path", "path": ".."}) == "machines/.samestack"
    checkout = {"type": "git", "url": "x", "live_checkout": str(tmp_path)}
    assert apply("own_state_inside", checkout) == "shop/machines/.samestack"
    for outside in ({"type": "path", "path": "../../other"}, {"type": "path", "path": "app"}, {"type": "git"}, {}):
        assert apply("own_state_inside", outside) == ""
