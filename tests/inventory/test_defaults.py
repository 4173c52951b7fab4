"""What the user's files do not decide has a default, and what they decide wins over it, whatever the file is called."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants

from plugins.plugin_utils.inventory.defaults import edited_files
from plugins.plugin_utils.inventory.files import own_settings
from tests.inventory.project_copy import Project

ALL, DEV = "group_vars/all/app.yml", "group_vars/dev/differences.yml"
DEFAULTS = {setting.name: setting.value for setting in own_settings() if setting.kind == "default"}
PROJECT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
#: Nobody but the user can say these; what the one error must name
ONLY_THE_USER = {
    "app_name": "app_name (in inventories/group_vars/all/app.yml): a value is required. Write for instance `app_name",
    "app_source": "app_source (in inventories/group_vars/all/app.yml): a value is required. Write for instance `app_so",
    "app_domains": "app_domains (in inventories/group_vars/dev/differences.yml): a value is required. Write for insta",
    "allowed_differences": "allowed_differences (in inventories/group_vars/all/differences.yml): a value is required.",
}
OURS = [name for name in DEFAULTS if name not in ONLY_THE_USER]


def decided(project: Project, file: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(project.file(file).read_text(encoding="utf-8"))
    return found


def decide(project: Project, file: str, values: dict[str, Any]) -> None:
    project.file(file).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


class Complete:
    """A project in which every decision is written down, and what it makes of a machine."""

    def __init__(self, project: Project) -> None:
        self.project = project
        decide(project, ALL, DEFAULTS | decided(project, ALL))
        self.files = {file: decided(project, file) for file in (ALL, DEV, "group_vars/all/differences.yml")}
        self.variables = project.variables("dev", "dev1")


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Complete:
    return Complete(Project(tmp_path_factory.mktemp("complete")))


def without(complete: Complete, *names: str) -> Project:
    """Return the project with every decision written down but for some: as before there were those."""
    for file, values in complete.files.items():
        decide(complete.project, file, {key: value for key, value in values.items() if key not in names})
    return complete.project


@pytest.mark.parametrize("names", [OURS[first::8] for first in range(8)])
def test_a_project_that_does_not_know_decisions_yet(complete: Complete, names: list[str]) -> None:
    project = without(complete, *names)
    assert project.check("dev") == []
    assert project.variables("dev", "dev1") == complete.variables | {name: DEFAULTS[name] for name in names}


@pytest.mark.parametrize("name", ONLY_THE_USER)
def test_what_only_the_user_can_decide_is_asked_for(complete: Complete, name: str) -> None:
    (problem,) = without(complete, name).check("dev")
    assert problem.startswith(ONLY_THE_USER[name])


@pytest.mark.parametrize("file", ["00.yml", "App.yml", "_mine.yml", "app.yml", "samestack/zz.yml", "zz.yml"])
def test_what_the_user_says_wins_from_any_file(project: Project, file: str) -> None:
    project.add(f"group_vars/all/{file}", "web_upload_limit: 7m")
    assert project.check("dev") == []
    assert project.variables("dev", "dev1")["web_upload_limit"] == "7m"


def test_every_command_of_ansible_sees_the_same(project: Project) -> None:
    """The folder of a playbook is looked at for variables too, after the inventory's."""
    project.add(ALL, "web_upload_limit: 7m")
    play = project.root / "look.yml"
    task = {"ansible.builtin.debug": {"msg": "{{ nginx_upload_limit }}"}}
    play.write_text(yaml.safe_dump([{"hosts": "dev", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    dev = ("-i", str(project.file("dev.yml")))

    def run(*command: str) -> str:
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "minimal",
        }
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], env=environment, cwd=PROJECT, check=True, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        )  # fmt: skip
        return done.stdout

    assert f'"msg": {7 << 20}' in run("ansible", *dev, "dev1", "-m", "debug", "-a", "msg={{ nginx_upload_limit }}")
    assert f'"msg": {7 << 20}' in run("ansible-playbook", *dev, str(play))
    shown = json.loads(run("ansible-inventory", *dev, "--host", "dev1"))
    assert shown["web_upload_limit"] == "7m"
    assert shown["app_server"] == DEFAULTS["app_server"]


@pytest.mark.parametrize("plugins", [["host_group_vars"], ["host_group_vars", "samestack.core.defaults"]])
def test_an_ansible_cfg_that_would_lose_the_defaults_or_the_decisions(
    project: Project, monkeypatch: pytest.MonkeyPatch, plugins: list[str]
) -> None:
    monkeypatch.setattr(constants, "VARIABLE_PLUGINS_ENABLED", plugins)
    (problem,) = project.check("dev")
    assert problem.startswith(f"vars_plugins_enabled = {', '.join(plugins)} (in ansible.cfg): ")
    assert "Write vars_plugins_enabled = samestack.core.defaults, host_group_vars under [defaults]" in problem


def engine(folder: Path, listed: dict[str, str] | None = None) -> Path:
    for name in ("defaults", "wiring"):
        shutil.copytree(PROJECT / name, folder / name)
    if listed is not None:
        files = [{"name": name, "chksum_sha256": digest} for name, digest in listed.items()]
        (folder / "FILES.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    return folder


def change(folder: Path) -> None:
    with (folder / "defaults" / "web.yml").open("a", encoding="utf-8") as file:
        file.write("# mine\n")


def test_changes_of_ours_in_a_clone_are_told(tmp_path: Path) -> None:
    folder = engine(tmp_path / "clone")
    assert edited_files(folder) == []
    person = ["-c", "user.name=Tests", "-c", "user.email=tests@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*person, "commit", "--quiet", "--message", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    assert edited_files(folder) == []
    change(folder)
    (folder / "wiring" / "mine.yml").write_text("---\n", encoding="utf-8")
    assert edited_files(folder) == ["defaults/web.yml", "wiring/mine.yml"]


def test_changes_of_ours_in_an_installed_collection_are_told(tmp_path: Path) -> None:
    files = [path for name in ("defaults", "wiring") for path in (PROJECT / name).glob("*.yml")]
    listed = {str(path.relative_to(PROJECT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    folder = engine(tmp_path / "core", listed)
    assert edited_files(folder) == []
    change(folder)
    assert edited_files(folder) == ["defaults/web.yml"]
