"""The file of the stack lock: what is written, merged and refused, and what it means for a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from plugins.action.lock_stack import ActionModule
from plugins.plugin_utils.stack.lock import LockError, locked_anew, read_lock, said, section_name, written
from plugins.plugin_utils.stack.plan import host_plan, preview, refusal

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "20260401T080000Z", "20261125T151252Z"


def machine(versions: dict[str, str], system: str = "debian", release: str = "13", **facts: Any) -> dict[str, Any]:
    stack = {"versions": versions, "architecture": "amd64", "updated": facts.pop("updated", NEW)}
    return {"os": system, "release": release, "codename": "x", "architecture": "x86_64", "stack": stack, **facts}


def lock(packages: dict[str, str], snapshot: str = OLD) -> dict[str, Any]:
    return {"debian-13-amd64": {"snapshot": snapshot, "packages": packages}}


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({}, "debian-13-amd64"),
        ({"system": "ubuntu", "release": "24.04", "architecture": "aarch64"}, "ubuntu-24.04-arm64"),
        ({"release": "", "codename": "forky"}, "debian-forky-amd64"),
        ({"architecture": "riscv64"}, "debian-13-riscv64"),
    ],
)
def test_the_name_of_a_section(facts: dict[str, str], name: str) -> None:
    assert section_name(machine({}, **facts)) == name


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    sections = {
        "ubuntu-24.04-amd64": {"snapshot": "", "packages": {"libc6": "2.39-0ubuntu8.6", "zlib1g": "1:1.3"}},
        **lock({"php": "3.0", "acl": "2.3.2-2+b1", "libstdc++6": "14.2.0-19", "libc6:i386": "1:30"}),
    }  # fmt: skip
    text = written(sections)
    file = tmp_path / "stack.lock.yml"
    file.write_text(text, encoding="utf-8")
    found, problems = read_lock(file)
    assert not problems
    assert written(found) == text == written(dict(reversed(sections.items())))
    # Another reader of YAML gets text, never numbers or minutes.
    assert yaml.safe_load(text)["debian-13-amd64"]["packages"] == sections["debian-13-amd64"]["packages"]
    assert text.startswith("# The stack lock")
    assert list(found) == ["debian-13-amd64", "ubuntu-24.04-amd64"]


def test_no_file_is_no_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "stack.lock.yml") == ({}, [])


def test_the_first_lock() -> None:
    sections, changes = locked_anew({}, {"dev1": machine({"acl": "2"}), "dev2": machine({"acl": "2", "nginx": "1"})})
    assert sections == lock({"acl": "2", "nginx": "1"}, NEW)
    assert said(changes, "dev") == ["debian-13-amd64 (dev1, dev2): 2 new"]


def test_locking_twice_changes_nothing_not_even_the_date() -> None:
    before = lock({"acl": "2"})
    assert locked_anew(before, {"dev1": machine({"acl": "2"})})[0] == before


def test_other_releases_and_others_packages_stay() -> None:
    other = {"ubuntu-24.04-amd64": {"snapshot": OLD, "packages": {"acl": "1"}}}
    before = {**other, **lock({"acl": "2", "certbot": "4"})}
    sections, changes = locked_anew(before, {"staging1": machine({"acl": "3", "nginx": "1"})})
    assert sections == {**other, **lock({"acl": "3", "certbot": "4", "nginx": "1"}, NEW)}
    assert said(changes, "staging") == [
        "debian-13-amd64 (staging1): 1 new, 1 raised",
        "  raised: acl 2 → 3",
        "  kept, though staging does not have them: certbot",
    ]
    assert before["debian-13-amd64"]["packages"] == {"acl": "2", "certbot": "4"}


def test_a_machine_below_the_lock_is_said() -> None:
    _, changes = locked_anew(lock({"acl": "2.10"}), {"dev1": machine({"acl": "2.9"})})
    assert "  lowered, dev was older than the lock: acl 2.10 → 2.9" in said(changes, "dev")


def test_hosts_that_disagree_are_one_error() -> None:
    hosts = {
        "web1": machine({"acl": "2", "nginx": "1.26"}),
        "web2": machine({"acl": "2", "nginx": "1.28"}),
        "web3": machine({"acl": "3", "nginx": "1.26"}),
        "other": machine({"acl": "1"}, release="12"),
    }
    with pytest.raises(LockError) as caught:
        locked_anew({}, hosts)
    text = str(caught.value)
    assert "debian-13-amd64: the hosts do not have the same versions of 2 packages" in text
    assert "  acl: 2 on web1, web2, 3 on web3" in text
    assert "  nginx: 1.26 on web1, web3, 1.28 on web2" in text
    assert "./samestack upgrade" in text
    assert "other" not in text


def test_the_plan_of_a_host() -> None:
    host = machine({"acl": "1", "nginx": "3", "htop": "3"})
    plan = host_plan(host, lock({"acl": "2", "nginx": "2", "redis-server": "5:8"}), ["acl", "nginx", "tree"])
    assert (plan["section"], plan["snapshot"]) == ("debian-13-amd64", OLD)
    assert plan["older"] == {"acl": ("1", "2")}
    assert plan["say"] == [
        "Newer than the stack lock, left as it is: nginx 3 (locked: 2). `./samestack lock-stack` adopts it.",
        "Not in the stack lock: htop, tree. `./samestack lock-stack` adds it.",
    ]
    assert preview(plan, ["redis-server", "tree"]) == [
        "Would install: redis-server=5:8 tree (not locked)",
        "Would raise to the stack lock: acl 1 → 2",
    ]


def test_without_a_lock_there_is_no_plan() -> None:
    assert host_plan(machine({"acl": "1"}), {}, ["acl"]) == {}


def test_a_host_of_another_release_is_said_not_to_be_locked() -> None:
    plan = host_plan(machine({"acl": "1"}, system="ubuntu", release="24.04"), lock({"acl": "2"}), ["acl"])
    assert plan["section"] is None
    assert plan["older"] == {}
    assert "no section ubuntu-24.04-amd64 (it has debian-13-amd64)" in plan["say"][0]


def test_what_cannot_be_had_is_one_error_for_all_hosts() -> None:
    gone = {"section": "debian-13-amd64", "missing": {"nginx": ["1.26.3-3", "1.26.3-4"]}, "apt": "", "past": "Past."}
    stuck = {"section": "debian-12-amd64", "missing": {}, "apt": "redis-server depends on libx", "past": ""}
    assert refusal({}) == ("", "")
    text, ways = refusal({"web1": gone, "web2": gone, "db1": stuck})
    assert text.splitlines() == [
        "debian-12-amd64 (in stack.lock.yml): apt finds no way to these, for db1.",
        "  apt says: redis-server depends on libx",
        "debian-13-amd64 (in stack.lock.yml): 1 version can no longer be had, for web1, web2.",
        "  nginx 1.26.3-3: the archive has 1.26.3-4",
        "No package was touched on any host.",
    ]
    assert [way.split(" ")[0] for way in ways.splitlines()] == ["Lock", "Past.", "Or"]


def test_the_module_is_the_one_of_the_playbook() -> None:
    assert ActionModule._requires_connection is False
