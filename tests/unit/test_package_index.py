"""`./samestack rotate ENV index`: the new password is tried before it is used, and is seen nowhere."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import pytest

from cli import package_index, secret_editor
from cli.playbook import Run
from plugins.plugin_utils.secrets import dates, keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

INDEXES = """\
release_package_indexes:
  company: {url: https://pypi.company.net/simple, user: ci, password: "{{ vault_index_password }}"}
"""
NEW = "brand-new-0123"


class Index:
    """Stands where the playbook does: what it was called with, and what the file said then."""

    def __init__(self, path: Path) -> None:
        """Accept everything for now."""
        self.path, self.status = path, 0
        self.calls: list[str] = []
        self.held: dict[str, Any] = {}

    def __call__(self, command: Sequence[str]) -> int:
        """Answer as a run does."""
        self.calls.append(" ".join(command))
        assert NEW not in self.calls[-1]
        assert NEW not in os.environ.values()
        self.held = keys.read_secrets(self.path.read_text(encoding="utf-8"))
        return self.status


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """Return the index of a project whose dev environment has one."""
    everywhere = tmp_path / "inventories" / "group_vars" / "all"
    everywhere.mkdir(parents=True)
    (everywhere / "app.yml").write_text(INDEXES, encoding="utf-8")
    path = tmp_path / ".samestack" / "secrets" / "dev.yml"
    path.parent.mkdir(parents=True)
    path.write_text("---\n# theirs\nvault_index_password: old\nvault_b: x\n", encoding="utf-8")
    found = Index(path)
    for module in (package_index, secret_editor):
        monkeypatch.setattr(module, "PROJECT", tmp_path)
    monkeypatch.setattr(package_index, "run", found)
    monkeypatch.setenv("FROM_THEM", NEW)
    return found


def test_it_is_used_after_the_index_took_it(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    package_index.rotate_index(Run("dev"), "", "FROM_THEM")
    assert index.held == {"vault_index_password": "old", "vault_b": "x", "vault_index_password_next": NEW}
    assert '"index_name": "company"' in index.calls[0]
    text = index.path.read_text(encoding="utf-8")
    assert keys.read_secrets(text) == {"vault_index_password": NEW, "vault_b": "x"}
    assert "# theirs" in text
    assert dates.read(index.path)["vault_index_password"] == dates.today()
    said = capsys.readouterr()
    assert "changed vault_index_password" in said.out
    assert NEW not in said.out + said.err


def test_what_the_index_refuses_changes_nothing(index: Index) -> None:
    before, index.status = keys.read_secrets(index.path.read_text(encoding="utf-8")), 2
    with pytest.raises(SystemExit) as stopped:
        package_index.rotate_index(Run("dev"), "company", "FROM_THEM")
    assert stopped.value.code == index.status
    assert keys.read_secrets(index.path.read_text(encoding="utf-8")) == before


def test_what_was_left_by_a_run_that_was_cut_off_is_replaced(index: Index) -> None:
    text = index.path.read_text(encoding="utf-8")
    index.path.write_text(f"{text}vault_index_password_next: half-way\n", encoding="utf-8")
    package_index.rotate_index(Run("dev"), "", "FROM_THEM")
    assert keys.read_secrets(index.path.read_text(encoding="utf-8")) == {"vault_index_password": NEW, "vault_b": "x"}


def test_standard_input_is_read(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FROM_THEM")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NEW}\n"))
    package_index.rotate_index(Run("dev"), "", "")
    assert index.held["vault_index_password_next"] == NEW


@pytest.mark.parametrize("value", ["", "two words", "line\nbreak", "old"])
def test_no_password_no_run(index: Index, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    before = index.path.read_bytes()
    monkeypatch.setenv("FROM_THEM", value)
    with pytest.raises(SystemExit):
        package_index.rotate_index(Run("dev"), "", "FROM_THEM")
    assert (index.calls, index.path.read_bytes()) == ([], before)


def test_check_only_says_what_it_would_do(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    before = index.path.read_bytes()
    package_index.rotate_index(Run("dev", options=("--check",)), "", "FROM_THEM")
    assert (index.calls, index.path.read_bytes()) == ([], before)
    assert "would be tried at company" in capsys.readouterr().out


def test_an_environment_s_own_indexes_take_the_place_of_all_s(index: Index, tmp_path: Path) -> None:
    own = tmp_path / "inventories" / "group_vars" / "dev"
    own.mkdir()
    (own / "main.yml").write_text(INDEXES.replace("vault_index_password", "vault_other"), encoding="utf-8")
    assert package_index.declared(Run("dev")) == {"company": "vault_other"}
    assert package_index.declared(Run("staging")) == {"company": "vault_index_password"}
    (own / "main.yml").write_text("release_package_indexes: {a: {url: u}, b: {password: plain}}\n", encoding="utf-8")
    assert package_index.declared(Run("dev")) == {}
    with pytest.raises(SystemExit):
        package_index.rotate_index(Run("dev"), "", "FROM_THEM")
    assert index.calls == []
