"""The command: what each verb starts, what it refuses and with which words, completion, make's aliases."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from click.testing import CliRunner

from cli import copies, inside, machines, playbook, project
from cli.__main__ import command
from cli.command import Verb
from plugins.plugin_utils.console import report

REPO = Path(__file__).resolve().parents[2]
VERBS = {name: verb for name, verb in command().commands.items() if isinstance(verb, Verb)}
STRANGE = """{{ 1 + 1 }} {% raw %} $HOME `id` "q" 'a' \\ # 😀 é: [x]"""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that verbs would have started."""
    lines: list[list[str]] = []

    def run(words: list[str]) -> int:
        lines.append(words)
        return 0

    monkeypatch.setattr(playbook, "run", run)
    return lines


def type_in(*words: str) -> Any:
    return CliRunner().invoke(command(), list(words), prog_name="samestack")


def said(*words: str) -> str:
    """What is said to words that have to be refused."""
    result = type_in(*words)
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


def variables(words: list[str]) -> dict[str, Any]:
    """The extra-vars of a command line, as Ansible reads and templates them."""
    found: dict[str, Any] = {}
    loader = DataLoader()
    for number, word in enumerate(words):
        if word == "-e":
            found |= loader.load(words[number + 1])
    return {name: Templar(loader=loader).template(value) for name, value in found.items()}


def plain(words: list[str]) -> list[str]:
    """A command line without its program, its extra-vars and the folders of its files."""
    kept = [Path(word).name if word.startswith("/") else word for word in words[1:]]
    return [word for word in kept if word != "-e" and not word.startswith("{")]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("deploy", [["-i", "inventories/dev.yml", "deploy.yml"]]),
        ("deploy staging", [["-i", "inventories/staging.yml", "deploy.yml"]]),
        ("deploy staging --rehearsal -vv --check", [
            ["-i", "inventories/rehearsal.yml", "--limit", "staging", "deploy.yml", "--check", "-vv"],
        ]),
        ("provision production --limit web2", [["-i", "inventories/production.yml", "--limit", "web2", "site.yml"]]),
        ("provision production --rehearsal --limit production1", [
            ["-i", "inventories/rehearsal.yml", "--limit", "production:&production1", "site.yml"],
        ]),
        ("provision staging -- --tags nginx --ask-vault-pass", [
            ["-i", "inventories/staging.yml", "site.yml", "--tags", "nginx", "--ask-vault-pass"],
        ]),
        ("promote", [["-i", "inventories/staging.yml", "-i", "inventories/production.yml", "promote.yml"]]),
        ("promote --rehearsal", [["-i", "inventories/rehearsal.yml", "promote.yml"]]),
        ("plan production", [
            ["-i", "inventories/production.yml", "site.yml", "--check", "--diff"],
            ["-i", "inventories/staging.yml", "-i", "inventories/production.yml", "promote.yml", "--check", "--diff"],
        ]),
        ("plan production --ref v2", [
            ["-i", "inventories/production.yml", "site.yml", "--check", "--diff"],
            ["-i", "inventories/production.yml", "deploy.yml", "--check", "--diff"],
        ]),
        ("plan production --rehearsal", [
            ["-i", "inventories/rehearsal.yml", "--limit", "production", "site.yml", "--check", "--diff"],
            ["-i", "inventories/rehearsal.yml", "promote.yml", "--check", "--diff"],
        ]),
        ("drift staging", [["-i", "inventories/staging.yml", "drift.yml"]]),
    ],
)  # fmt: skip
def test_what_is_started(started: list[list[str]], typed: str, expected: list[list[str]]) -> None:
    assert type_in(*typed.split()).exit_code == 0
    assert [plain(words) for words in started] == expected


@pytest.mark.parametrize(
    ("typed", "limits"),
    [
        ("provision production --rehearsal", ["production:!backup1"]),
        ("provision production --rehearsal --limit web", ["production:&web:!backup1"]),
        ("promote --rehearsal", ["all:!backup1"]),
        ("plan production --rehearsal", ["production:!backup1", "all:!backup1"]),
        ("provision staging --rehearsal", ["staging"]),
        ("provision production", []),
        ("promote", []),
        ("provision", []),
    ],
)
def test_a_machine_with_nothing_to_do_is_in_no_run(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, typed: str, limits: list[str]
) -> None:
    monkeypatch.setattr(playbook, "left_out", lambda: ["backup1"])
    assert type_in(*typed.split()).exit_code == 0
    assert [words[words.index("--limit") + 1] for words in started if "--limit" in words] == limits


@pytest.mark.parametrize(("idle", "made"), [([], ["backup1"]), (["backup1"], [])])
def test_the_source_is_looked_at_before_a_machine_is_made(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, idle: list[str], made: list[str]
) -> None:
    """And what keeps no backups of anybody is not made."""
    monkeypatch.chdir(REPO)
    for module in (machines, playbook):
        monkeypatch.setattr(module, "left_out", lambda: idle)
    monkeypatch.setattr(machines, "box", lambda *words: started.append(["box", *words]))
    assert type_in("rehearse").exit_code == 0
    looks = [words for words in started if "validate.yml" in " ".join(words)]
    assert [variables(words)["release_look"] for words in looks] == ["project", "project"]
    made_at = started.index(["box", "machines", "up", "dev1", "staging1", "production1", *made])
    assert all(started.index(words) < made_at for words in looks)
    started.clear()
    assert type_in("up").exit_code == 0
    kinds = [words[-1] if words[0] == "box" else plain(words)[-1] for words in started]
    assert kinds == ["tools", "validate.yml", "setup", "dev1", "dev1", "site.yml", "deploy.yml", "dev1"]


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("provision", ["dev1"]),
        ("provision production --rehearsal", ["production1"]),
        ("provision staging --rehearsal --check", []),
        ("provision staging --rehearsal -- --check", []),
        ("provision production", []),
    ],
)
def test_a_provision_gives_local_machines_their_names_of_now(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, typed: str, named: list[str]
) -> None:
    monkeypatch.setattr("box.connections.has_connection", lambda _name: True)
    monkeypatch.setattr("box.connections.has_names", lambda _name: False)
    monkeypatch.setattr(machines, "box", lambda *words: started.append(["box", *words]))
    assert type_in(*typed.split()).exit_code == 0
    # Who is refused keeps the names that serve.
    looked = [plain(words)[-1] for words in started[: len(named)]]
    assert looked == ["validate.yml" for _ in named]
    assert started[len(named) : -1] == [["box", "machines", "connect", name] for name in named]
    started.clear()
    monkeypatch.setattr("box.connections.has_names", lambda _name: True)
    assert type_in(*typed.split()).exit_code == 0
    assert ["playbooks/site.yml" in "".join(words) for words in started] == [True]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["deploy", "--ref", "v1.2", "--allow-breaking"], {"release_ref": "v1.2", "allow_breaking_migrations": True}),
        (["deploy", "--lock-wait", "10m"], {"lock_wait": "10m"}),
        (["provision", "--allow-older-engine"], {"preflight_allow_older_engine": True}),
        (["deploy", "--lock-timeout", "30s"], {"release_lock_timeout": "30s"}),
        (["deploy", "--no-restore-point"], {"release_restore_points": "never"}),
        (["deploy"], {}),
        (["rollback", "--to", "8D62fa25256d"], {"rollback_to": "8d62fa25256d"}),
        (["rollback", "--database", "restore", "--confirm"], {
            "rollback_database": "restore", "rollback_confirm": True,
        }),
        (["promote", "--accept", "a/b", "--accept", "c/d", "--reason", STRANGE], {
            "parity_accept": "a/b,c/d", "parity_reason": STRANGE,
        }),
        (["freeze", "-m", STRANGE], {"freeze_message": STRANGE}),
        (["accept", "--message", STRANGE], {"accept_message": STRANGE}),
        (["deploy", "staging", "--skip-tests", STRANGE], {"skip_tests": STRANGE.strip()}),
        (["promote", "--skip-tests", STRANGE], {"skip_tests": STRANGE.strip()}),
        (["deploy", "--ref", STRANGE], {"release_ref": STRANGE}),
        (["maintenance", "--on", "-m", STRANGE], {"maintenance_on": True, "maintenance_message": STRANGE}),
        (["maintenance", "--off"], {"maintenance_on": False}),
        (["releases", "--lines", "100"], {"releases_limit": 100}),
        (["provision", "--host-key", "SHA256:x", "--login-as", "me"], {
            "preflight_host_key_fingerprint": "SHA256:x", "preflight_bootstrap_users": ["me"],
        }),
    ],
)  # fmt: skip
def test_what_is_typed_is_data(started: list[list[str]], typed: list[str], expected: dict[str, Any]) -> None:
    assert type_in(*typed).exit_code == 0
    assert variables(started[0]) == expected


@pytest.mark.parametrize("text", [
    "000000000000", "0720", "1e3", "1.10", ".5", "1_000", "0x1f", "12:30:00", "2026-11-28", "true", "No", "null", "~",
    "[1, 2]", "- a", "{a: 1}", "{0720}", "!!int 7", "&a", "*a", "%a", " ", STRANGE,
])  # fmt: skip
def test_a_text_is_no_number_and_no_date(started: list[list[str]], text: str) -> None:
    assert type_in("freeze", "--message", text).exit_code == 0
    assert variables(started[0]) == {"freeze_message": text}


def test_the_beginning_of_a_release_is_what_was_typed(started: list[list[str]]) -> None:
    """0720 is no octal number: another release begins with 464."""
    assert type_in("rollback", "staging", "--to", "0720").exit_code == 0
    assert variables(started[0])["rollback_to"] == "0720"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("deply", "deply: there is no such verb. Did you mean `deploy`?"),
        ("deploy stagng", "stagng: there is no such environment. Did you mean `staging`?"),
        ("parity staging prodction", "prodction: there is no such environment. Did you mean `production`?"),
        ("deploy staging --alow-breaking", "Did you mean '--allow-breaking'?"),
        ("deploy --rehearsal", "dev is a local machine already"),
        ("manage dev", "there is no command. Write it after `--`: samestack manage dev -- createsuperuser"),
        ("manage dev --pass-env NOT_SET_HERE -- migrate", "--pass-env NOT_SET_HERE: this variable is not set here"),
        ("manage dev --command it's", "--command: No closing quotation"),
        ("rollback --to nonsense", "nonsense: there is no such release. An id is 12 digits"),
        ("rollback --confirm", "--confirm goes with --database restore"),
        ("rollback --database resotre", "'resotre' is not one of"),
        ("maintenance", "say which: --on shows the page"),
        ("deploy staging --skip-tests=", "say why, for the ledger"),
        ("ci init jenkins", "'jenkins' is not one of"),
        ("maintenance --off -m closed", "there is no page for it with --off"),
        ("up -- now", "up takes nothing after `--`."),
        ("releases --lines 0", "0 is not in the range"),
        ("completion tcsh", "'tcsh' is not one of"),
    ],
)
def test_what_is_refused(started: list[list[str]], typed: str, words: str) -> None:
    assert words in said(*typed.split())
    assert not started


def test_a_release_is_named_by_how_it_begins(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "releases").mkdir()
    for name in ("shop-8d62fa25256d", "shop-8dffffffffff", "shop-venv-aaaaaaaaaaaa"):
        (tmp_path / "releases" / f"{name}.tar.gz").touch()
    monkeypatch.setattr(project, "STATE", tmp_path)
    assert type_in("rollback", "--to", "8d6").exit_code == 0
    assert variables(started[0]) == {"rollback_to": "8d62fa25256d"}
    assert "Did you mean `8d62fa25256d`?" in said("rollback", "--to", "8d62fa25256x")


@pytest.mark.parametrize(
    ("status", "code"), [(0, 0), (2, 1), (1, 1), (4, 3), (6, 3), (8, 1), (99, 130), (250, 1), (-9, 137)]
)
def test_exit_codes(status: int, code: int) -> None:
    assert playbook.meaning(status) == code


@pytest.mark.parametrize("name", VERBS)
def test_help_has_an_example_and_a_page(name: str) -> None:
    result = type_in(name, "--help")
    assert result.exit_code == 0
    verb = VERBS[name]
    assert verb.examples
    for line in verb.examples:
        assert line in result.output
    assert not verb.page or (REPO / "docs" / f"{verb.page}.md").is_file()


def test_help_lists_every_verb() -> None:
    shown = type_in("--help").output
    assert all(f"\n  {name} " in shown for name in VERBS)
    assert type_in().output.startswith("Usage")


def test_nothing_heavy_is_imported_for_help() -> None:
    """Ansible alone takes half a second."""
    script = (
        "import json, sys, cli.__main__ as m\nm.command()\nprint(json.dumps([n.split('.')[0] for n in sys.modules]))"
    )
    shown = subprocess.run([sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, check=True).stdout
    imported = set(json.loads(shown))
    assert "click" in imported
    assert not {"ansible", "yaml", "jinja2", "cryptography", "rich"} & imported


def test_the_project_is_the_folder_that_it_is_called_from(tmp_path: Path) -> None:
    (tmp_path / "inventories").mkdir()
    (tmp_path / "ansible.cfg").touch()
    below = tmp_path / "src" / "app"
    below.mkdir(parents=True)
    assert project.find_project(below) == tmp_path
    assert project.find_project(Path("/")) == REPO


def test_it_is_called_through_a_link_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "samestack").symlink_to(os.path.relpath(REPO / "samestack", tmp_path / "bin"))
    done = subprocess.run(
        [tmp_path / "bin" / "samestack", "deploy", "stagng"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Did you mean `staging`?" in done.stderr


def completed(shell: str, line: str) -> list[str]:
    """What a shell offers for the last word of a line, asked as the shell asks."""
    words = line.split(" ")
    own = {
        **os.environ,
        "_SAMESTACK_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    if shell == "fish":
        own |= {"COMP_CWORD": words[-1]}
    done = subprocess.run([REPO / "samestack"], cwd=REPO, env=own, capture_output=True, text=True, check=False)
    return [row.split(",", 1)[1] for row in done.stdout.splitlines() if "," in row]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("samestack depl", ["deploy"]),
        ("samestack deploy st", ["staging"]),
        ("samestack deploy staging --allow-b", ["--allow-breaking"]),
        ("samestack rollback production --database ke", ["keep"]),
        ("samestack logs dev --host ", ["dev1"]),
        ("samestack parity dev pro", ["production"]),
        ("samestack completion z", ["zsh"]),
    ],
)
def test_completion(line: str, offered: list[str]) -> None:
    assert completed("bash", line) == offered


def test_bash_completes_it() -> None:
    script = f"""
        eval "$({REPO}/samestack completion bash)"
        COMP_WORDS=({REPO}/samestack deploy st) COMP_CWORD=2
        _samestack_completion {REPO}/samestack
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["staging"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_what_is_printed(shell: str) -> None:
    printed = subprocess.run(
        [REPO / "samestack", "completion", shell], capture_output=True, text=True, check=True
    ).stdout
    assert "_SAMESTACK_COMPLETE" in printed
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=printed, text=True, check=True)


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Make, with a front door that says what it was given."""
    shutil.copy(REPO / "Makefile", tmp_path)
    door = tmp_path / "samestack"
    door.write_text("#!/usr/bin/env python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n", encoding="utf-8")
    door.chmod(0o755)

    def call(*words: str) -> list[str]:
        done = subprocess.run(["make", "-s", *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        given: list[str] = json.loads(done.stdout)
        return given

    return call


def test_what_a_message_says_is_what_people_type(tmp_path: Path) -> None:
    """With make, Ansible's options are typed otherwise."""
    shutil.copy(REPO / "Makefile", tmp_path)
    door = tmp_path / "samestack"
    door.write_text("#!/bin/sh\necho $SAMESTACK_VERBOSE\n", encoding="utf-8")
    door.chmod(0o755)
    done = subprocess.run(["make", "-s", "deploy"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "ARGS=-v\n"
    assert report.VERBOSE in report.SAFE_AGAIN


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (["up"], ["up"]),
        ([], ["--help"]),
        (["deploy"], ["deploy", "dev"]),
        (["deploy", "ENV=staging", "REF=v1 $(x)", "REHEARSAL=1"], [
            "deploy", "staging", "--rehearsal", "--ref", "v1 $(x)",
        ]),
        (["deploy", "ENV=staging", "ARGS=-e 'a b'"], ["deploy", "staging", "--", "-e", "a b"]),
        (["promote", "REHEARSAL=1"], ["promote", "--rehearsal"]),
        (["plan", "ENV=production"], ["plan", "production"]),
        (["rollback", "ENV=production", "TO=8d62"], ["rollback", "production", "--to", "8d62"]),
        (["freeze", f"MSG={STRANGE}"], ["freeze", "dev", "--message", STRANGE]),
        (["maintenance", "ON=1", "MSG=for $5"], ["maintenance", "dev", "--on", "--message", "for $5"]),
        (["maintenance", "ON=0"], ["maintenance", "dev", "--off"]),
        (["manage", f"CMD=shell -c '{STRANGE[:20]}'"], ["manage", "dev", "--command", f"shell -c '{STRANGE[:20]}'"]),
        (["parity", "A=staging", "B=dev", "OFFLINE=1", "SINCE=2 days", "FORMAT=json", "ALL=1"], [
            "parity", "staging", "dev", "--offline", "--since", "2 days", "--all", "--json",
        ]),
        (["logs", "ENV=production"], ["logs", "production"]),
    ],
)  # fmt: skip
def test_make_says_the_same(make: Any, typed: list[str], given: list[str]) -> None:
    assert make(*typed) == given


@pytest.mark.parametrize(
    "name",
    [
        "ENV",
        "REHEARSAL",
        "REF",
        "TO",
        "CMD",
        "MSG",
        "ON",
        "ARGS",
        "A",
        "B",
        "OFFLINE",
        "SINCE",
        "ALL",
        "FORMAT",
        "OTHER",
    ],
)
def test_no_word_is_code_to_make_or_a_shell(make: Any, tmp_path: Path, name: str) -> None:
    """Of a CI job, a branch's name or a message is such a word, and the vault's password is beside it."""
    door, code = tmp_path / "samestack", f"touch {tmp_path}/got-through"
    door.write_text(f"#!/bin/sh\necho $1 >> {tmp_path}/came\n", encoding="utf-8")
    verbs = ["deploy", "promote", "rollback", "freeze", "maintenance", "parity", "manage", "logs", "provision"]
    for value in (
        f"$(shell {code})",
        f"$({code})",
        f"`{code}`",
        f"; {code}; #",
        f"'; {code}; '",
        f'"; {code}; "',
        f"a\n{code}",
    ):
        # All verbs in one call; a word that stops one of them (ARGS with a quote left open) stops no other.
        call = functools.partial(subprocess.run, cwd=tmp_path, capture_output=True, check=False)
        call(["make", "-sk", *verbs, f"{name}={value}"])
        came = (tmp_path / "came").read_text(encoding="utf-8").split()
        assert came == verbs if name != "ARGS" else set(came) <= set(verbs), value
        call(["make", "-skn", *verbs, f"{name}={value}"])
        call(["make", "-s", "-e", "deploy"], env=os.environ | {name: value})
        (tmp_path / "came").unlink()
    assert not (tmp_path / "got-through").exists()


@pytest.mark.parametrize("name", ["ENV", "A", "B"])
def test_an_environment_is_no_option(make: Any, name: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        make("parity" if name != "ENV" else "deploy", f"{name}=--allow-breaking")


@pytest.mark.parametrize(
    "text",
    ["\u2028\x85 a\x9b31m \x7f", "\u202ereverse", "\ufeff bom", "{{ lookup('pipe', 'id') }}", "a: !x\n- b", "😀"],
)
def test_ansible_reads_every_letter_as_it_was_typed(started: list[list[str]], text: str) -> None:
    assert type_in("freeze", "staging", "--message", text).exit_code == 0
    assert variables(started[0])["freeze_message"] == text


def test_make_has_every_verb(make: Any) -> None:
    for name in set(VERBS) - {"completion"}:
        given = make(name)
        assert given[0] == name
        context = click.Context(command(), info_name="samestack")
        if name not in {"maintenance"}:
            VERBS[name].make_context(name, given[1:], parent=context)


def test_answers_for_programs_are_found_behind_the_name_of_their_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "says"
    program.write_text("#!/bin/sh\necho 'Play: x'; echo 'web-1.net: {\"a\": 1}'; echo '{\"b\": 2}'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(playbook.Run, "arguments", lambda *_, **__: [str(program)])
    assert playbook.Run("staging").lines("releases", "{") == ['{"a": 1}', '{"b": 2}']


def test_nobody_rotates_what_is_no_secret_or_a_part_of_the_machines() -> None:
    assert "databse: there is no such secret. Did you mean `database`?" in said("rotate", "staging", "databse")
    assert "would be cut off" in said("rotate", "staging", "ca", "--limit", "web1")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["restore", "staging"], "or --from production"),
        (["restore", "staging", "--from", "staging"], "that is where the data goes"),
        (["restore", "production", "--from", "staging"], "nobody else's data"),
        (["restore", "staging", "--from", "dev"], "stays there"),
        (["pull", "dev"], "where the data goes"),
        (["pull", "staging", "--rehearsal", "--into", "staging"], "where the data comes from"),
        (["load", "there-is-none.sql"], "there is no such file"),
        (["load", "dump.sql", "staging"], "./samestack dbshell staging --as owner < dump.sql"),
        (["dump", "staging", "--output", "shop.sql"], "Name it shop.pgdump"),
        (["sanitise", "inti"], "'inti' is not one of"),
    ],
)
def test_data_goes_nowhere_by_a_slip(words: list[str], part: str) -> None:
    assert part in said(*words)


def test_nothing_is_replaced_unless_somebody_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a terminal there is nobody to ask, and the way to say it is printed. An empty database needs no word."""
    played: list[str] = []
    there = {"size": "8 MB", "tables": 5}
    monkeypatch.setattr(copies, "content", lambda _on: there)
    monkeypatch.setattr(copies, "STATE", tmp_path)
    monkeypatch.setattr(playbook.Run, "play", lambda on, name, *_, **__: played.append(f"{name} {on.environment}"))
    result = type_in("restore", "staging", "--from", "production", "--rehearsal")
    assert result.exit_code == 1
    assert "8 MB, 5 tables of which have rows" in result.output
    assert "--confirm" in result.output
    assert played == []
    assert type_in("restore", "staging", "--from", "production", "--confirm").exit_code == 0
    there["tables"] = 0
    assert type_in("pull", "production").exit_code == 0
    assert played == ["copy production", "load staging", "copy production", "load dev"]
    assert list((tmp_path / "copies").iterdir()) == []


def test_what_runs_that_were_cut_off_left_on_this_computer_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "STATE", tmp_path)
    folder = tmp_path / "copies"
    folder.mkdir(mode=0o755)
    gone = folder / "production-20260101T000000-4194999.pgdump.uploads"
    busy = folder / f"staging-20260101T000000-{os.getpid()}.pgdump"
    for file in (gone, busy):
        file.write_text("rows", encoding="utf-8")
    with copies.own_copy("production") as file:
        file.write_text("rows", encoding="utf-8")
        assert sorted(folder.iterdir()) == sorted([busy, file])
        assert folder.stat().st_mode & 0o77 == 0
        busy.unlink()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("live", "words"), [("/srv/live", ["-k", STRANGE]), ("", [])])
def test_the_projects_tests_run_where_live_code_is(
    monkeypatch: pytest.MonkeyPatch, live: str, words: list[str]
) -> None:
    gone: list[list[str]] = []

    class Dev:
        def __init__(self, environment: str) -> None:
            assert environment == "dev"
            self.variables = {"app_name": "shop", "app_live_path": live, "app_test_command": "pytest -q"}

        def become(self, remote: list[str]) -> None:
            gone.append(remote)

    monkeypatch.setattr(inside, "Place", Dev)
    done = type_in("app-test", "--", *words)
    if live:
        assert gone == [["sudo", "/usr/local/bin/shop-manage", "--tests", "pytest -q", *words]]
    else:
        assert done.exit_code == 1
        assert "Set app_live_path in inventories/group_vars/dev/differences.yml" in done.output
        assert not gone
