"""From a clean clone to the running site and back, in the words of the README."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.clone import suite
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.support.clone import Clone

TEMPLATE = "examples/noticeboard/board/templates/board/home.html"
CODE = "examples/noticeboard/board/views.py"
#: Seconds until a saved file has to be served
SAVED = 2
TRIES = 4


def test_up_ends_with_an_address(up: str) -> None:
    assert re.search(r"dev1 serves https://noticeboard\.test", up)


def test_the_page_comes_from_postgresql(clone: Clone, up: str) -> None:
    page = clone.browser(up).get("/")
    assert page.status == 200
    assert "PostgreSQL" in page.text


def test_curl_as_printed(up: str) -> None:
    command = re.search(r"curl --cacert \S+ https://\S+", up)
    assert command
    done = subprocess.run([*command[0].split(), "-sSf"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "PostgreSQL" in done.stdout


@pytest.mark.usefixtures("up")
def test_up_again_changes_nothing(clone: Clone) -> None:
    output = clone.samestack("up")
    assert len(re.findall("(?i)nothing changed", output)) == 2, output[-3000:]
    assert "Changed on" not in output


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize("folder", ["tests/infra", "tests/site/noticeboard"])
def test_the_machine_is_as_the_inventory_says(clone: Clone, folder: str) -> None:
    done = suite(clone, folder)
    assert done.returncode == 0, done.stdout[-6000:]


def served_after(clone: Clone, up: str, name: str, old: str, new: str) -> float:
    """Save a change, wait until it is served, take it back; returns the seconds that people waited."""
    browser = clone.browser(up)
    file = clone.folder / name
    before = file.read_text(encoding="utf-8")
    assert old in before
    try:
        file.write_text(before.replace(old, new, 1), encoding="utf-8")
        saved = time.monotonic()
        wait_for(f"the change in {name}", lambda: "edited-just-now" in browser.get("/").text, 10)
        took = time.monotonic() - saved
    finally:
        file.write_text(before, encoding="utf-8")
    wait_for(
        "the file as it was",
        lambda: "edited-just-now" not in (page := browser.get("/")).text and page.status == 200,
        10,
    )
    return took


def served_in_time(clone: Clone, up: str, name: str, old: str, new: str) -> None:
    """Expect that a saved file is served in time; other tests keep this computer busy, so the best of a few counts."""
    took = [served_after(clone, up, name, old, new)]
    while took[-1] > SAVED and len(took) < TRIES:
        took.append(served_after(clone, up, name, old, new))
    assert min(took) <= SAVED, took


def test_a_saved_template_is_served_at_once(clone: Clone, up: str) -> None:
    served_in_time(clone, up, TEMPLATE, "{% block content %}", "{% block content %}edited-just-now")


def test_saved_code_is_served_at_once(clone: Clone, up: str) -> None:
    old = 'server = self.request.META.get("SERVER_SOFTWARE", "")'
    served_in_time(clone, up, CODE, old, 'server = "edited-just-now"')


@pytest.mark.usefixtures("up")
def test_new_files_belong_to_the_folders_owner(clone: Clone) -> None:
    folder = clone.folder / "examples/noticeboard/board/migrations"
    before = set(folder.iterdir())
    clone.samestack("manage", "--", "makemigrations", "board", "--empty", "--name", "from_tests")
    new = {path for path in folder.iterdir() if path.suffix == ".py"} - before
    assert len(new) == 1
    for path in new:
        assert path.stat().st_uid == folder.stat().st_uid
        path.unlink()


@pytest.mark.usefixtures("up")
def test_a_command_says_its_bytes_and_nothing_else(clone: Clone) -> None:
    """From a terminal into a file, as a person types it: no carriage return, no terminal's codes."""
    line = "stty -echo 2>/dev/null; ./samestack manage dev -- dumpdata board > dumped.json"
    status, _ = pty_run(clone.folder, line)
    assert status == 0
    dumped = (clone.folder / "dumped.json").read_bytes()
    (clone.folder / "dumped.json").unlink()
    assert b"\r" not in dumped
    assert json.loads(dumped)


@pytest.mark.usefixtures("up")
def test_what_travels_with_a_command(clone: Clone) -> None:
    """A password by the environment: Django has it, and no list of processes, file or log."""
    quoted = 'It\'s $HOME, "quoted"'
    words = ["createsuperuser", "--noinput", "--username", "traveller", "--email", "t@example.org"]
    clone.samestack("manage", "dev", "--", *words, DJANGO_SUPERUSER_PASSWORD=quoted)
    ask = (
        "import os; from django.contrib.auth import authenticate as a; "
        "print('known' if a(username='traveller', password=os.environ['SECRET']) else 'unknown')"
    )
    said = clone.samestack("manage", "dev", "--pass-env", "SECRET", "--", "shell", "-c", ask, SECRET=quoted)
    assert "known" in said.splitlines()
    assert clone.run("./samestack", "manage", "dev", "--", "no_such_command") not in (0, 255)
    left = "ls /run/samestack-manage.* 2>/dev/null; sudo journalctl | grep -c 'HOME, .*quoted'"
    assert clone.run("./samestack", "shell", "dev", stdin=left + "\n") is not None
    assert clone.output.strip().splitlines()[-1] == "0"


@pytest.mark.usefixtures("up")
def test_the_database_shell(clone: Clone) -> None:
    assert clone.run("./samestack", "dbshell", stdin="select 6 * 7 as answer;\n") == 0
    assert "42" in clone.output


@pytest.mark.usefixtures("up")
def test_a_halted_machine_comes_back(clone: Clone, up: str) -> None:
    clone.samestack("down")
    with pytest.raises(OSError, match=r"."):
        clone.browser(up).get("/")
    clone.samestack("up")
    assert clone.browser(up).get("/").status == 200


def pty_run(folder: Path, line: str) -> tuple[int, str]:
    """Run a line of shell on a terminal of its own; returns its status and what the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvp("sh", ["sh", "-c", line])
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(errors="replace")


def no_code(folder: Path) -> dict[str, object]:
    folder.mkdir()
    return {"app_source": {"type": "path", "path": str(folder)}}


BAD_INPUT = {
    "an unknown variable": ({"app_nmae": "x"}, "provision", r"app_nmae.*app_name"),
    "a name that is none": (
        {"app_name": "9 lives"},
        "provision",
        r"app_name = 9 lives \(in inventories/group_vars/all/app\.yml",
    ),
    "no such settings": ({"app_settings_module": "noticeboard.nothing"}, "deploy", r"noticeboard\.nothing"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_and_the_site_stays(clone: Clone, up: str, case: str) -> None:
    """What unit tests cannot see: that a whole run stops in time, and says what to do."""
    variables, verb, message = BAD_INPUT[case]
    clone.decide(**variables)
    refused_and_served(clone, up, verb, message)


def test_a_domain_that_is_none(clone: Clone, up: str) -> None:
    clone.decide(app_static_domain="no domain")
    refused_and_served(
        clone, up, "provision", r"app_static_domain = no domain \(in inventories/group_vars/all/app\.yml"
    )


def test_a_source_without_code(clone: Clone, up: str, tmp_path: Path) -> None:
    clone.decide(**no_code(tmp_path / "empty"))
    refused_and_served(clone, up, "deploy", r"manage\.py")


def test_a_ref_that_does_not_exist(clone: Clone, up: str) -> None:
    clone.decide(app_source={"type": "git", "url": str(clone.folder), "ref": "main"})
    clone.decide("dev/differences.yml", app_live_path="")
    refused_and_served(clone, up, "deploy --ref no-such-branch", r"no-such-branch")


def test_a_lock_that_does_not_match(clone: Clone, up: str) -> None:
    project = clone.folder / "examples/noticeboard/pyproject.toml"
    before = project.read_text(encoding="utf-8")
    project.write_text(before.replace('"redis>=5.2"', '"redis>=5.2", "tablib"'), encoding="utf-8")
    try:
        refused_and_served(clone, up, "deploy", r"uv\.lock")
    finally:
        project.write_text(before, encoding="utf-8")


def refused_and_served(clone: Clone, up: str, words: str, message: str) -> None:
    """Expect that a verb stops with a message in one paragraph, and that the site is served as before."""
    try:
        said = clone.refuses(*words.split())
    finally:
        clone.undo()
    assert re.search(message, said), said[-3000:]
    # Where live code was touched, its server is just starting anew.
    wait_for("the site is served", lambda: clone.browser(up).get("/").status == 200, 5)


def test_no_such_environment(clone: Clone) -> None:
    assert "Did you mean `production`?" in clone.refuses("deploy", "prodcution")
    assert clone.run("make", "deploy", "ENV=dev", "REHEARSAL=1") != 0
    assert "dev is a local machine" in clone.output


@pytest.mark.usefixtures("up")
def test_a_run_that_is_killed_can_be_run_again(clone: Clone, up: str) -> None:
    """The control process dies in the middle; the next run finishes, and the one after that changes nothing."""
    clone.decide(app_extra_requirements=["tablib"], app_timers={})
    try:
        for seconds in (6, 10):
            process = subprocess.Popen(
                ["make", "provision", "deploy"], cwd=clone.folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            time.sleep(seconds)
            os.killpg(process.pid, 9)
            process.wait()
        clone.samestack("provision")
        clone.samestack("deploy")
        assert clone.browser(up).get("/").status == 200
        assert len(re.findall("(?i)nothing changed", clone.make("provision", "deploy"))) == 2
    finally:
        clone.undo()


@pytest.mark.usefixtures("up")
def test_destroy_leaves_nothing(clone: Clone) -> None:
    # Other clones have machines of the same name.
    prefix = json.loads((clone.folder / ".samestack/provider.json").read_text(encoding="utf-8"))["container_prefix"]
    clone.samestack("destroy")
    assert str(clone.folder) not in Path("/etc/hosts").read_text(encoding="utf-8")
    assert not (clone.folder / ".samestack/ssh_config").exists()
    assert not (clone.folder / ".vagrant").exists()
    root = [] if os.geteuid() == 0 else ["sudo"]
    containers = subprocess.run([*root, "lxc-ls", "-1"], capture_output=True, text=True, check=False).stdout
    assert [name for name in containers.split() if name.startswith(prefix)] == []
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert [line for line in processes.splitlines() if str(clone.folder) in line and "pytest" not in line] == []
