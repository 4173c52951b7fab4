"""`./samestack revoke`: a key may log in no more, passwords and secrets are new, and nobody is locked out."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import TYPE_CHECKING, Any

import click
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret

from cli import revocation, secret_editor
from cli.playbook import Run
from plugins.action.revoke_key import check_login
from plugins.module_utils.common.errors import HostError
from plugins.module_utils.system import login_keys
from plugins.plugin_utils.connection.target import Target
from plugins.plugin_utils.errors import SamestackError
from plugins.plugin_utils.secrets import keys
from plugins.plugin_utils.secrets.secret_file import SecretFile
from plugins.plugin_utils.secrets.vault import real_secrets_text

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Return two keys: the public key and its fingerprint, as ssh-keygen prints it."""
    folder, found = tmp_path_factory.mktemp("keys"), {}
    for name in ("lost", "kept"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name], check=True)
        said = subprocess.run(["ssh-keygen", "-lf", folder / name], check=True, capture_output=True, text=True).stdout
        found[name] = (folder.joinpath(f"{name}.pub").read_text(encoding="utf-8"), said.split()[1])
    return found


def account(home: Path, name: str = "ada") -> pwd.struct_passwd:
    """Return an account of whoever runs this."""
    return pwd.struct_passwd((name, "x", os.getuid(), os.getgid(), "", str(home), "/bin/bash"))


def test_a_key_is_taken_out_and_nothing_else(tmp_path: Path, pair: dict[str, tuple[str, str]]) -> None:
    (lost, wanted), (kept, _) = pair["lost"], pair["kept"]
    folder = tmp_path / ".ssh"
    folder.mkdir(mode=0o700)
    rest = f"# theirs: {lost}ssh-ed25519 no-key\n\n{kept}"
    file = folder / "authorized_keys"
    file.write_text(f'{lost}{rest}from="10.0.0.1,*.net",command="a b" {lost}', encoding="utf-8")
    file.chmod(0o640)
    (folder / "authorized_keys2").write_text(lost.rstrip("\n"), encoding="utf-8")
    everyone = [account(tmp_path), account(tmp_path / "nowhere", "bob")]
    before = file.read_bytes()
    assert login_keys.revoke(wanted, only_look=True, accounts=everyone) == ["ada"]
    assert file.read_bytes() == before
    assert login_keys.revoke(wanted, only_look=False, accounts=everyone) == ["ada"]
    assert file.read_text(encoding="utf-8") == rest
    assert file.stat().st_mode & 0o777 == 0o640
    assert (folder / "authorized_keys2").read_bytes() == b""
    assert sorted(os.listdir(folder)) == ["authorized_keys", "authorized_keys2"]
    assert login_keys.revoke(wanted, only_look=False, accounts=everyone) == []


def test_an_account_that_cannot_be_looked_at_is_told_after_all_others(
    tmp_path: Path, pair: dict[str, tuple[str, str]]
) -> None:
    """Root follows nobody's links: the file that one leads to stays as it is."""
    lost, wanted = pair["lost"]
    for name in ("ada", "eve"):
        (tmp_path / name / ".ssh").mkdir(parents=True, mode=0o700)
    (tmp_path / "target").write_text(lost, encoding="utf-8")
    (tmp_path / "eve" / ".ssh" / "authorized_keys").symlink_to(tmp_path / "target")
    (tmp_path / "ada" / ".ssh" / "authorized_keys").write_text(lost, encoding="utf-8")
    everyone = [account(tmp_path / "eve", "eve"), account(tmp_path / "ada")]
    with pytest.raises(HostError, match="eve: "):
        login_keys.revoke(wanted, only_look=False, accounts=everyone)
    assert (tmp_path / "ada" / ".ssh" / "authorized_keys").read_bytes() == b""
    assert (tmp_path / "target").read_text(encoding="utf-8") == lost


class Door(Target):
    """A host whose ssh says what a test gives it."""

    said, code = "", 0

    def ssh(self, user: str, command: str, *options: str, script: str | None = None) -> Any:
        """Answer."""
        assert (command, script, "LogLevel=DEBUG1" in options) == ("true", None, True)
        return subprocess.CompletedProcess([user], self.code, "", self.said)


def test_nobody_revokes_the_key_by_which_the_run_came(pair: dict[str, tuple[str, str]]) -> None:
    lost, kept = pair["lost"][1], pair["kept"][1]
    door = Door("host", ())
    accepted = "debug1: Server accepts key: /home/ada/.ssh/id_ed25519 ED25519 {}\n"
    Door.code, Door.said = 0, accepted.format(kept)
    check_login(door, "web1", lost)
    for code, said, words in (
        (0, accepted.format(lost), "came with the very key"),
        (0, accepted.format(kept) + accepted.format(lost), "came with the very key"),
        (0, "debug1: Authentication succeeded (none).\n", "did not say by which key"),
        (255, "debug1: x\nPermission denied (publickey).\n", "a fresh log-in failed.*Permission denied"),
    ):
        Door.code, Door.said = code, said
        with pytest.raises(SamestackError, match=f"(?s)web1: .*{words}"):
            check_login(door, "web1", lost)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with two environments, each with an encrypted file."""
    for module in (revocation, secret_editor):
        monkeypatch.setattr(module, "PROJECT", tmp_path)
    monkeypatch.setattr(revocation, "known_hosts", lambda *_, **__: ["web1"])
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    (tmp_path / "inventories" / "group_vars" / "all").mkdir(parents=True)
    for name in ("staging", "production"):
        secret_editor.opened(Run(name)).write(f"vault_redis_password: r-{name}\nvault_mail: m\n", {})
    return tmp_path


def test_a_file_gets_another_password_and_the_old_one_opens_it_no_more(project: Path) -> None:
    folder, kept = project / "inventories", project / ".samestack" / "vault-password-staging"
    old = kept.read_text(encoding="utf-8")
    file = secret_editor.opened(Run("staging"))
    assert file.rekey() == kept
    assert kept.read_text(encoding="utf-8") != old
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "r-staging" in real_secrets_text(DataLoader(), folder, "staging")
    # Somebody's environment still gives the old one: it is not what the file is encrypted with from now on.
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(old.strip().encode()))])
    SecretFile(loader, folder, "staging", local=False).change({"vault_mail": "n"})
    assert "vault_mail: n" in real_secrets_text(DataLoader(), folder, "staging")
    kept.write_text(old, encoding="utf-8")
    with pytest.raises(SamestackError, match="the vault password is wrong"):
        real_secrets_text(DataLoader(), folder, "staging")


@pytest.mark.parametrize("sealed", [False, True])
def test_a_change_of_password_that_was_cut_off(project: Path, sealed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is on the disk then, there is a password that opens the file, and the next run goes on."""
    folder, seal = project / "inventories", SecretFile._seal

    def cut(self: SecretFile, *given: Any) -> None:
        if sealed:
            seal(self, *given)
        raise KeyboardInterrupt

    with monkeypatch.context() as here:
        here.setattr(SecretFile, "_seal", cut)
        with pytest.raises(KeyboardInterrupt):
            secret_editor.opened(Run("staging")).rekey()
    coming = keys.next_password_file(folder, "staging")
    word = coming.read_text(encoding="utf-8")
    assert "r-staging" in real_secrets_text(DataLoader(), folder, "staging")
    secret_editor.opened(Run("staging")).rekey()
    assert keys.password_file(folder, "staging").read_text(encoding="utf-8") == word
    assert not coming.exists()
    assert "r-staging" in real_secrets_text(DataLoader(), folder, "staging")


class CutError(Exception):
    """The run ends here."""


@pytest.mark.parametrize("cut", range(6))
def test_it_goes_on_where_it_was_cut_off(
    project: Path, monkeypatch: pytest.MonkeyPatch, pair: dict[str, tuple[str, str]], cut: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    done: list[str] = []
    wanted = pair["lost"][1]

    def step(name: str) -> None:
        if len(done) == cut and "cut" not in done:
            done.append("cut")
            raise CutError
        done.append(name)

    def play(on: Run, playbook: str, **variables: Any) -> None:
        assert (playbook, variables) == ("revoke", {"revoke_fingerprint": wanted})
        step(f"key {on.environment}")

    def rotated(on: Run, kinds: list[str], *, finish: bool) -> None:
        assert ("redis" in kinds, finish) == (True, False)
        step(f"secrets {on.environment}")

    rekey = revocation.rekey

    def rekeyed(on: Run) -> None:
        step(f"vault {on.environment}")
        rekey(on)

    monkeypatch.setattr(Run, "play", play)
    monkeypatch.setattr(revocation, "rotate_kinds", rotated)
    monkeypatch.setattr(revocation, "rekey", rekeyed)
    for _ in range(2):
        try:
            revocation.revoke_key(wanted, (), rehearsal=False, check=False, finish=False)
            break
        except CutError:
            continue
    order = [f"{what} {where}" for what in ("key", "vault", "secrets") for where in ("staging", "production")]
    assert [name for name in done if name != "cut"] == order
    assert not list((project / ".samestack" / "revocations").iterdir())
    said = capsys.readouterr().out
    assert "vault_mail" in said
    assert "vault_redis_password" not in said


def test_what_was_on_its_way_in_is_no_new_value(
    project: Path, monkeypatch: pytest.MonkeyPatch, pair: dict[str, tuple[str, str]]
) -> None:
    secret_editor.opened(Run("staging")).change({"vault_redis_password_next": "seen"})
    calls: list[tuple[str, list[str], bool]] = []
    monkeypatch.setattr(Run, "play", lambda *_, **__: None)
    monkeypatch.setattr(
        revocation, "rotate_kinds", lambda on, kinds, *, finish: calls.append((on.environment, kinds, finish))
    )
    revocation.revoke_key(pair["lost"][1], (), rehearsal=False, check=False, finish=False)
    assert calls[0] == ("staging", ["redis"], True)
    assert [(where, len(kinds) > 1) for where, kinds, _ in calls[1:]] == [("staging", True), ("production", True)]


def test_a_key_that_is_still_declared_is_not_revoked(
    project: Path, monkeypatch: pytest.MonkeyPatch, pair: dict[str, tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    lost, wanted = pair["lost"]
    (project / "ada.pub").write_text(lost, encoding="utf-8")
    for declared in ("ada.pub", lost.strip()):
        text = f"security_people:\n  bob: {{keys: []}}\n  ada:\n    keys: ['{declared}']\n"
        (project / "inventories" / "group_vars" / "all" / "app.yml").write_text(text, encoding="utf-8")
        monkeypatch.setattr(Run, "play", lambda *_, **__: pytest.fail("nothing is touched"))
        with pytest.raises(SystemExit):
            revocation.revoke_key(wanted, (), rehearsal=False, check=False, finish=False)
        assert "still declared in inventories/group_vars/all/app.yml:" in capsys.readouterr().err


def test_a_key_is_named_in_three_ways(tmp_path: Path, pair: dict[str, tuple[str, str]]) -> None:
    lost, wanted = pair["lost"]
    (tmp_path / "lost.pub").write_text(lost, encoding="utf-8")
    assert {revocation.named_key(word) for word in (wanted, lost, str(tmp_path / "lost.pub"))} == {wanted}
    for word in ("SHA256:short", "nothing.pub", "ssh-ed25519 AAAA"):
        with pytest.raises(click.UsageError, match="this is no key"):
            revocation.named_key(word)
