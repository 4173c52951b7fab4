"""What the first command would install and choose on each kind of computer; that it works is for real machines."""

from __future__ import annotations

import itertools
import platform
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.specifiers import SpecifierSet

from box import blocks, build, containers, laptops, network, providers, public_boxes, setup
from box.common import MACHINES, SetupError
from box.containers import LIVE_PATH, Containers, Settings, mount_word
from box.laptops import ENVIRONMENTS, LAPTOPS, UNKNOWN, Laptop, laptop_of
from docs import laptops as page

if TYPE_CHECKING:
    from collections.abc import Mapping

REPO = Path(__file__).resolve().parents[2]
VAGRANTFILE = (REPO / "Vagrantfile").read_text(encoding="utf-8")
PROVIDERS = ("virtualbox", "vmware_desktop", "parallels", "libvirt")


def archive(suite: str) -> Mapping[str, str | None]:
    packages: Mapping[str, str | None] = page.known()[suite]["packages"]
    return packages


def installed(monkeypatch: pytest.MonkeyPatch, suite: str, *, vagrant: bool = False) -> list[str]:
    """What box/setup hands to apt on a release; of what it asks apt about, apt has what the archive has."""
    monkeypatch.setattr(providers, "this_computer", lambda: LAPTOPS[suite])
    monkeypatch.setattr(providers, "has_candidate", lambda name: bool(archive(suite).get(name)))
    monkeypatch.setattr(providers, "has_plugin", lambda _: False)
    handed: list[str] = []
    providers.install_lxc(handed.extend, vagrant=vagrant)
    return handed


@pytest.mark.parametrize("suite", LAPTOPS)
def test_what_is_installed_is_in_the_archive(monkeypatch: pytest.MonkeyPatch, suite: str) -> None:
    wanted = [*installed(monkeypatch, suite), *ENVIRONMENTS, *LAPTOPS[suite].python]
    assert {"lxc", "mmdebstrap"} <= set(wanted)
    assert [name for name in wanted if not archive(suite).get(name)] == []


@pytest.mark.parametrize("suite", LAPTOPS)
def test_no_release_needs_vagrant(monkeypatch: pytest.MonkeyPatch, suite: str) -> None:
    assert [name for name in installed(monkeypatch, suite) if name.startswith("vagrant")] == []


@pytest.mark.parametrize("suite", LAPTOPS)
def test_vagrant_with_lxc_where_there_is_such_a_thing(monkeypatch: pytest.MonkeyPatch, suite: str) -> None:
    if archive(suite)["vagrant-lxc"]:
        wanted = installed(monkeypatch, suite, vagrant=True)
        assert {"vagrant", "vagrant-lxc"} <= set(wanted)
        assert [name for name in wanted if not archive(suite).get(name)] == []
    else:
        with pytest.raises(SetupError, match=rf"{re.escape(LAPTOPS[suite].title)}.*`\./samestack up`"):
            installed(monkeypatch, suite, vagrant=True)


@pytest.mark.parametrize("suite", LAPTOPS)
def test_vagrant_is_offered_from_where_it_is(suite: str) -> None:
    assert LAPTOPS[suite].vagrant == bool(archive(suite)["vagrant"])


def test_what_all_releases_have_is_enough_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "this_computer", lambda: UNKNOWN)
    handed: list[str] = []
    providers.install_lxc(handed.extend)
    assert [(suite, name) for suite in LAPTOPS for name in handed if not archive(suite).get(name)] == []


@pytest.mark.parametrize(
    ("told", "title"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, "Debian 12"),
        ({"ID": "debian", "VERSION_CODENAME": "forky"}, "Debian 14 (testing)"),
        ({"ID": "ubuntu", "VERSION_CODENAME": "resolute", "UBUNTU_CODENAME": "resolute"}, "Ubuntu 26.04"),
        ({"ID": "linuxmint", "VERSION_CODENAME": "wilma", "UBUNTU_CODENAME": "noble"}, "Ubuntu 24.04"),
        ({"ID": "linuxmint", "VERSION_CODENAME": "faye", "DEBIAN_CODENAME": "bookworm"}, "Debian 12"),
        ({"ID": "fedora", "VERSION_CODENAME": ""}, UNKNOWN.title),
        ({}, UNKNOWN.title),
    ],
)
def test_the_release_of_a_computer(told: dict[str, str], title: str) -> None:
    assert laptop_of(told).title == title


def test_the_page_is_written_anew() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "run: .venv/bin/python -m docs.laptops"


def python_of(suite: str) -> tuple[int, ...]:
    return tuple(map(int, (archive(suite)["python3"] or "").split("-")[0].split(".")[:2]))


@pytest.mark.parametrize("suite", LAPTOPS)
def test_the_tools_have_a_python(suite: str) -> None:
    needs = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert f">={'.'.join(map(str, setup.OLDEST_PYTHON))}" in needs
    versions = ["python" + ".".join(map(str, python_of(suite))), *LAPTOPS[suite].python]
    assert any(SpecifierSet(needs).contains(version.removeprefix("python")) for version in versions)


def test_the_oldest_python_can_run_it() -> None:
    """Ubuntu 22.04 has Python 3.10, and box/ starts before there are tools."""
    assert min(map(python_of, LAPTOPS)) == (3, 10)
    program = [str(REPO / ".venv/bin/mypy"), "--python-version", "3.10", "--cache-dir", ".cache/mypy-3.10", "box"]
    done = subprocess.run(program, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("release", public_boxes.BOXES)
@pytest.mark.parametrize(("provider", "architecture"), [*itertools.product(PROVIDERS, public_boxes.BOTH)])
def test_a_box_for_every_hypervisor_and_processor(release: str, provider: str, architecture: str) -> None:
    box = public_boxes.box_of(release, provider, architecture)
    assert provider in box.providers
    assert re.fullmatch(r"[\d.]+", box.version)


def test_boxes_are_those_of_the_releases_that_can_be_built() -> None:
    assert set(public_boxes.BOXES) == set(build.releases())


@pytest.mark.parametrize(
    ("release", "provider", "message"),
    [
        ("focal", "virtualbox", "SAMESTACK_BOX_RELEASE = focal.*resolute, noble"),
        ("noble", "hyperv", "VAGRANT_DEFAULT_PROVIDER = hyperv.*SAMESTACK_BOX_URL"),
    ],
)
def test_no_such_box(release: str, provider: str, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        public_boxes.box_of(release, provider, "amd64")


def test_a_release_that_cannot_be_checked_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "UBUNTU_KEYS", tmp_path / "none.gpg")
    monkeypatch.setattr(build, "BOXES", tmp_path)
    monkeypatch.setattr(build, "SSH_KEY", tmp_path / "key")
    with pytest.raises(SetupError, match=r"signing keys of Ubuntu 24\.04.*Write one of.*bookworm"):
        build.get("noble")


def test_debian_testing_is_a_laptop_and_no_server() -> None:
    with pytest.raises(SetupError, match="SAMESTACK_BOX_RELEASE = forky"):
        build.choose("forky")
    assert build.choose("forky", laptop=True)[0].suite == "forky"


@pytest.mark.parametrize("suite", ["noble", "focal"])
def test_the_box_from_the_archive_is_one_of_debian(monkeypatch: pytest.MonkeyPatch, suite: str) -> None:
    monkeypatch.setenv("SAMESTACK_BOX_RELEASE", suite)
    with pytest.raises(SetupError, match=rf"SAMESTACK_BOX_RELEASE = {suite}.*Write one of trixie, bookworm"):
        build.get_disk()


def test_the_box_from_the_archive_is_for_one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMESTACK_BOX_RELEASE", raising=False)
    monkeypatch.setattr(build, "run", lambda *_: "arm64\n")
    with pytest.raises(SetupError, match=r"SAMESTACK_BOX_URL = archive.*arm64"):
        build.get_disk()


def test_a_disk_is_a_box_of_its_own() -> None:
    release = build.releases()["trixie"]
    tree = Path("tree")
    assert build.folder_of(release) != build.folder_of(release, build.DISK)
    assert "linux-image-amd64" not in " ".join(build.command_for(release, tree))
    assert "linux-image-amd64" in " ".join(build.command_for(release, tree, build.DISK))
    # A virtual machine has cards, terminals and modules.
    assert "systemd-udevd" not in " ".join(build.command_for(release, tree, build.DISK))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is written down of the choice on a computer with Vagrant, which has no machines yet."""
    found: dict[str, str] = {}
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/vagrant")
    monkeypatch.setattr(providers, "has_candidate", lambda _name: True)
    monkeypatch.setattr(providers, "own_addresses", lambda network: {"dev1": f"{network}.10"})
    monkeypatch.setattr(providers, "provider_of_machines", lambda: "")
    monkeypatch.setattr(providers, "recorded", lambda: {})
    monkeypatch.setattr(providers, "record", found.update)
    monkeypatch.setattr(build, "get_disk", lambda: Path("/boxes/trixie-disk-1"))
    return found


def test_libvirts_box_is_built_on_request(monkeypatch: pytest.MonkeyPatch, written: dict[str, str]) -> None:
    monkeypatch.setenv("SAMESTACK_BOX_URL", providers.ARCHIVE)
    handed: list[str] = []
    providers.prepare_hypervisor(providers.Choice("libvirt", "tests"), handed.extend)
    assert {"virtiofsd", "mmdebstrap", "qemu-utils"} <= set(handed)
    assert written["box_url"] == "file:///boxes/trixie-disk-1/machine.box"
    assert written["ssh_key"] == str(providers.SSH_KEY)
    with pytest.raises(SetupError, match=r"SAMESTACK_BOX_URL = archive.*virtualbox"):
        providers.prepare_hypervisor(providers.Choice("virtualbox", "tests"), handed.extend)


def test_machines_are_reached_as_when_they_were_made(monkeypatch: pytest.MonkeyPatch, written: dict[str, str]) -> None:
    """The second `up` does not say again which box it was."""
    monkeypatch.delenv("SAMESTACK_BOX_URL", raising=False)
    monkeypatch.setattr(providers, "provider_of_machines", lambda: "libvirt")
    monkeypatch.setattr(providers, "recorded", lambda: {"box": "a", "box_url": "file:///b", "ssh_key": "c"})
    providers.prepare_hypervisor(providers.Choice("libvirt", "tests"), lambda _names: None)
    assert (written["box"], written["box_url"], written["ssh_key"]) == ("a", "file:///b", "c")


def test_a_gateways_answer_is_no_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an office's proxy answers for every address, all would be taken."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = server.getsockname()[1]
        connect = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", lambda _to, timeout: connect(("127.0.0.1", asked), timeout))
        assert network.answers("127.0.0.1")
        said = subprocess.CompletedProcess([], 0, "192.168.56.10 via 10.0.2.2 dev eth0 src 10.0.2.15\n")
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: said)
        assert not network.answers("192.168.56.10")


@pytest.mark.parametrize(
    ("silicon", "words", "absent"),
    [
        (
            True,
            ["Apple silicon", "Parallels or VMware Fusion", "bento/ubuntu-24.04 202510.26.0", "2026-"],
            "VirtualBox",
        ),
        (False, ["Intel", "VirtualBox, Parallels or VMware", "brew install --cask vagrant virtualbox"], "bento"),
    ],
)
def test_the_hint_fits_the_mac(monkeypatch: pytest.MonkeyPatch, silicon: bool, words: list[str], absent: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64" if silicon else "x86_64")
    monkeypatch.setattr(providers, "run", lambda *_: "0\n")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(providers, "existing", lambda: None)
    monkeypatch.setattr(providers, "working_hypervisor", lambda: None)
    monkeypatch.delenv("VAGRANT_DEFAULT_PROVIDER", raising=False)
    with pytest.raises(SetupError) as refused:
        providers.choose_provider()
    assert [word for word in words if word not in str(refused.value)] == []
    assert absent not in str(refused.value)


class Computer:
    """What a Linux computer has, for `choose_provider`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch.setattr
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.delenv("VAGRANT_DEFAULT_PROVIDER", raising=False)
        self.has()

    def has(
        self,
        *programs: str,
        hypervisor: str = "",
        laptop: Laptop = LAPTOPS["noble"],
        plugin: bool = False,
        vagrants: str = "",
        containers: bool = False,
    ) -> None:
        self._patch(shutil, "which", lambda name, **_: f"/usr/bin/{name}" if name in programs else None)
        found = providers.Choice(hypervisor, "it is installed") if hypervisor else None
        self._patch(providers, "working_hypervisor", lambda: found)
        self._patch(providers, "this_computer", lambda: laptop)
        self._patch(providers, "has_plugin", lambda _: plugin)
        self._patch(providers, "provider_of_machines", lambda: vagrants)
        record = {"made_by": "lxc", "provider": "lxc", "network": "10.0.3", "tree": "/x"} if containers else {}
        self._patch(providers, "recorded", lambda: record)
        self._patch(Containers, "has", lambda _, name: containers and name == "dev1")


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    return Computer(monkeypatch)


def chosen(*, by_hand: bool = False) -> tuple[str, str]:
    choice = providers.choose_provider(by_hand=by_hand)
    return choice.provider, "Vagrant" if choice.vagrant else "LXC"


def test_without_a_hypervisor_it_is_lxc(computer: Computer) -> None:
    computer.has()
    assert chosen() == ("lxc", "LXC")


def test_vagrant_and_a_hypervisor(computer: Computer) -> None:
    computer.has("vagrant", "VBoxManage", hypervisor="virtualbox")
    assert chosen() == ("virtualbox", "Vagrant")
    assert chosen(by_hand=True) == ("virtualbox", "Vagrant")


def test_what_vagrant_has_made_is_kept(computer: Computer) -> None:
    computer.has("vagrant", hypervisor="virtualbox", vagrants="lxc")
    assert chosen() == ("lxc", "Vagrant")
    assert chosen(by_hand=True) == ("lxc", "Vagrant")


def test_what_lxc_has_made_is_kept(computer: Computer) -> None:
    computer.has("vagrant", "VBoxManage", hypervisor="virtualbox", containers=True)
    assert chosen() == ("lxc", "LXC")
    with pytest.raises(SetupError, match=r"made by LXC, without Vagrant.*`\./samestack destroy`"):
        chosen(by_hand=True)


def test_another_provider_than_that_of_the_machines(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", "virtualbox")
    computer.has("vagrant", containers=True)
    with pytest.raises(SetupError, match="made by LXC"):
        chosen()
    computer.has("vagrant", vagrants="libvirt")
    with pytest.raises(SetupError, match="made by Vagrant with libvirt"):
        chosen()


def test_a_provider_that_is_asked_for(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    computer.has("vagrant", hypervisor="virtualbox")
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", "lxc")
    assert chosen() == ("lxc", "LXC")
    assert chosen(by_hand=True) == ("lxc", "Vagrant")
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", "libvirt")
    assert chosen() == ("libvirt", "Vagrant")


def test_vagrant_by_hand_without_a_hypervisor(computer: Computer) -> None:
    computer.has("vagrant", laptop=LAPTOPS["bookworm"])
    assert chosen(by_hand=True) == ("lxc", "Vagrant")
    computer.has("vagrant", laptop=LAPTOPS["trixie"], plugin=True)
    assert chosen(by_hand=True) == ("lxc", "Vagrant")
    computer.has("vagrant", laptop=LAPTOPS["trixie"])
    with pytest.raises(SetupError, match=r"`\./samestack up` makes the same machine"):
        chosen(by_hand=True)


@pytest.mark.parametrize(
    ("suite", "word"), [("noble", providers.DOWNLOADS), ("trixie", "sudo apt-get install vagrant")]
)
def test_a_hypervisor_without_vagrant_is_named(
    computer: Computer, capsys: pytest.CaptureFixture[str], suite: str, word: str
) -> None:
    computer.has("VBoxManage", laptop=LAPTOPS[suite])
    assert chosen() == ("lxc", "LXC")
    said = capsys.readouterr().err
    assert "VirtualBox is here" in said
    assert word in said


def test_the_vagrantfile_and_the_containers_agree() -> None:
    found = re.search(r"MACHINES = %w\[([^]]+)\]", VAGRANTFILE)
    assert found
    assert tuple(found[1].split()) == MACHINES
    # Where none were taken for the project yet
    assert list(blocks.numbers(0).values()) == [10 * (index + 1) for index in range(len(MACHINES))]
    assert f'LIVE_PATH = "{LIVE_PATH}"' in VAGRANTFILE
    assert "config.vm.box_version" in VAGRANTFILE


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/home/ann/my site", r"/home/ann/my\040site"),
        ("/srv/a\\b", r"/srv/a\134b"),
        ("/srv/tab\tnew\nline", r"/srv/tab\011new\012line"),
        ("/home/ännchen/mysite#1", "/home/ännchen/mysite#1"),
    ],
)
def test_a_folder_with_strange_letters_is_one_word(path: str, word: str) -> None:
    assert mount_word(path) == word
    text = Settings("samestack-0123ab-dev1", "10.0.3.10", "dir:/x", live=path).text()
    assert f"lxc.mount.entry = {word} srv/live none bind,create=dir 0 0\n" in text


def test_a_computer_whose_apparmor_cannot_load_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """LXC refuses to write a profile where the kernel has AppArmor, and its parser is not installed."""
    enabled = tmp_path / "enabled"
    enabled.write_text("Y\n", encoding="utf-8")
    monkeypatch.setattr(containers, "APPARMOR", enabled)
    monkeypatch.setattr(containers, "APPARMOR_PARSER", "no-such-parser")
    assert "lxc.apparmor.profile = unconfined" in Settings("samestack-0123ab-dev1", "10.0.3.10", "dir:/x").text()
    enabled.write_text("N\n", encoding="utf-8")
    assert "lxc.apparmor.profile = generated" in Settings("samestack-0123ab-dev1", "10.0.3.10", "dir:/x").text()


def test_the_lists_are_not_empty() -> None:
    assert set(LAPTOPS) == {"bookworm", "trixie", "forky", "jammy", "noble", "resolute"}
    assert laptops.MACHINES


OVERRIDDEN = (
    'USE_LXC_BRIDGE="false"  # overridden in lxc-net\n\n[ ! -f /etc/default/lxc-net ] || . /etc/default/lxc-net\n'
)
BRIDGES: dict[str, tuple[str, str | None, bool]] = {
    "nothing is said": ("", "", False),
    "no settings yet, LXC writes them": (OVERRIDDEN, None, False),
    "on in the settings": (OVERRIDDEN, 'USE_LXC_BRIDGE="true"\n', False),
    "off until a person says otherwise": (OVERRIDDEN, 'LXC_ADDR="10.0.9.1"\n', True),
    "off": ("", "USE_LXC_BRIDGE=false\n", True),
    "the last word counts": ("", "USE_LXC_BRIDGE='true'\nUSE_LXC_BRIDGE='false'\n", True),
    "a comment is none": ("", "#USE_LXC_BRIDGE=false\n", False),
}


@pytest.mark.parametrize("case", BRIDGES)
def test_a_bridge_that_is_switched_off_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str) -> None:
    defaults, settings, off = BRIDGES[case]
    monkeypatch.setattr(network, "DEFAULTS", tmp_path / "lxc")
    monkeypatch.setattr(network, "SETTINGS", tmp_path / "lxc-net")
    network.DEFAULTS.write_text(defaults, encoding="utf-8")
    if settings is not None:
        network.SETTINGS.write_text(settings, encoding="utf-8")
    assert network.is_switched_off() is off
    if off:
        with pytest.raises(SetupError, match=r'USE_LXC_BRIDGE is not true .*Write USE_LXC_BRIDGE="true" there'):
            network.start_alone()
