"""What apt is told and what it says: transactions, preferences, and the archive of the past on every release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

# As on a host: what a module of ours raises is the same class everywhere.
from plugins.module_utils.packages.apt import (
    StackError,
    Transaction,
    last_words,
    preferences,
    read_transaction,
    snapshot_sources,
)
from plugins.module_utils.packages.change import LockedInstall, upgrade, words

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLE = Path(__file__).resolve().parents[2] / "roles" / "host" / "defaults" / "main.yml"
SERVICES = yaml.safe_load(ROLE.read_text(encoding="utf-8"))["host_snapshots"]
MOMENT = "20261125T000000Z"
SIMULATED = """\
Reading package lists...
The following packages have been kept back:
  libfoo1 foo-tools
The following packages will be upgraded:
  nginx
Inst nginx-common (1.26.3-3+deb13u11 Debian-Security:13/stable-security [all])
Inst nginx [1.26.3-3+deb13u10] (1.26.3-3+deb13u11 Debian-Security:13/stable-security [amd64]) []
Inst libc6:i386 (2.41-12 Debian:13.8/stable [i386])
Conf nginx (1.26.3-3+deb13u11 Debian-Security:13/stable-security [amd64])
"""
# A release's own sources: (suite, components, label, address)
DEBIAN, SECURITY = "http://deb.debian.org/debian/", "http://deb.debian.org/debian-security/"
UBUNTU, PORTS = "http://archive.ubuntu.com/ubuntu/", "http://ports.ubuntu.com/ubuntu-ports/"
PARTS = ("main", "restricted", "universe", "multiverse")
SOURCES = {
    "debian-12": [("bookworm", ("main",), "Debian", DEBIAN), ("bookworm-updates", ("main",), "Debian", DEBIAN),
                  ("bookworm-security", ("main",), "Debian-Security", SECURITY)],
    "debian-13": [("trixie", ("main", "non-free-firmware"), "Debian", "https://mirror.example.edu/debian/"),
                  ("trixie-updates", ("main", "non-free-firmware"), "Debian", "https://mirror.example.edu/debian/"),
                  ("trixie-security", ("main", "non-free-firmware"), "Debian-Security", SECURITY)],
    "ubuntu-22.04": [("jammy", PARTS, "Ubuntu", "http://eu-central-1.ec2.archive.ubuntu.com/ubuntu/"),
                     ("jammy-updates", PARTS, "Ubuntu", "http://eu-central-1.ec2.archive.ubuntu.com/ubuntu/"),
                     ("jammy-security", PARTS, "Ubuntu", "http://security.ubuntu.com/ubuntu/")],
    "ubuntu-24.04": [("noble", PARTS, "Ubuntu", UBUNTU), ("noble-updates", PARTS, "Ubuntu", UBUNTU),
                     ("noble-security", PARTS, "Ubuntu", "http://security.ubuntu.com/ubuntu/")],
    "ubuntu-26.04": [("resolute", PARTS, "Ubuntu", PORTS), ("resolute-updates", PARTS, "Ubuntu", PORTS),
                     ("resolute-security", PARTS, "Ubuntu", PORTS)],
}  # fmt: skip
THIRD = ("nodistro", ("main",), ". nodistro", "https://deb.nodesource.com/node_20.x/")


def targets(sources: Sequence[tuple[str, Sequence[str], str, str]]) -> str:
    """Return what `apt-get indextargets` says of sources, as apt 2.4 to 3.1 write it."""
    stanzas = []
    for suite, components, label, address in sources:
        origin = label.split("-")[0]
        for component in components:
            for made in ("Packages", "Translations"):
                stanzas.append(
                    f"MetaKey: {component}/binary-amd64/{made}\nShortDesc: {made}\nLabel: {label}\nOrigin: {origin}\n"
                    f"Suite: stable\nTrusted: yes\nComponent: {component}\nCreated-By: {made}\nFallback-Of: \n"
                    f"Release: {suite}\nRepo-URI: {address}\nTarget-Of: deb\n"
                )
    return "\n".join(stanzas)


@pytest.mark.parametrize("release", SOURCES)
def test_the_past_of_every_release(release: str) -> None:
    system, suites = release.partition("-")[0], [suite for suite, *_ in SOURCES[release]]
    lines = snapshot_sources(targets([*SOURCES[release], THIRD]), MOMENT, SERVICES).splitlines()
    assert [line.split()[4] for line in lines] == suites
    for line, (_, components, label, _) in zip(lines, SOURCES[release], strict=True):
        words_of = line.split()
        assert words_of[:2] == ["deb", "[check-valid-until=no"]
        assert words_of[2] == f"signed-by=/usr/share/keyrings/{system}-archive-keyring.gpg]"
        archive = {
            "Debian": "https://snapshot.debian.org/archive/debian/",
            "Debian-Security": "https://snapshot.debian.org/archive/debian-security/",
            # Ports too: the service has every architecture there.
            "Ubuntu": "https://snapshot.ubuntu.com/ubuntu/",
        }[label]
        assert words_of[3] == f"{archive}{MOMENT}/"
        assert tuple(words_of[5:]) == components


def test_what_apt_would_do_is_read() -> None:
    found = read_transaction(SIMULATED)
    assert found.raised == {"nginx": ("1.26.3-3+deb13u10", "1.26.3-3+deb13u11")}
    assert found.added == {"nginx-common": "1.26.3-3+deb13u11", "libc6:i386": "2.41-12"}
    assert found.kept_back == ["libfoo1", "foo-tools"]
    assert read_transaction("Remv chrony [4.6]\nInst a (1 x [all])\n").removed == ["chrony"]


def test_preferences_never_downgrade_and_keep_the_machines_own() -> None:
    text = preferences({"nginx": "1:2", "acl": "3"}, "Package: *\nPin: release a=x\nPin-Priority: 50\n\n\n")
    stanzas = [dict(line.split(": ", 1) for line in part.splitlines()) for part in text.strip().split("\n\n")]
    assert [stanza["Package"] for stanza in stanzas] == ["*", "acl", "nginx"]
    assert stanzas[2]["Pin"] == "version 1:2"
    assert all(int(stanza["Pin-Priority"]) < 1000 for stanza in stanzas)


def test_apts_reasons_are_passed_on() -> None:
    output = "The following packages have unmet dependencies:\n a : Depends: b (= 1) but 2\n     is to be installed\n"
    text = last_words("W: x\nE: Unable to correct problems, you have held broken packages.\n", output)
    assert text.startswith("a : Depends: b (= 1) but 2; is to be installed; Unable to correct")


class Host:
    """A host's apt: what is installed, and which versions each call may choose from."""

    def __init__(self, installed: dict[str, str], *archives: dict[str, list[str]]) -> None:
        self.installed, self.archives, self.calls = installed, list(archives), []

    def run(self, command: list[str], **_: Any) -> tuple[int, str, str]:
        self.calls.append(command)
        if command[0] == "dpkg-query":
            rows = [f"ii |{name}|{version}|amd64|misc\n" for name, version in {"dpkg": "1", **self.installed}.items()]
            return 0, "".join(rows), ""
        if command[1:] == ["indextargets"]:
            return 0, targets(SOURCES["debian-13"]), ""
        past = any("SourceParts" in word for word in command)
        offered = self.archives[1 if past else 0] if len(self.archives) > past else {}
        if command[:2] == ["apt-cache", "show"]:
            return 0, "\n".join(f"Package: {name}\nSource: of-{name[:3]}\n" for name in command[3:]), ""
        if command[0] == "apt-cache":
            names = command[command.index("madison") + 1 :]
            return 0, "".join(f" {name} | {version} | x\n" for name in names for version in offered.get(name, [])), ""
        if "update" in command:
            return (100, "", "E: no network\n") if past and not offered else (0, "", "")
        return self.resolve(command, offered)

    def resolve(self, command: list[str], offered: dict[str, list[str]]) -> tuple[int, str, str]:
        pins = next((word for word in command if "Etc::Preferences" in word), "=").split("=")[1]
        text = Path(pins).read_text(encoding="utf-8") if pins else ""
        locked = {
            part.split("\n")[0]: part.split("Pin: version ")[1].split("\n")[0] for part in text.split("Package: ")[1:]
        }
        lines = []
        for name in command[command.index("APT::Get::Always-Include-Phased-Updates=true") + 1 :]:
            if name not in offered:
                return 100, "", f"E: Unable to locate package {name}\n"
            version = locked.get(name) if locked.get(name) in offered[name] else offered[name][0]
            before = f" [{self.installed[name]}]" if name in self.installed else ""
            lines += [f"Inst {name}{before} ({version} x [amd64])\n"] if self.installed.get(name) != version else []
        return 0, "".join(lines), ""

    def installation(
        self, folder: Path, locked: dict[str, str], missing: Sequence[str], snapshot: str = ""
    ) -> LockedInstall:
        params = {
            "locked": locked, "missing": missing, "section": "debian-13-amd64", "snapshot": snapshot,
            "snapshots": SERVICES, "apps": [],
        }  # fmt: skip
        return LockedInstall(self.run, params, str(folder))


@pytest.fixture(autouse=True)
def no_lists(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    monkeypatch.setattr("plugins.module_utils.packages.apt.LISTS", str(tmp_path / "lists"))
    monkeypatch.setattr("plugins.module_utils.packages.apt.SOURCES", str(tmp_path / "sources"))


def test_the_locked_version_is_chosen_not_the_newest(tmp_path: Path) -> None:
    host = Host({"acl": "1", "bash": "5"}, {"acl": ["3", "2"], "nginx": ["9", "8"], "tree": ["7"]})
    installation = host.installation(tmp_path / "own", {"acl": "2", "bash": "4", "nginx": "8"}, ["nginx", "tree"])
    done = installation.look()
    assert done.steps == {"acl": ("1", "2"), "nginx": ("", "8"), "tree": ("", "7")}
    assert installation.refused == {}
    assert installation.unlocked(done) == ["tree"]
    installation.apt.close()
    assert not (tmp_path / "own").exists()


def test_parts_of_one_source_stay_together(tmp_path: Path) -> None:
    """The image has a newer libfoo than the lock; foo-tools must be as new, and that is said."""
    host = Host({"foo1": "3"}, {"foo1": ["4", "3", "2"], "foo-tools": ["4", "3", "2"]})
    installation = host.installation(tmp_path / "own", {"foo1": "2", "foo-tools": "2"}, ["foo-tools"])
    done = installation.look()
    assert done.steps == {"foo-tools": ("", "3")}
    assert installation.refused == {}
    assert installation.ahead(done) == ["foo-tools 3"]


def test_nothing_to_do_asks_apt_for_nothing(tmp_path: Path) -> None:
    host = Host({"acl": "3"}, {"acl": ["3"]})
    assert host.installation(tmp_path / "own", {"acl": "2"}, []).look() == Transaction()


def test_a_version_that_is_gone_is_refused_with_what_there_is(tmp_path: Path) -> None:
    host = Host({"acl": "1"}, {"acl": ["3"], "nginx": ["9"]})
    installation = host.installation(tmp_path / "own", {"acl": "2", "nginx": "9", "gone": "1"}, ["nginx", "gone"])
    installation.look()
    assert installation.refused["missing"] == {"acl": ["2", "3"], "gone": ["1", ""]}
    with pytest.raises(StackError, match="gone since"):
        installation.install()
    assert not any("install" in call and "--simulate" not in call for call in host.calls)


def test_the_snapshot_has_what_todays_archive_has_not(tmp_path: Path) -> None:
    host = Host({"acl": "1"}, {"acl": ["3"]}, {"acl": ["3", "2"]})
    installation = host.installation(tmp_path / "own", {"acl": "2"}, [], MOMENT)
    assert installation.look().steps == {"acl": ("1", "2")}
    assert installation.refused == {}
    past = (tmp_path / "own" / "sources.list.d" / "samestack-snapshot.list").read_text(encoding="utf-8")
    assert f"https://snapshot.debian.org/archive/debian/{MOMENT}/ trixie main non-free-firmware" in past


def test_a_snapshot_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    installation = Host({"acl": "1"}, {"acl": ["3"]}).installation(tmp_path / "own", {"acl": "2"}, [], MOMENT)
    installation.look()
    assert installation.refused["past"] == (
        f"The snapshot of {MOMENT} cannot be used: apt could not fetch its lists: no network."
    )


def test_an_upgrade_takes_nothing_away() -> None:
    class Apt:
        def update(self) -> None: ...

        def simulate(self, *_: str) -> Transaction:
            return Transaction({"a": ("1", "2")}, ["nginx"])

    with pytest.raises(StackError, match="take away nginx"):
        upgrade(Apt(), check=False)


def test_what_was_done_is_told() -> None:
    done = Transaction({"libssl3": ("3.0.20", "3.0.22"), "new": ("", "1")}, [], ["kept"])
    after = {"restarted": ["postgresql@15-main.service"], "owed": [], "left": ["dbus.service"], "reboot": True}
    text = "\n".join(words(done, after))
    for part in ("Raised: libssl3 3.0.20 → 3.0.22", "Kept back by apt: kept", "postgresql@15-main.service"):
        assert part in text
    for part in ("interrupted", "next boot: dbus.service", "reboot"):
        assert part in text
    assert words(Transaction({"postgresql-15": ("1", "2")}), {}, "Would raise") == ["Would raise: postgresql-15 1 → 2"]
