"""`./samestack secrets --edit`: what somebody's editor leaves is written back, and is nowhere else."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli import secret_editor
from cli.playbook import Run
from plugins.plugin_utils.secrets import dates

if TYPE_CHECKING:
    from collections.abc import Callable

#: An editor that does to the text what a program says, and writes down where the file was
EDITOR = """
import pathlib, sys
file = pathlib.Path(sys.argv[-1])
text = file.read_text()
with open({log!r}, "a") as log:
    print(file, oct(file.parent.stat().st_mode & 0o777), file=log)
file.write_text({change})
"""


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Open the secrets of an environment in an editor that makes a change (Python of `text`)."""
    (tmp_path / "inventories" / "vault").mkdir(parents=True)
    (tmp_path / ".samestack").mkdir()
    monkeypatch.setattr(secret_editor, "PROJECT", tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ".samestack"))
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)

    def opened(change: str, environment: str = "dev") -> None:
        program = EDITOR.format(log=str(tmp_path / "log"), change=change)
        monkeypatch.setenv("EDITOR", shlex.join([sys.executable, "-c", program]))
        secret_editor.edit_secrets(Run(environment))

    return opened


def test_a_local_file_is_written_back_and_dated(edit: Callable[..., None], tmp_path: Path) -> None:
    edit("'---\\n# mine\\nvault_mail: old\\nvault_b: x\\n'")
    path = tmp_path / ".samestack" / "secrets" / "dev.yml"
    assert path.read_text(encoding="utf-8") == "---\n# mine\nvault_mail: old\nvault_b: x\n"
    assert path.stat().st_mode & 0o777 == 0o600
    dates.dates_file(path).write_text("vault_mail: 2020-01-01\nvault_b: 2020-01-01\n", encoding="utf-8")
    edit("text.replace('old', 'new')")
    assert dates.read(path)["vault_mail"] == dates.today()
    assert str(dates.read(path)["vault_b"]) == "2020-01-01"
    for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines():
        place, mode = line.split()
        assert mode == "0o700"
        assert not Path(place).parent.exists()


def test_an_encrypted_file_stays_encrypted(edit: Callable[..., None], tmp_path: Path) -> None:
    edit("'vault_mail: hunter2-hunter2\\n'", "staging")
    path = tmp_path / "inventories" / "vault" / "staging.yml"
    first = path.read_text(encoding="utf-8")
    assert first.startswith("$ANSIBLE_VAULT")
    assert (tmp_path / ".samestack" / "vault-password-staging").stat().st_mode & 0o777 == 0o600
    edit("text", "staging")
    assert path.read_text(encoding="utf-8") == first
    edit("text + 'vault_b: more\\n'", "staging")
    assert set(dates.read(path)) == {"vault_b", "vault_mail"}
    assert "hunter2" not in dates.dates_file(path).read_text(encoding="utf-8")


def test_what_is_no_yaml_is_not_written(
    edit: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(secret_editor.click, "confirm", lambda *_, **__: False)
    with pytest.raises(SystemExit):
        edit("'vault_mail: [hunter2'")
    assert not (tmp_path / ".samestack" / "secrets" / "dev.yml").exists()
    assert "hunter2" not in "".join(capsys.readouterr())


def test_a_failing_editor_changes_nothing(edit: Callable[..., None], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        edit("1 / 0")
    assert not (tmp_path / ".samestack" / "secrets").exists()
