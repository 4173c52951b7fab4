"""Projects of earlier versions, each with a machine that has nothing of another's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from box.connections import part_of
from box.containers import ssh_options
from plugins.plugin_utils.version import Version
from tests.support.browser import Browser
from tests.support.clone import Clone
from tests.support.load import Load, Visitors
from tests.support.tags import git, known_versions, tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Its history, which the copy that tests run in has not
CLONE = Path(sys.executable).parents[2]
#: From the last five to this one
VERSIONS = sorted(known_versions(CLONE))[:-1][-5:]
#: The first that a project of its own folder can pin
PINNED = Version(0, 2, 0)
DOMAIN = "staging.noticeboard.test"
#: Together twenty requests a second and some more; half of them on connections of their own
VISITORS = (Visitors("new", "/", 3, pause=0.22), Visitors("kept", "/", 3, keep=True, pause=0.22))


class Server:
    """A project, and the machine that is its staging."""

    def __init__(self, folder: Path, address: str) -> None:
        self.clone = Clone(folder)
        self.address = address
        self.state = folder / ".samestack"
        self.config = self.state / "ssh_config"
        # As on a computer that had only this project: the CA that it has made becomes the computer's.
        self.data = folder.parent / "data"

    def connect(self) -> None:
        """Let the project's rehearsal be this machine alone."""
        known = self.config.with_name("known_hosts")
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.config.write_text(
            part_of("staging1", ssh_options(self.address), known) + "\nHost *\n  ProxyCommand false\n"
        )
        file = self.clone.folder / "inventories" / "rehearsal.yml"
        groups = yaml.safe_load(file.read_text(encoding="utf-8"))
        for group in groups.values():
            group["hosts"] = {name: values for name, values in group["hosts"].items() if name == "staging1"}
        file.write_text(yaml.safe_dump(groups, sort_keys=False), encoding="utf-8")

    def samestack(self, verb: str, *words: str) -> str:
        """Type a verb for the machine, which must go well."""
        return self.well("./samestack", verb, "staging", "--rehearsal", *words)

    def well(self, *words: str) -> str:
        """Type a command in the project, which must go well."""
        return self.clone.well(*words, XDG_DATA_HOME=str(self.data))

    def refuses(self, verb: str) -> str:
        """Type a verb for the machine, which must fail; returns what it said."""
        return self.clone.refuses(verb, "staging", "--rehearsal", XDG_DATA_HOME=str(self.data))

    def keep_the_authority(self) -> None:
        """Give the project the CA itself, as the first version keeps it (docs/update.md)."""
        shutil.copy(self.data / "samestack/ca.key", self.state)

    def run(self, script: str) -> str:
        """Return the output of a script on the machine, as root, that must succeed."""
        command = ["ssh", "-F", str(self.config), "staging1", f"sudo sh -ec '{script}'"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self) -> str:
        """Return what the machine's configuration is, in one word."""
        return self.run("find /etc /srv /usr/local -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum")

    @property
    def authority(self) -> Path:
        """The certificate of who signed the site's."""
        return self.state / "ca.crt"

    def load(self) -> Load:
        """Visitors, who come until they are told to stop."""
        return Load(DOMAIN, self.address, self.authority, *VISITORS)

    def browser(self) -> Browser:
        """Return somebody who looks."""
        return Browser(DOMAIN, self.address, self.authority)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samestack with the tags of its versions; the checkout is the newest."""
    folder = tmp_path_factory.mktemp("versions") / "samestack"
    tagged(CLONE, folder)
    return folder


@pytest.fixture
def server(repository: Path, version: Version) -> Iterator[Server]:
    """What an earlier version has built, and a release that it serves."""
    top = repository.parent / str(version)
    top.mkdir()
    name = f"{os.environ['MOLECULE_SCENARIO_NAME']}-staging1"
    for words in (("down", name), ("up", name, "trixie")):
        done = subprocess.run([CLONE / "box/host", *words], check=True, stdout=subprocess.PIPE, text=True)
    found = Server(project_of(repository, version, top), done.stdout.strip())
    found.connect()
    found.samestack("provision")
    found.samestack("deploy")
    yield found
    shutil.rmtree(top)


def project_of(repository: Path, version: Version, top: Path) -> Path:
    """Make the project of somebody who began with a version: a clone, or what `init` wrote for the example."""
    git(top, "clone", "-q", "-b", version.tag, str(repository), "samestack")
    clone = Clone(top / "samestack")
    if version < PINNED:
        return clone.folder
    shutil.copytree(clone.folder / "examples/noticeboard", top / "noticeboard")
    clone.samestack("init", "../noticeboard", "--yes", "--from", str(repository))
    assert f'version = "{version}"' in (top / "noticeboard/samestack/samestack.lock").read_text()
    return top / "noticeboard" / "samestack"


def newest(repository: Path) -> str:
    """Return the version that the repository is at."""
    found = re.search(r"^version: (\S+)$", (repository / "galaxy.yml").read_text(), re.MULTILINE)
    assert found
    return found[1]
