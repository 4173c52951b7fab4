"""What a play gives to a group of modules once, each of them takes, says so, and knows the run it belongs to."""

from __future__ import annotations

import json
import re
import subprocess
import sys

# Which modules there are is said in meta/runtime.yml.
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils.common.arguments import SHARED

ROOT = Path(__file__).parents[2]
RUNTIME: dict[str, Any] = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
GROUP: list[str] = RUNTIME["action_groups"]["release"]
MODULES = {name: import_module(f"plugins.modules.{name}") for name in GROUP}
BIN = Path(sys.executable).parent


class AskedError(Exception):
    """What a module takes, before it does anything."""


def takes(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    module = MODULES[name]

    def ask(argument_spec: dict[str, dict[str, Any]], **_options: Any) -> None:
        raise AskedError(argument_spec)

    monkeypatch.setattr(module, "AnsibleModule", ask)
    with pytest.raises(AskedError) as asked:
        module.main()
    spec: dict[str, dict[str, Any]] = asked.value.args[0]
    return spec


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    names = [f"samestack.core.{name}" for name in GROUP]
    command = [str(BIN / "ansible-doc"), "--json", *names]
    found: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return found


@pytest.mark.parametrize("name", GROUP)
def test_each_takes_all_and_says_so(name: str, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    spec = takes(name, monkeypatch)
    options = told[f"samestack.core.{name}"]["doc"]["options"]
    assert set(SHARED) <= set(spec)
    assert set(options) == set(spec)
    assert {one: option["type"] for one, option in options.items()} == {one: spec[one]["type"] for one in spec}
    defaults = {one: option.get("default") for one, option in options.items()}
    assert defaults == {one: option.get("default") for one, option in spec.items()}


def test_the_role_gives_what_is_taken() -> None:
    given = yaml.safe_load((ROOT / "roles/release/vars/main.yml").read_text())["release_parameters"]
    assert set(given) == set(SHARED) - {"run"}


RUN = {"id": "r1", "verb": "deploy", "who": "Eve"}
PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"parameters": {"app": "shop", "root": "/nowhere", "run_directory": "/nowhere", "host": "shop.test"}},
        "module_defaults": {"group/samestack.core.release": "{{ parameters }}"},
        "tasks": [
            {"ansible.builtin.set_fact": {"run": RUN, "cacheable": True}},
            {"samestack.core.release_pause": {"state": "paused"}, "check_mode": True},
        ],
    }
]


def test_defaults_and_run_reach_a_module(tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text(yaml.safe_dump(PLAY, sort_keys=False))
    command = [str(BIN / "ansible-playbook"), "-vvv", "-i", "localhost,", "-c", "local", str(play)]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    (shown,) = re.findall(r"^changed: .localhost. => (\{$.*?^\})$", done.stdout, re.MULTILINE | re.DOTALL)
    args = json.loads(shown)["invocation"]["module_args"]
    assert (args["app"], args["root"], args["state"], args["run"]) == ("shop", "/nowhere", "paused", RUN)
