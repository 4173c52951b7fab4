"""The pipelines that `samestack ci init` writes, and the script that all of them run: without any of the services."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from cli import pipelining
from cli.__main__ import command

REPO = Path(__file__).resolve().parents[2]
SERVICES = sorted(pipelining.FILES)
#: What a branch may be called, and a message say
HOSTILE = 'x$(touch pwned)`touch pwned`";touch pwned;{{ 7*7 }}'
#: What a service puts into a text before a shell reads it
FILLED_IN = re.compile(r"\$\{\{.*?\}\}")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
VAULT, OTHER = "vault-of-staging", "vault-of-production"
# Stands for the project's command: writes down what it is given, and what is within its reach.
RECORDER = """#!/bin/sh
{
    echo "argv $*"
    ssh-add -l 2>&1 | sed 's/^/agent /'
    echo "who ${SAMESTACK_WHO:-}"
    if [ -t 0 ] || read -r word; then echo "input"; fi
    env | sed -n 's/^SAMESTACK_\\(SSH\\|VAULT\\)/left &/p'
    for one in $(echo "${ANSIBLE_VAULT_IDENTITY_LIST:-}" | tr , ' '); do
        echo "vault ${one%%@*} $(stat -c %a "${one#*@}") $(cat "${one#*@}") ${one#*@}"
    done
} >> calls
case " $* " in *" ${FAILS:-none} "*) exit 1 ;; esac
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a folder of somebody's repository."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    folder = tmp_path / "samestack"
    (folder / "inventories").mkdir(parents=True)
    (folder / "inventories" / "known_hosts").write_text("staging1 ssh-ed25519 AAAA\n")
    (folder / "samestack").write_text(RECORDER)
    (folder / "samestack").chmod(0o755)
    monkeypatch.setattr(pipelining, "PROJECT", folder)
    return folder


def write(*words: str) -> Any:
    return CliRunner().invoke(command(), ["ci", "init", *words], prog_name="samestack")


def key(folder: Path, phrase: str = "") -> str:
    path = folder / f"key{len(phrase)}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-f", str(path), "-C", "ci"], check=True)
    return path.read_text()


def run(project: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a service does, with nothing of the caller's environment."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(project), "TMPDIR": str(project)}
    script = [str(project / "ci" / "samestack.sh"), *words]
    return subprocess.run(
        script, env=clean | environment, cwd="/", capture_output=True, text=True, check=False, timeout=60,
        input="typed by nobody\n" * 9,
    )  # fmt: skip


def calls(project: Path) -> list[tuple[str, str]]:
    """What the project's command was given, and saw."""
    lines = (project / "calls").read_text().splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def told(project: Path, kind: str) -> list[str]:
    return [rest for word, rest in calls(project) if word == kind]


def commands(node: Any) -> list[str]:
    """Every text of a pipeline that a shell reads."""
    if isinstance(node, list):
        return [found for one in node for found in commands(one)]
    if not isinstance(node, dict):
        return []
    own = [node[name] for name in ("run", "script", "before_script") if name in node]
    texts = [line for part in own for line in (part if isinstance(part, list) else [part])]
    return [*texts, *(found for one in node.values() for found in commands(one))]


@pytest.mark.parametrize("service", SERVICES)
def test_a_pipeline_of_each_service(project: Path, service: str) -> None:
    done = write(service, "--branch", "trunk")
    assert done.exit_code == 0, done.output
    file = project.parent / pipelining.FILES[service]
    text = file.read_text()
    run_there = commands(yaml.safe_load(text))
    assert "samestack/ci/samestack.sh deploy" in run_there
    assert "samestack/ci/samestack.sh promote" in run_there
    assert "trunk" in text
    assert not re.search(r"\b(BRANCH|FOLDER)\b", text)
    # Each names the same secrets, and no other.
    assert set(re.findall(r"\bSAMESTACK_\w+", text)) == set(pipelining.SECRETS)
    # What a service knows of a run is in no text that a shell reads: not the name of a branch, not a message.
    assert not [line for line in run_there if FILLED_IN.search(line) or "$" in line]
    assert all(name in done.output for name in pipelining.SECRETS)
    assert os.access(project / "ci" / "samestack.sh", os.X_OK)
    # Again, and nothing is new.
    assert write(service, "--branch", "trunk").exit_code == 0
    assert file.read_text() == text


@pytest.mark.parametrize("service", SERVICES)
def test_production_is_a_tag_or_a_click(service: str) -> None:
    text = (pipelining.PIPELINES / f"{service}.yml").read_text()
    content = yaml.safe_load(text)
    assert "manual" in text or "workflow_dispatch" in text
    if service == "bitbucket":
        assert list(content["pipelines"]["tags"]) == ["v*"]
        assert [one["step"].get("trigger") for one in content["pipelines"]["branches"]["BRANCH"]] == [None, "manual"]
    elif service == "gitlab":
        assert [rule.get("when") for rule in content["production"]["rules"]] == [None, "manual"]
        assert content[".samestack"]["resource_group"]
    else:
        assert content[True]["push"]["tags"] == ["v*"]
        assert content["concurrency"]["cancel-in-progress"] is False
        # Whoever may start it may not do so with a branch of theirs.
        for job, event in (("staging", "push"), ("production", "workflow_dispatch")):
            condition = f"github.event_name == '{event}' && github.ref == 'refs/heads/BRANCH'"
            assert condition in content["jobs"][job]["if"]
        assert "startsWith(github.ref, 'refs/tags/v')" in content["jobs"]["production"]["if"]
        assert "pull_request" not in text


def test_the_names_of_a_services_own_variables_stay(project: Path) -> None:
    assert write("gitlab", "--branch", "trunk").exit_code == 0
    rules = yaml.safe_load((project.parent / ".gitlab-ci.yml").read_text())
    condition = '$CI_COMMIT_BRANCH == "trunk" && $CI_PIPELINE_SOURCE == "push"'
    assert rules["staging"]["rules"] == [{"if": condition}]
    assert rules["production"]["rules"][1]["if"] == condition


@pytest.mark.parametrize("branch", ["4.10", "1_000", "null", "0x10"])
def test_a_branch_that_yaml_would_take_for_something_else(project: Path, branch: str) -> None:
    found = {}
    for service in SERVICES:
        assert write(service, "--branch", branch).exit_code == 0
        found[service] = yaml.safe_load((project.parent / pipelining.FILES[service]).read_text())
    assert list(found["bitbucket"]["pipelines"]["branches"]) == [branch]
    assert [found[name][True]["push"]["branches"] for name in ("github", "forgejo")] == [[branch], [branch]]


def test_what_is_not_ours_stays(project: Path) -> None:
    file = project.parent / ".gitlab-ci.yml"
    file.write_text("test: {script: [make]}\n")
    done = write("gitlab")
    assert done.exit_code == 1
    assert "--print" in done.output
    assert file.read_text() == "test: {script: [make]}\n"
    shown = write("gitlab", "--print")
    assert shown.exit_code == 0
    assert "production" in yaml.safe_load(shown.output)
    assert not (project / "ci").exists()


@pytest.mark.parametrize("branch", ["main; rm -rf x", "$(id)", "a b", "{{ x }}", "", "-x"])
def test_a_branch_that_would_need_quotes(project: Path, branch: str) -> None:
    assert write("github", "--branch", branch).exit_code == 2
    assert not (project / "ci").exists()


def test_what_a_pipeline_would_miss(project: Path) -> None:
    (project / "inventories" / "known_hosts").unlink()
    (project / "samestack.lock").write_text('version = "1"\ncommit = "a"\ndigest = "b"\nfrom = "../clone"\n')
    said = write("github").output
    assert "commit inventories/known_hosts" in said
    assert "../clone, a path of this computer" in said


def test_the_script_is_one_for_a_shell(project: Path) -> None:
    script = pipelining.PIPELINES / "samestack.sh"
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
    assert "set -eu" in script.read_text()
    assert write("forgejo").exit_code == 0
    assert run(project, "destroy").returncode == 2


@pytest.mark.parametrize("form", ["text", "crlf", "base64", "file"])
def test_it_deploys_with_a_key_a_password_and_nothing_left(project: Path, form: str) -> None:
    write("github")
    text = key(project)
    given = {
        "text": text, "crlf": text.replace("\n", "\r\n"), "base64": base64.b64encode(text.encode()).decode(),
        "file": str(project / "key0"),
    }[form]  # fmt: skip
    who = {"GITHUB_ACTOR": HOSTILE, "GITHUB_REF_NAME": HOSTILE, "GITHUB_SHA": COMMIT}
    done = run(project, "deploy", SAMESTACK_SSH_KEY=given, SAMESTACK_VAULT_PASSWORD=VAULT, **who)
    assert done.returncode == 0, done.stderr
    assert told(project, "argv") == [f"deploy staging --ref {COMMIT} --lock-wait 30m"]
    assert "ED25519" in told(project, "agent")[0]
    assert told(project, "who") == [f"{HOSTILE} by a pipeline"]
    # Nobody is asked, and no secret is in what it starts.
    assert not told(project, "input")
    assert not told(project, "left")
    kept = [line.split() for line in told(project, "vault")]
    assert [one[:3] for one in kept] == [["staging", "600", VAULT], ["production", "600", VAULT]]
    assert not [path for *_, path in kept if Path(path).exists()]
    assert not list(project.glob("tmp.*"))
    assert not list(project.rglob("pwned"))
    assert VAULT not in done.stdout + done.stderr


def test_it_promotes_what_was_tagged(project: Path) -> None:
    write("bitbucket")
    secrets = {"SAMESTACK_SSH_KEY": key(project), "SAMESTACK_VAULT_PASSWORD": VAULT}
    tagged = {"BITBUCKET_COMMIT": COMMIT, "BITBUCKET_TAG": HOSTILE, "SAMESTACK_VAULT_PASSWORD_PRODUCTION": OTHER}
    done = run(project, "promote", **secrets, **tagged)
    assert done.returncode == 0, done.stderr
    assert told(project, "argv") == [
        f"deploy staging --ref {COMMIT} --lock-wait 30m",
        f"accept staging --message released: {HOSTILE}",
        "promote --lock-wait 30m",
    ]
    assert [line.split()[2] for line in told(project, "vault")][:2] == [VAULT, OTHER]
    assert not list(project.rglob("pwned"))


def test_what_staging_refuses_goes_nowhere(project: Path) -> None:
    write("gitlab")
    secrets = {"SAMESTACK_SSH_KEY": key(project), "SAMESTACK_VAULT_PASSWORD": VAULT, "CI_COMMIT_SHA": COMMIT}
    assert run(project, "promote", FAILS="deploy", **secrets).returncode == 1
    assert len(told(project, "argv")) == 1


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ({"SAMESTACK_SSH_KEY": ""}, "SAMESTACK_SSH_KEY is empty"),
        ({"SAMESTACK_VAULT_PASSWORD": ""}, "SAMESTACK_VAULT_PASSWORD is empty"),
        ({"SAMESTACK_SSH_KEY": "nonsense"}, "SAMESTACK_SSH_KEY"),
        ({"SAMESTACK_SSH_KEY": "phrase"}, "without a passphrase"),
        ({"known_hosts": ""}, "commit that file"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_done(project: Path, lacks: dict[str, str], said: str) -> None:
    write("github")
    given = {"SAMESTACK_SSH_KEY": key(project), "SAMESTACK_VAULT_PASSWORD": VAULT, "GITHUB_SHA": COMMIT} | lacks
    if "known_hosts" in given:
        (project / "inventories" / "known_hosts").write_text(given.pop("known_hosts"))
    if given["SAMESTACK_SSH_KEY"] == "phrase":
        given["SAMESTACK_SSH_KEY"] = key(project, "secret phrase")
    done = run(project, "deploy", **given)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (project / "calls").exists()


def test_it_may_be_tried_on_local_machines(project: Path) -> None:
    write("github")
    done = run(project, "promote", "--rehearsal", GITHUB_SHA=COMMIT)
    assert done.returncode == 0, done.stderr
    assert told(project, "argv")[-1] == "promote --lock-wait 30m --rehearsal"
