"""Files that SOPS encrypted: read, changed and rekeyed by the program itself; one clear error where it is absent.

The program is no Debian package: a stand-in takes its place, which does what sops documents of its commands.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from ansible.parsing.dataloader import DataLoader

from plugins.plugin_utils.errors import SecretError
from plugins.plugin_utils.secrets import sops
from plugins.plugin_utils.secrets.secret_file import SecretFile

if TYPE_CHECKING:
    from pathlib import Path

STAND_IN = """#!{python}
import base64, os, pathlib, shlex, subprocess, sys, yaml
words = sys.argv[1:]
with open({log!r}, "a") as log:
    print(*words, file=log)
path = pathlib.Path(words[-1])
stored = yaml.safe_load(path.read_text())
text = base64.b64decode(stored["data"]).decode()
about = stored["sops"]
if "locked" in about:
    sys.exit("Failed to get the data key required to decrypt the SOPS file.")
if "--decrypt" in words:
    print(text, end="")
elif "--rotate" in words or "updatekeys" in words:
    about["version"] += "+"
else:
    plain = pathlib.Path(os.environ["TMPDIR"], "plain.yml")
    plain.write_text(text)
    subprocess.run([*shlex.split(os.environ["EDITOR"]), str(plain)], check=True)
    if plain.read_text() == text:
        sys.exit(200)
    text = plain.read_text()
if "--decrypt" not in words:
    path.write_text(yaml.safe_dump({{"data": base64.b64encode(text.encode()).decode(), "sops": about}}))
"""
FIRST = "data: dmF1bHRfYTogb25lCg==\nsops: {mac: 'ENC[x]', version: 3.9.0}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the inventory of a project whose staging is encrypted with SOPS, and which is installed."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "sops"
    program.write_text(STAND_IN.format(python=sys.executable, log=str(tmp_path / "log")), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "bin"))
    (tmp_path / "inventories" / "vault").mkdir(parents=True)
    (tmp_path / "inventories" / "vault" / "staging.yml").write_text(FIRST, encoding="utf-8")
    return tmp_path / "inventories"


def staging(folder: Path) -> SecretFile:
    """Return the secrets as a run reads them."""
    return SecretFile(DataLoader(), folder, "staging", local=False)


def test_it_is_read_and_changed_and_stays_what_it_is(folder: Path) -> None:
    file = staging(folder)
    assert (file.values, file.is_sops) == ({"vault_a": "one"}, True)
    file.change({"vault_b": "two-secret"})
    assert staging(folder).values == {"vault_a": "one", "vault_b": "two-secret"}
    text = file.path.read_text(encoding="utf-8")
    assert sops.is_sops(text)
    assert "two-secret" not in text
    # It is on no command line, and nothing is left of it.
    assert "two-secret" not in (folder.parent / "log").read_text(encoding="utf-8")
    assert [path.name for path in (folder.parent / "bin").iterdir()] == ["sops"]
    assert not (folder.parent / ".samestack").exists()
    file.write(file.text, {})


def test_it_is_encrypted_anew(folder: Path) -> None:
    file = staging(folder)
    assert file.rekey() is None
    said = (folder.parent / "log").read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split()[0] for line in said] == ["updatekeys", "--rotate"]
    assert staging(folder).values == {"vault_a": "one"}


def test_where_the_program_or_the_key_is_absent_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "vault" / "staging.yml"
    path.write_text(FIRST.replace("{mac", "{locked: true, mac"), encoding="utf-8")
    with pytest.raises(SecretError, match=r"(?s)vault/staging\.yml.*Failed to get the data key.*SOPS_AGE_KEY_FILE"):
        staging(folder)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SecretError, match="there is no program `sops`"):
        staging(folder)


@pytest.mark.parametrize("text", ["", "vault_a: one\n", "sops: mine\n", "sops: {a: b}\n", "a: [", "$ANSIBLE_VAULT"])
def test_what_is_none_is_not_taken_for_one(text: str) -> None:
    assert not sops.is_sops(text)
