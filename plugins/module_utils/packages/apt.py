"""apt as the stack lock needs it: what a transaction would do, exact versions as preferences, an archive of the past.

Runs on the host. The machine's own apt is never reconfigured: what a transaction needs is given to it alone, so that
security updates and people at the prompt see the archive as it is.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.paths import STATE
from ..common.text import last_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # AnsibleModule.run_command
    RunCommand = Callable[..., tuple[int, str, str]]

FOLDER = f"{STATE}/stack-lock"
LISTS = "/var/lib/apt/lists"
SOURCES = "/etc/apt/sources.list.d"
PREFERENCES = "/etc/apt/preferences"
# Over everything else that apt may choose; from 1000 on it would downgrade, too (apt_preferences(5)).
PRIORITY = 999
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "NEEDRESTART_MODE": "l", "NEEDRESTART_SUSPEND": "1",
    "UCF_FORCE_CONFFOLD": "1",
}  # fmt: skip
QUIETLY = [
    "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confdef",
    "-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0",
]  # fmt: skip
STEP = re.compile(r"Inst (?P<name>\S+)(?: \[(?P<old>[^]]+)\])? \((?P<new>\S+) ")
REMOVAL = re.compile(r"(?:Remv|Purg) (\S+)")
KEPT_BACK = re.compile(r"have been kept back:\n((?: .*\n?)*)")


class StackError(HostError):
    """Packages cannot be brought to their versions."""


@dataclass(frozen=True)
class Transaction:
    """What apt would do: packages with (the version before, "" where there is none; the version after)."""

    steps: dict[str, tuple[str, str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    kept_back: list[str] = field(default_factory=list)

    @property
    def raised(self) -> dict[str, tuple[str, str]]:
        """The packages that the machine had before."""
        return {name: versions for name, versions in self.steps.items() if versions[0]}

    @property
    def added(self) -> dict[str, str]:
        """The packages that are new."""
        return {name: after for name, (before, after) in self.steps.items() if not before}


def read_transaction(text: str) -> Transaction:
    """Return what `apt-get --simulate` says that it would do."""
    found = [match for match in map(STEP.match, text.splitlines()) if match]
    removals = [match[1] for match in map(REMOVAL.match, text.splitlines()) if match]
    kept = KEPT_BACK.search(text)
    steps = {match["name"]: (match["old"] or "", match["new"]) for match in found}
    return Transaction(steps, removals, kept[1].split() if kept else [])


def preferences(locked: Mapping[str, str], own: str = "") -> str:
    """Return apt preferences that make apt choose the locked versions, after the machine's own."""
    parts = [f"Package: {name}\nPin: version {locked[name]}\nPin-Priority: {PRIORITY}\n" for name in sorted(locked)]
    return "\n".join(([own.rstrip() + "\n"] if own.strip() else []) + parts)


def snapshot_sources(targets: str, moment: str, services: Mapping[str, Mapping[str, str]]) -> str:
    """Return sources of the past for the archives that the machine has.

    Args:
        targets: what `apt-get indextargets` says.
        moment: as the snapshot services name it, 20261125T000000Z.
        services: by the archive's label or origin, `url` (with @SNAPSHOTID@) and `keyring`.

    Written out instead of asked for with `APT::Snapshot`: that hides the archive of today, Debian 12's apt does not
    know it, Ubuntu 22.04's wants other sources for it, and none finds the service for Ubuntu's ports.
    """
    entries: dict[tuple[str, str, str], list[str]] = {}
    for stanza in targets.split("\n\n"):
        target = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
        service = services.get(target.get("Label", "")) or services.get(target.get("Origin", ""))
        if service is None or target.get("Created-By") != "Packages":
            continue
        key = (service["url"].replace("@SNAPSHOTID@", moment), target["Release"], service["keyring"])
        component = target.get("Component", "")
        if component not in entries.setdefault(key, []):
            entries[key].append(component)
    # What a Release file of the past says of its validity is over.
    return "".join(
        f"deb [check-valid-until=no signed-by={keyring}] {url} {suite} {' '.join(components)}\n"
        for (url, suite, keyring), components in entries.items()
    )


class Apt:
    """apt on this host, for one module call."""

    def __init__(self, run_command: RunCommand, folder: str = FOLDER) -> None:
        """Take Ansible's run_command and a folder of one's own, which `close` takes away."""
        self.run_command = run_command
        self.folder = folder
        self.options: list[str] = []

    def call(self, *words: str) -> tuple[int, str, str]:
        """Run apt-get without a question."""
        return self.run_command([*QUIETLY, *self.options, *words], environ_update=ENVIRONMENT)

    def update(self, *words: str) -> None:
        """Fetch the lists; raises StackError."""
        code, _, said = self.call("update", *words)
        if code:
            why = last_words(said, most=1)
            raise StackError(f"apt could not fetch its lists: {why}", "See to the network or the sources.")

    def simulate(self, *words: str) -> Transaction:
        """Return what a command would do; raises StackError where apt sees no way."""
        code, output, said = self.call("--simulate", *words)
        if code:
            raise StackError(last_words(said, output))
        return read_transaction(output)

    def do(self, *words: str) -> None:
        """Run a command; raises StackError."""
        code, output, said = self.call(*words)
        if code:
            raise StackError(f"apt stopped: {last_words(said, output)}", "Run the same command again: it goes on.")

    def prefer(self, locked: Mapping[str, str]) -> None:
        """Make apt choose the locked versions from here on."""
        own = ""
        if os.path.isfile(PREFERENCES):
            with open(PREFERENCES, encoding="utf-8") as file:
                own = file.read()
        self._write("preferences", preferences(locked, own))
        self.options += ["-o", f"Dir::Etc::Preferences={self.folder}/preferences"]

    def reach_past(self, moment: str, services: Mapping[str, Mapping[str, str]]) -> str:
        """Let apt see the archive of that moment beside today's; returns "" or why that cannot be."""
        targets = self.run_command(["apt-get", "indextargets"], environ_update=ENVIRONMENT)[1]
        sources = snapshot_sources(targets, moment, services)
        if not sources:
            return "no archive of this machine has a snapshot service"
        parts = os.path.join(self.folder, "sources.list.d")
        os.makedirs(parts, mode=0o755, exist_ok=True)
        for path in glob.glob(os.path.join(SOURCES, "*.*")):
            shutil.copy(path, parts)
        self._write("sources.list.d/samestack-snapshot.list", sources)
        # The lists that are there are not fetched a second time.
        shutil.copytree(LISTS, os.path.join(self.folder, "lists"), dirs_exist_ok=True)
        self.options += [
            "-o", f"Dir::Etc::SourceParts={parts}", "-o", f"Dir::State::Lists={self.folder}/lists",
            "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
        ]  # fmt: skip
        try:
            self.update("-o", "APT::Update::Error-Mode=any")
        except StackError as error:
            return str(error)
        return ""

    def _write(self, name: str, text: str) -> None:
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def close(self) -> None:
        """Take away what only this call needed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def last_words(said: str, output: str = "", most: int = 12) -> str:
    """Return why apt gave up: its errors, and before them what it says of dependencies."""
    errors = [" ".join(line.removeprefix("E: ").split()) for line in said.splitlines() if line.startswith("E: ")]
    unmet = output.partition("unmet dependencies:\n")[2].splitlines()
    reasons = [" ".join(line.split()) for line in unmet if line.startswith(" ")]
    lines = [*reasons, *errors] or last_lines(said, 3).splitlines()
    return "; ".join(lines[:most]) or "it gave no reason"


def as_result(transaction: Transaction) -> dict[str, Any]:
    """Return a transaction as a module's result has it."""
    return {"raised": transaction.raised, "added": transaction.added, "kept_back": transaction.kept_back}
