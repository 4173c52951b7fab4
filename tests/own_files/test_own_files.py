"""A project's own location blocks and drop-ins, as docs/own-files.md has them, on a real machine.

The tests build on each other: files come, are faulty, and go.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.examples import examples, write_example
from tests.support.soak import rest_in_soak

if TYPE_CHECKING:
    from tests.support.clone import Clone
    from tests.support.machines import Machine

EXAMPLES = examples("own-files.md")
FILES = {path: text for path, text in EXAMPLES.items() if path.startswith(("nginx/", "systemd/"))}
DECISIONS = {path: text for path, text in EXAMPLES.items() if path.startswith("inventories/")}
NGINX = "/etc/nginx/project"


def provision(clone: Clone, site: Machine, *arguments: str) -> str:
    return clone.samestack("provision", site.kind, "--rehearsal", *arguments)


def refused(clone: Clone, site: Machine) -> str:
    return clone.refuses("provision", site.kind, "--rehearsal")


def drop_in(site: Machine, process: str = "web") -> str:
    return f"/etc/systemd/system/{site.app}-{process}@.service.d/project.conf"


def web_unit(site: Machine) -> str:
    units = site.run(f"systemctl list-units --plain --no-legend --state=running '{site.app}-web@*'").splitlines()
    assert len(units) == 1
    return units[0].split()[0]


def sections(site: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.run("/usr/local/lib/samestack/record --answer --look"))["manifest"]
    return dict(found["sections"])


def serving(site: Machine) -> str:
    """Return Nginx's workers, which a reload replaces, the files that it reads, and which apps await new processes."""
    return site.run(
        "pgrep -P $(cat /run/nginx.pid); find /etc/nginx -type f -exec sha256sum {} + | sort\n"
        "ls /var/lib/samestack/owed"
    )


def test_the_page_has_an_example_of_each_kind() -> None:
    assert {path.split("/")[0] for path in EXAMPLES} == {"inventories", "nginx", "systemd"}
    assert any(path.endswith(".j2") for path in FILES)


@pytest.fixture(scope="module")
def brought(clone: Clone, site: Machine) -> str:
    """The run that brings the examples; what it said."""
    for path, text in FILES.items():
        write_example(clone.folder, path, text)
    for text in DECISIONS.values():
        clone.decide(**yaml.safe_load(text))
    said = provision(clone, site, "--check", "--diff")
    assert not site.run(f"ls {NGINX}").strip()
    for path in FILES:
        assert path.split("/")[1].removesuffix(".j2") in said or "project.conf" in said
    assert "+LimitNOFILE=4096" in said
    return provision(clone, site)


def test_a_location_is_served(site: Machine, brought: str) -> None:
    browser = site.browser()
    answer = browser.get("/.well-known/security.txt")
    assert (answer.status, answer.text) == (200, "Contact: mailto:security@example.com\n")
    robots = "Allow" if site.kind == "production" else "Disallow"
    assert browser.get("/robots.txt").text == f"User-agent: *\n{robots}: /\n"
    assert browser.get("/").status == 200


def test_a_drop_in_holds_for_what_runs(site: Machine, brought: str) -> None:
    unit = web_unit(site)
    assert site.run(f"systemctl show -P DropInPaths {unit}").split() == [drop_in(site)]
    assert site.run(f"systemctl show -P LimitNOFILE {unit}").strip() == "4096"
    pid = site.run(f"systemctl show -P MainPID {unit}").strip()
    assert re.search(r"^Max open files\s+\d+\s+4096\s", site.run(f"cat /proc/{pid}/limits"), re.MULTILINE)


def test_a_setting_of_postgresql_holds(database: Machine, brought: str) -> None:
    shown = database.run("runuser -u postgres -- psql -XAt -c 'SHOW log_min_duration_statement'")
    assert shown.strip() == "250ms"


def test_the_manifest_has_them(site: Machine, brought: str) -> None:
    found = sections(site)
    assert f"{NGINX}/security-txt.conf" in found["files"]
    assert f"{NGINX}/robots.conf" in found["files"]
    assert any("security.txt" in key for key in found["nginx"])
    assert f"file:{drop_in(site)}" in found["units"]


def test_again_nothing_changes(clone: Clone, site: Machine, brought: str) -> None:
    before = (web_unit(site), serving(site))
    assert re.search(r"nothing changed|changed=0|no change", provision(clone, site), re.IGNORECASE)
    assert (web_unit(site), serving(site)) == before


FAULTS = {
    "unknown directive": (
        "nginx/security-txt.conf", "location = /x { retrun 200; }\n",
        'unknown directive "retrun" in nginx/security-txt.conf:1',
    ),
    "contradicts ours": (
        "nginx/mine.conf", "location / { return 404; }\n", 'duplicate location "/" in nginx/mine.conf:1'
    ),
    "unknown key of systemd": (
        "systemd/web.conf", "[Service]\nLimitNOFILES=4096\n", "systemd/web.conf:2: Unknown key"
    ),
    "nothing to start": ("systemd/web.conf", "[Service]\nExecStart=\n", "systemd/web.conf"),
    "no such process": ("systemd/wbe.conf", "[Service]\n", "file (in systemd/wbe.conf): the application has no"),
    "another ending": ("nginx/notes.txt", "x\n", "file (in nginx/notes.txt): what goes to hosts is a file of nginx/"),
}  # fmt: skip
#: One that each program refuses, and what is refused before
ALWAYS = {"contradicts ours", "unknown key of systemd", "no such process", "another ending"}


@pytest.mark.parametrize("fault", rest_in_soak(FAULTS, ALWAYS))
def test_a_faulty_file_is_one_error_and_nothing_changes(clone: Clone, site: Machine, brought: str, fault: str) -> None:
    path, text, says = FAULTS[fault]
    before = (serving(site), web_unit(site), site.run(f"cat {drop_in(site)}"))
    file = write_example(clone.folder, path, text)
    try:
        said = refused(clone, site)
        assert says in said
        assert said.count("refused the new files") <= 1
    finally:
        file.unlink()
        if path in FILES:
            write_example(clone.folder, path, FILES[path])
    assert (serving(site), web_unit(site), site.run(f"cat {drop_in(site)}")) == before


def test_what_is_deleted_goes(clone: Clone, site: Machine, brought: str) -> None:
    (clone.folder / "nginx" / "security-txt.conf").unlink()
    provision(clone, site)
    assert site.browser().get("/.well-known/security.txt").status == 404
    assert site.browser().get("/robots.txt").status == 200
    for path in FILES:
        (clone.folder / path).unlink(missing_ok=True)
    provision(clone, site)
    assert not site.run(f"ls {NGINX}").strip()
    assert site.run(f"systemctl show -P DropInPaths {web_unit(site)}").split() == []
    assert site.run(f"systemctl show -P LimitNOFILE {web_unit(site)}").strip() != "4096"
