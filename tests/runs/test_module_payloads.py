"""What Ansible makes of a module is made once, and anew when a module has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - samestack.core.word:
    - ansible.builtin.ping:
    - ping:
    - ansible.builtin.raw: test ! -e edited || cp edited plugins/module_utils/words/word_text.py
"""
WORD = """
from ansible.module_utils.basic import AnsibleModule
from ..module_utils.words import word_text
AnsibleModule(argument_spec={}).exit_json(changed=False, word=word_text.WORD)
"""
OTHER = """
from ansible.module_utils.basic import AnsibleModule
AnsibleModule(argument_spec={}).exit_json(changed=False)
"""
KEPT = {"ansible_collections.samestack.core.plugins.modules.word", "ansible.modules.ping"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in (
        "plugins/modules",
        "plugins/module_utils/words",
        "plugins/callback",
        "plugins/plugin_utils",
        "library",
    ):
        (tmp_path / name).mkdir(parents=True)
    for name in ("callback/module_payloads.py", "plugin_utils/files.py", "plugin_utils/project_root.py"):
        shutil.copy(REPO / "plugins" / name, tmp_path / "plugins" / name)
    (tmp_path / "plugins" / "modules" / "word.py").write_text(WORD)
    (tmp_path / "plugins" / "module_utils" / "words" / "word_text.py").write_text("WORD = 'one'\n")
    (tmp_path / "library" / "ping.py").write_text(OTHER)
    (tmp_path / "collections/ansible_collections/samestack").mkdir(parents=True)
    (tmp_path / "collections/ansible_collections/samestack/core").symlink_to(tmp_path)
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\nlibrary = library\ncollections_path = collections\n"
        f"callbacks_enabled = samestack.core.module_payloads\nlocal_tmp = {tmp_path}/tmp\n"
        f"interpreter_python = {sys.executable}\n"
    )
    return tmp_path


def play(project: Path) -> str:
    command = ["ansible-playbook", "-v", "-i", "localhost,", "-c", "local", "play.yml"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(project / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kept(project: Path) -> dict[str, int]:
    """The modules that are kept, and which file each is."""
    found = (project / ".samestack" / "modules").glob("*/*")
    return {file.name.split("-")[0]: file.stat().st_ino for file in found}


def test_it_is_kept_and_follows_a_change(project: Path) -> None:
    assert '"word": "one"' in play(project)
    first = kept(project)
    # What others have brought along, be it under the name of one of Ansible's, may change without a trace here.
    assert set(first) == KEPT
    assert '"word": "one"' in play(project)
    assert kept(project) == first
    (project / "plugins" / "module_utils" / "words" / "word_text.py").write_text("WORD = 'another'\n")
    assert '"word": "another"' in play(project)
    assert set(kept(project)) == KEPT
    assert len(list((project / ".samestack" / "modules").iterdir())) == 1


def test_what_somebody_edits_during_a_run_is_not_kept_as_it_was(project: Path) -> None:
    (project / "edited").write_text("WORD = 'edited'\n")
    assert '"word": "one"' in play(project)
    assert kept(project) == {}
    (project / "edited").unlink()
    assert '"word": "edited"' in play(project)
