"""What people do around releases: wait for each other, close the site, look at what was done."""

from __future__ import annotations

import json
import subprocess
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.support import versions
from tests.support.chat import Chat
from tests.support.machines import wait_for
from tests.support.soak import rest_in_soak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.team import Team

LOCK = "/run/samestack/lock.json"


@pytest.fixture(scope="module", autouse=True)
def good(team: Team) -> str:
    """A release that serves staging meanwhile."""
    team.back_to("v1")
    return team.deploy("staging", team.commit("good", versions.touch))


def begin(team: Team, ref: str) -> subprocess.Popen[str]:
    """Start a deployment of staging and return when it has the lock."""
    arguments = ["./samestack", *team.arguments("deploy", "staging", ref=ref)]
    run = subprocess.Popen(
        arguments, cwd=team.clone.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    site = team.machine("staging")
    wait_for("it holds the lock", lambda: site.host.file(LOCK).exists, 30)
    return run


def test_the_second_waits_for_the_first(team: Team, good: str) -> None:
    team.back_to("good")
    team.commit("slow", versions.slow_build)
    with begin(team, "slow") as first:
        said = team.samestack("deploy", "staging", ref="good", lock_wait="2m")
        assert "Waiting up to 120 s for the deploy lock of staging: " in said
        first.communicate(timeout=120)
        assert first.returncode == 0
    assert team.live("staging") == good


def test_a_run_whose_connection_is_cut_stops(team: Team, good: str) -> None:
    """The lock goes at once, and the run that had it changes nothing more."""
    team.back_to("good")
    team.commit("cut", versions.slow_build)
    with begin(team, "cut") as run:
        pattern = f"{team.clone.folder}/.*/connection/lock_holder.py"
        holder = subprocess.run(["pgrep", "-f", pattern], check=True, capture_output=True, text=True).stdout.split()
        assert len(holder) == 1
        subprocess.run(["pkill", "-P", holder[0]], check=True)
        site = team.machine("staging")
        wait_for("the lock is free", lambda: not site.host.file(LOCK).exists, 3)
        said = run.communicate(timeout=120)[0]
        assert run.returncode != 0
    assert "does not hold the deploy lock any more" in said
    assert team.live("staging") == good
    assert team.deploy("staging", "cut") != good
    assert team.deploy("staging", "good") == good


def test_maintenance(team: Team) -> None:
    site = team.machine("staging")
    browser = site.browser()
    page = browser.get("/")
    assert page.status == 200
    said = team.refuses("maintenance", "staging")
    assert "say which: --on shows the page" in said
    team.samestack("maintenance", "staging", on=True, message="Back at <8>, for $5")
    closed = browser.get("/")
    assert closed.status == 503
    assert "Back at &lt;8&gt;, for $5" in closed.text
    assert closed.headers["Retry-After"]
    assert {browser.get(path).status for path in page.static_files()} == {200}
    team.back_to("good")
    team.deploy("staging", team.commit("behind", versions.touch))
    team.samestack("provision", "staging")
    assert browser.get("/").status == 503, "the page stays until people take it away"
    assert "Back at <8>, for $5" in team.samestack("releases", "staging")
    team.samestack("maintenance", "staging", off=True)
    assert browser.get("/").status == 200


def test_maintenance_on_every_web_host(team: Team) -> None:
    pages = [machine.host.file("/etc/nginx/samestack/maintenance.html") for machine in team.machines("production")]
    team.samestack("maintenance", "production", on=True)
    assert all(page.exists for page in pages)
    team.samestack("maintenance", "production", off=True)
    assert not any(page.exists for page in pages)


def test_a_changed_file_is_seen(team: Team) -> None:
    site = team.machine("staging")
    folder = f"/srv/{site.app}/current/source"
    # A copy takes its place: the file itself is shared with other releases.
    site.run(f"cp -p {folder}/manage.py /root/ && (cat /root/manage.py; echo '#') >/root/new")
    site.run(f"mv /root/new {folder}/manage.py")
    try:
        said = team.samestack("releases", "staging")
    finally:
        site.run(f"mv /root/manage.py {folder}/manage.py")
    assert "source/manage.py (changed)" in said
    assert "(current) (dirty)" in said
    assert "(dirty)" not in team.samestack("releases", "staging")


def test_the_ledger_for_programs(team: Team) -> None:
    said = team.samestack("releases", "staging", json=True)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    # How each release answers is no line of the ledger's: it changes while the release serves.
    traffic = [line.pop("traffic") for line in lines if "traffic" in line]
    assert lines == team.ledger("staging")
    assert all({"before", "after", "worse"} == set(one) for one in traffic), traffic


def test_one_name_for_whoever_does_it(team: Team) -> None:
    team.clone.samestack(*team.arguments("accept", "staging"), SAMESTACK_WHO="Eve <eve@example.org>")
    assert team.ledger("staging")[-1]["who"] == "Eve <eve@example.org>"
    assert "Eve" in team.samestack("releases", "staging")


HOOK = """---
- name: The step is noted
  ansible.builtin.shell: echo {step} >> /run/hooks-of-the-tests
  changed_when: true
"""


def test_steps_of_ones_own(team: Team) -> None:
    site = team.machine("staging")
    site.run("rm -f /run/hooks-of-the-tests")
    folder = team.clone.folder / "hooks"
    folder.mkdir(exist_ok=True)
    steps = [
        "before_build",
        "after_build",
        "before_check",
        "before_migrate",
        "after_migrate",
        "before_switch",
        "after_switch",
    ]
    for step in steps:
        (folder / f"{step}.yml").write_text(HOOK.format(step=step), encoding="utf-8")
    hooks = {step: [f"hooks/{step}.yml"] for step in steps}
    team.deploy("staging", team.commit("hooks", versions.touch), release_hooks=hooks)
    assert site.run("cat /run/hooks-of-the-tests").split() == steps
    # What is live already takes none of these steps.
    team.samestack("deploy", "staging", ref="hooks", release_hooks=hooks)
    assert site.run("cat /run/hooks-of-the-tests").split()[len(steps) :] == ["before_build", "after_build"]


#: What may become of a hook: it fails, or its machine is lost (nobody listens on that port).
TROUBLES = {
    "fails": "ansible.builtin.fail: {msg: out of order}",
    "loses": "ansible.builtin.set_fact: {ansible_port: 1}",
}
AFTER_THE_FIRST_NOTICE = ["before_check", "before_migrate", "after_migrate", "before_switch", "after_switch"]
#: Each trouble once, at moments that are different ways out
ALWAYS = {("fails", "after_switch"), ("loses", "before_migrate")}


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    found = Chat()
    yield found
    found.close()


@pytest.mark.parametrize(("trouble", "step"), rest_in_soak(product(TROUBLES, AFTER_THE_FIRST_NOTICE), ALWAYS))
def test_who_was_told_that_it_begins_hears_that_it_failed(team: Team, chat: Chat, trouble: str, step: str) -> None:
    team.back_to("good")
    chat.got.clear()
    folder = team.clone.folder / "hooks"
    folder.mkdir(exist_ok=True)
    # The second task has to reach the machine.
    text = f"---\n- name: It {trouble}\n  {TROUBLES[trouble]}\n\n- name: Next\n  ansible.builtin.command: /bin/true\n"
    (folder / f"{trouble}.yml").write_text(text, encoding="utf-8")
    ref = team.commit(f"{trouble}-{step}".replace("_", "-"), versions.touch)
    hooks = {step: [f"hooks/{trouble}.yml"]}
    team.refuses("deploy", "staging", ref=ref, release_hooks=hooks, notices_urls=[chat.url])
    assert chat.types == ["info", "failure"]
    reason = "It fails: out of order" if trouble == "fails" else "staging1 cannot be reached: "
    assert f"\n  {reason}" in chat.got[-1]["message"]
