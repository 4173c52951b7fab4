"""What is found wrong with this computer; what is to be typed then is typed, but for what is our own or apt's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from box import doctor, trust
from box.common import project_id

GONE = r"/home/ada/my [old] site.*$|^x\y"


@pytest.fixture
def well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer with nothing wrong."""
    hosts, state = tmp_path / "hosts", tmp_path / ".samestack"
    state.mkdir()
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id.pub").touch()
    hosts.write_text("127.0.0.1 localhost\n10.0.3.9 x.test # samestack: dev1 of /home/ada/my\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    for name, value in {
        "HOSTS": hosts, "STATE": state, "PROJECT": tmp_path, "COMPUTER": tmp_path, "LEAST_SPACE": 0,
        "written": dict, "marked_folders": set, "recorded": dict, "containers": set, "as_root": list,
        "this_computer": object,
    }.items():  # fmt: skip
        monkeypatch.setattr(doctor, name, value)
    monkeypatch.setattr(trust, "AUTHORITY", tmp_path / "ca.crt")
    return tmp_path


def mend(folder: Path) -> list[str]:
    """Type what is printed; returns what was wrong."""
    found = list(doctor.findings())
    for one in found:
        subprocess.run(["sh", "-c", one.mend], cwd=folder, check=True, stdin=subprocess.DEVNULL)
    return [one.what for one in found]


def test_nothing(well: Path) -> None:
    assert mend(well) == []


def test_names_of_what_is_gone(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "marked_folders", lambda: {GONE})
    hosts = well / "hosts"
    before = hosts.read_text()
    hosts.write_text(f"{before}10.0.3.10 y.test # samestack: dev1 of {GONE}\n# samestack: dev1 of {GONE}/below\n")
    (what,) = mend(well)
    assert "names of dev1 of" in what
    assert hosts.read_text() == f"{before}# samestack: dev1 of {GONE}/below\n"
    assert mend(well) == []


def test_machines_of_what_is_gone(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "written", lambda: {GONE: 1})
    name = f"samestack-{project_id(Path(GONE))}-dev1"
    monkeypatch.setattr(doctor, "containers", lambda: {name, "samestack-abcdef-dev1", "other"})
    monkeypatch.setattr(doctor, "LXC_PATH", well)
    found = [one.mend for one in doctor.leftovers()]
    assert found == [f"lxc-destroy -f -n {name}"]


def test_a_password_that_others_read(well: Path) -> None:
    file = well / ".samestack" / "vault-password-staging"
    file.write_text("x")
    file.chmod(0o640)
    assert mend(well) == [".samestack/vault-password-staging can be read by others on this computer"]
    assert mend(well) == []


def test_no_key(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (well / ".ssh" / "id.pub").unlink()
    (found,) = doctor.findings()
    (well / ".ssh").rmdir()
    # It asks for a passphrase.
    subprocess.run(["sh", "-c", f"{found.mend} -q -N ''"], check=True)
    assert (well / ".ssh").stat().st_mode & 0o777 == 0o700
    assert mend(well) == []
    (well / ".ssh" / "id_ed25519.pub").unlink()
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert mend(well) == []


def test_what_is_not_installed(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name.startswith("ssh") else f"/bin/{name}")
    assert [one.mend for one in doctor.findings()] == ["apt-get install openssh-client"]


def test_no_room(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_SPACE", 1 << 60)
    assert any("GiB free" in one.what for one in doctor.findings())
    assert well


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        ({"running": False}, ["./samestack up dev1"]), ({}, []),
        ({"answers": False}, ["./samestack down dev1 && ./samestack up dev1"]),
        ({"names": ["x.test", "new.test"]}, ["./samestack up dev1"]),
    ],
)  # fmt: skip
def test_the_projects_machines(
    well: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, object], wrong: list[str]
) -> None:
    class Maker:
        def is_running(self, name: str) -> bool:
            return bool(state.get("running", True)) and name == "dev1"

    monkeypatch.setattr(doctor, "recorded", lambda: {"provider": "lxc"})
    monkeypatch.setattr(doctor, "addresses_of", lambda _known: {"dev1": "10.0.3.9"})
    monkeypatch.setattr(doctor, "maker", Maker)
    monkeypatch.setattr(doctor, "has_connection", lambda name: name == "dev1")
    monkeypatch.setattr(doctor, "answers", lambda _address: state.get("answers", True))
    monkeypatch.setattr(doctor, "names_of", lambda _name: state.get("names", ["x.test"]))
    assert [one.mend for one in doctor.findings()] == wrong
    assert well


def test_who_does_not_trust(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust.AUTHORITY.write_text("ours")
    monkeypatch.setattr(trust, "TRUSTED", well / "trusted.crt")
    # Whatever browsers this computer has
    monkeypatch.setattr(trust, "CHROMIUM", ())
    (found,) = doctor.findings()
    assert found == ("Certificates of local machines: this computer does not trust them", "./samestack trust")
    (well / ".mozilla/firefox/x.default").mkdir(parents=True)
    (well / ".mozilla/firefox/x.default/cert9.db").touch()
    (well / "trusted.crt").write_text("ours")
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "certutil" else which(name))
    (found,) = doctor.findings()
    assert found.what == trust.CERTUTIL_MISSING
    assert found.mend.endswith("apt-get install libnss3-tools")
