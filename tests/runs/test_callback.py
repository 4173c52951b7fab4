"""What a run looks like, seen from outside: each test starts a real ansible-playbook and reads what it printed."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
OWN_ERROR = (
    "app_name = '9x' (in inventories/group_vars/all/app.yml): starts with a digit. Write a name such as noticeboard."
)
# A module that returns what it is told to return.
ANSWER = """\
#!/usr/bin/python
# WANT_JSON
import json, sys
print(json.dumps(json.load(open(sys.argv[1]))["result"]))
"""


class Project:
    """A folder with an ansible.cfg that uses our callback, local hosts, and whatever files a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.timings = folder / "timings"
        self.write(
            "ansible.cfg",
            f"""
            [defaults]
            inventory = inventory.yml
            collections_path = {REPO / ".samestack/collections"}
            stdout_callback = samestack.core.samestack
            library = library
            interpreter_python = {sys.executable}
            localhost_warning = false
            [ssh_connection]
            pipelining = true
            """,
        )
        self.write("library/answer.py", ANSWER)
        self.hosts("dev1")

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"))

    def hosts(self, *names: str, **variables: object) -> None:
        own = {"ansible_connection": "local", **variables}
        self.write("inventory.yml", json.dumps({"all": {"hosts": dict.fromkeys(names, own)}}))

    def tasks(self, text: str) -> None:
        self.write("tasks.yml", text)
        self.write(
            "site.yml", "- {name: Provision, hosts: all, gather_facts: false, tasks: [{import_tasks: tasks.yml}]}\n"
        )

    def command(self, *options: str) -> list[str]:
        return [str(PLAYBOOK), "site.yml", *options]

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "NO_COLOR"))}
        home = {"HOME": str(self.folder), "SAMESTACK_TIMINGS_DIR": str(self.timings), "ANSIBLE_CONFIG": "ansible.cfg"}
        return {**kept, **home, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}

    def run(self, *options: str, code: int = 0) -> str:
        """Run the playbook through pipes; return stdout and stderr, which must hold no control character."""
        done = subprocess.run(
            self.command(*options),
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert not CONTROL.search(done.stdout)
        return done.stdout + done.stderr

    def run_on_terminal(self, columns: int, *options: str, **env: str) -> str:
        """Run the playbook on a pseudo terminal; return everything it wrote there."""
        terminal, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            self.command(*options),
            cwd=self.folder,
            env={**self.env, **env},
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)
        written = bytearray()
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            written += piece
        process.wait(timeout=20)
        os.close(terminal)
        return written.decode()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def shown(written: str) -> list[str]:
    """Return the lines that a terminal shows after all of `written`: it knows CR, LF, erase-to-end and colours."""
    lines, column = [""], 0
    for piece in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[\s\S]", written):
        if piece == "\n":
            lines.append("")
            column = 0
        elif piece == "\r":
            column = 0
        elif piece == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif not piece.startswith("\x1b"):
            lines[-1] = lines[-1][:column] + piece + lines[-1][column + 1 :]
            column += 1
    return lines


def test_a_run_tells_what_changed_and_what_modules_say(project: Project) -> None:
    project.write(
        "roles/host/tasks/main.yml",
        """
        - name: Packages are present
          answer: {result: {changed: true}}
        - name: The clock is right
          answer: {result: {changed: false, say: ["Detected Django 5.2", "by manage.py"], warnings: [old clock]}}
        - name: Folders exist
          answer: {result: {changed: "{{ item != 'b' }}"}}
          loop: [a, b, c]
        - name: Skipped
          answer: {result: {changed: true}}
          when: false
        - name: Told
          ansible.builtin.debug: {msg: "Open \\x1b[31mhttps://noticeboard.test\\x1b[0m"}
        - name: Counted
          ansible.builtin.debug: {var: inventory_hostname}
        """,
    )
    project.write("site.yml", "- {name: Provision, hosts: all, gather_facts: false, roles: [host]}")
    out = project.run()
    assert "Play: Provision\nRole: host" in out
    assert re.search(r"^  changed  dev1  host : Packages are present  \d+\.\d s$", out, re.M)
    assert re.search(r"^  changed  dev1  host : Folders exist \(a, c\)  ", out, re.M)
    assert "\nDetected Django 5.2\nby manage.py\n" in out
    assert "\nOpen https://noticeboard.test\n" in out
    assert "\ninventory_hostname = dev1\n" in out
    assert out.count("Warning: ") == out.count("old clock") == 1
    assert out.index("Warning: ") > out.index("Folders exist")
    assert "Changed on dev1: host 2\n" in out
    assert re.search(r"^Done in .* 5 remote tasks\.$", out, re.M)
    assert "The clock is right" not in out.split("Slowest steps")[0]
    assert "Skipped" not in out
    (timings,) = project.timings.glob("site-*.json")
    assert [name for name, _ in json.loads(timings.read_text())["steps"]][:2] == [
        "host : Packages are present",
        "host : The clock is right",
    ]


def test_nothing_changed_is_said_plainly(project: Project) -> None:
    project.tasks("- answer: {result: {changed: false}}")
    out = project.run()
    assert out.startswith("Play: Provision\n\nNothing changed on dev1.\n")
    assert "1 remote task.\n" in out


def test_of_machines_that_were_not_asked_nothing_is_said(project: Project) -> None:
    """What is looked at before a machine is made is not unchanged on it."""
    project.tasks("- answer: {result: {changed: false, remote_calls: 0}}")
    out = project.run()
    assert "dev1" not in out
    assert re.search(r"^Done in .* s, on this computer alone\.$", out, re.M)


def test_a_failure_says_what_where_why_and_what_to_do(project: Project) -> None:
    project.hosts("h1", "h2", "h3", "h4", "h5")
    project.write(
        "trace.txt",
        "\n".join(["Traceback (most recent call last):", *(f"  line {n}" for n in range(40)), "KeyError: 1"]),
    )
    project.tasks(
        f"""
        - name: Own error
          ansible.builtin.fail: {{msg: "{OWN_ERROR}"}}
          when: inventory_hostname == 'h1'
        - name: With a hint
          answer: {{result: {{failed: true, msg: The disk is full, hint: Free 2 GB on /srv}}}}
          when: inventory_hostname == 'h2'
        - name: The app imports
          ansible.builtin.command: sh -c 'cat {project.folder}/trace.txt >&2; exit 3'
          when: inventory_hostname == 'h3'
        - name: Each port is free
          answer: {{result: {{failed: "{{{{ item.name == 'web' }}}}", msg: taken}}}}
          loop: [{{name: db}}, {{name: web}}]
          when: inventory_hostname == 'h4'
        - name: It answers
          answer: {{result: {{changed: false}}}}
          retries: 2
          delay: 0
          until: false
          when: inventory_hostname == 'h5'
        """
    )
    out = project.run(code=2)
    assert f"Failed on h1: Own error\n  {OWN_ERROR}\n  Where: tasks.yml:1\n\n" in out
    assert (
        "Failed on h2: With a hint\n  Why:   The disk is full\n  Where: tasks.yml:4\n  To do: Free 2 GB on /srv\n"
        in out
    )
    assert re.search(r"Failed on h3: The app imports\n  Why:   `sh -c .*` ended with code 3:\n", out)
    assert "line 30" in out and "KeyError: 1" in out and "line 20" not in out and "lines left out" in out
    assert "Failed on h4: Each port is free\n  Why:   item web: taken\n" in out
    assert re.search(r"Failed on h5: It answers \(3 tries in", out)
    assert "with -v" in out and "running it again is safe" in out
    assert "Failed: h1: Own error\n" in out
    assert re.search(r"^Stopped by a failure after", out, re.M)
    assert not project.timings.exists()


def test_ignored_and_rescued_failures_are_no_failures(project: Project) -> None:
    project.tasks(
        """
        - name: May fail
          ansible.builtin.fail: {msg: no matter}
          ignore_errors: true
        - block:
            - block:
                - name: Falls
                  ansible.builtin.fail: {msg: caught}
          rescue:
            - name: Gets up
              ansible.builtin.debug: {msg: rescued it}
        """
    )
    out = project.run()
    assert "  ignored  dev1  May fail: no matter\n" in out
    assert "  rescued  dev1  Falls: caught\n" in out
    assert "Failed" not in out


def test_an_unreachable_host_shows_the_reason_of_ssh(project: Project) -> None:
    project.hosts("box1", ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1, ansible_user="me")
    project.tasks("- {name: It answers, ansible.builtin.ping: }")
    out = project.run(code=4)
    assert "Cannot reach box1: It answers\n  Why:   " in out
    assert "refused" in out.lower()
    assert "ssh -p 1 -l me 127.0.0.1" in out
    assert "Failed: box1: cannot be reached\n" in out


def test_secrets_stay_hidden(project: Project) -> None:
    project.tasks(
        """
        - name: Changed in secret
          answer: {result: {changed: true, say: hunter2, warnings: [hunter2], diff: {before: "", after: hunter2}}}
          no_log: true
        - name: Fails in secret
          answer: {result: {failed: "{{ item == 'hunter2' }}", msg: "bad {{ item }}"}}
          loop: [a, hunter2]
          no_log: true
        """
    )
    out = project.run("--diff", code=2)
    assert "hunter2" not in out
    assert "  changed  dev1  Changed in secret" in out
    assert "The output of this step holds secrets and is hidden." in out
    assert "Read tasks.yml:4 to see what it does" in out


def test_check_mode_shows_what_would_change_with_its_diff(project: Project) -> None:
    project.tasks(
        """
        - name: The file is there
          ansible.builtin.copy: {content: "new line\\n", dest: "{{ playbook_dir }}/file", mode: "0644"}
        """
    )
    out = project.run("--check", "--diff")
    assert out.startswith("Check mode: ")
    assert re.search(r"  would change  dev1  The file is there.*\n(.*\n)*    \+new line\n", out)
    assert "Would change on dev1: tasks 1\n" in out
    assert not (project.folder / "file").exists()


def test_verbose_output_is_all_of_ansibles_own(project: Project) -> None:
    project.tasks(
        """
        - {name: Told, ansible.builtin.debug: {msg: hello}}
        - {name: Each, ansible.builtin.fail: {msg: no}, loop: [a, b], when: item == 'b'}
        """
    )
    out = project.run("-v", code=2)
    for words in (
        "PLAY [Provision] ***",
        "TASK [Told] ***",
        "ok: [dev1] => {",
        "skipping: [dev1] => (item=a)",
        "failed: [dev1] (item=b) => {",
        "PLAY RECAP ***",
    ):
        assert words in out
    assert "Stopped by" not in out and "Where:" not in out


def test_a_terminal_shows_a_bar_and_keeps_no_trace_of_it(project: Project) -> None:
    project.tasks(
        """
        - name: A step with a name that is much too long for a narrow terminal, so that it has to be shortened
          answer: {result: {changed: true}}
        - name: The last one
          ansible.builtin.debug: {msg: hello}
        """
    )
    first = project.run_on_terminal(80)
    assert "step 1  0 s  A step with a name" in first
    assert "\x1b[0;33m  changed\x1b[0m  dev1" in first
    second = project.run_on_terminal(70)
    frames = [shown(frame)[0] for frame in re.findall(r"\r\x1b\[K([^\r\n]*)", second)]
    bars = [frame for frame in frames if " left  " in frame]
    assert re.match(r"─+  1/2  about \d+ s left  A step with.*…$", bars[0])
    assert re.match(r"━+─+  2/2  about \d+ s left  The last one$", bars[-1])
    assert all(len(bar) < 70 for bar in bars)
    lines = shown(second)
    assert not [line for line in lines if " left  " in line or "━" in line or "─" in line]
    assert lines[0].startswith("  changed  dev1  A step with")
    assert lines[1] == "hello"
    assert lines[-2].startswith("Done in ") and lines[-1] == ""


def test_without_colours_a_terminal_gets_none(project: Project) -> None:
    project.tasks("- {name: Step, answer: {result: {changed: true, warnings: [mind this]}}}")
    plain = project.run_on_terminal(80, NO_COLOR="1", TERM="dumb")
    assert not re.search(r"\x1b", plain)
    assert "Warning: mind this" in plain


def test_an_error_of_ours_ends_in_ansibles_own_output(project: Project) -> None:
    project.write(
        "callbacks/broken.py",
        """
        from ansible_collections.samestack.core.plugins.callback import samestack as ours
        DOCUMENTATION = ours.DOCUMENTATION.replace("name: samestack", "name: broken")

        class CallbackModule(ours.CallbackModule):
            CALLBACK_NAME = "broken"

            def _tell_change(self, result, seconds):
                raise KeyError("sabotage")
        """,
    )
    config = project.folder / "ansible.cfg"
    config.write_text(
        config.read_text().replace(
            "stdout_callback = samestack.core.samestack", "stdout_callback = broken\ncallback_plugins = callbacks"
        )
    )
    project.tasks(
        "- {name: Step, answer: {result: {changed: true}}}\n- {name: Next, answer: {result: {changed: false}}}"
    )
    out = project.run()
    assert out.count("The samestack callback failed (KeyError: 'sabotage')") == 1
    assert "changed: [dev1]" in out and "TASK [Next]" in out and "PLAY RECAP" in out


def test_an_interrupted_run_says_that_it_can_be_run_again(project: Project) -> None:
    project.timings.write_text("a file where a folder should be")
    project.tasks(
        "- {name: First, answer: {result: {changed: true}}}\n- {name: Long, ansible.builtin.command: sleep 20}"
    )
    process = subprocess.Popen(
        project.command(),
        cwd=project.folder,
        env=project.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    # The line about the first step comes at once, not when a buffer is full.
    while "First" not in process.stdout.readline():
        pass
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=20)
    assert "Stopped before the end, at: Long\nRunning the same command again is safe" in out
    assert "Traceback" not in out + errors
