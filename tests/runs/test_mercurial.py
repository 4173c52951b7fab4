"""A source in a Mercurial repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.plugin_utils.errors import DecisionError
from plugins.plugin_utils.project.repository import commits_between
from tests.support.shapes.skeleton import startproject, tree
from tests.unit.test_release_source import get


def test_mercurial_branch_tag_and_default(tmp_path: Path) -> None:
    folder = tree(tmp_path / "origin", startproject())
    hg = [str(Path(sys.executable).with_name("hg")), "--repository", str(folder), "--config", "ui.username=a"]
    for arguments in (["init", str(folder)], ["add", "-q"], ["commit", "-q", "-m", "one"], ["tag", "v1.0"]):
        command = hg[:1] if arguments[0] == "init" else hg
        subprocess.run([*command, *arguments], check=True, env={**os.environ, "HGPLAIN": "1"})
    (folder / "new.txt").write_text("two")
    subprocess.run([*hg, "commit", "-q", "-A", "-m", "two"], check=True)
    found = []
    for ref, is_new in (("", True), ("default", True), ("v1.0", False)):
        source, target = get(tmp_path, kind="hg", location=str(folder), ref=ref)
        assert len(source.identity["commit"]) == 40
        assert (target / "manage.py").is_file()
        assert not (target / ".hg").exists()
        assert (target / "new.txt").exists() == is_new
        found.append(source)
    new, old = found[1:]
    commits = commits_between(new.mirror, old.identity["commit"], new.identity["commit"])
    assert [commit["subject"] for commit in commits] == ["two", "Added tag v1.0 for changeset " + old.label[-12:]]
    with pytest.raises(DecisionError, match=r"app_source.ref = nope .*Did you mean .*v1.0"):
        get(tmp_path, kind="hg", location=str(folder), ref="nope")
