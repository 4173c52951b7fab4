"""Keeps what Ansible makes of a module from one run to the next: to find out what a module imports takes it 0.1 s each.

Within a run Ansible has such a store already, in its temporary folder, and throws it away with that. Only modules of
Ansible itself and of this repository are kept, for one state of both. Where Ansible no longer does it this way, nothing
is found and nothing is gained.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ansible.modules
from ansible import constants
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

from ..plugin_utils.files import write_whole
from ..plugin_utils.project_root import ENGINE, project_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible.executor.stats import AggregateStats
    from ansible.playbook import Playbook

DOCUMENTATION = """
name: module_payloads
type: aggregate
short_description: What Ansible makes of a module is kept from one run to the next
description:
  - In C(.samestack/modules), for the current state of the modules only.
"""

PLUGINS = ENGINE / "plugins"
OURS = (PLUGINS / "modules", PLUGINS / "module_utils")
STORE = project_root() / ".samestack" / "modules"
#: How module_common.py calls the folder, and the files of Ansible's own modules and ours
FOLDER = "ansiballz_cache"
FILE = re.compile(r"(ansible\.modules|ansible_collections\.samestack\.core\.plugins\.modules)\.(\w+)-[\w-]+")


class CallbackModule(CallbackBase):
    """Brings what is kept when a run begins, and keeps what is new when it ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "module_payloads"

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Lay links into the folder in which Ansible looks."""
        self.state = ""
        with contextlib.suppress(OSError):
            self.state = state()
            bring(STORE / self.state, Path(constants.DEFAULT_LOCAL_TMP) / FOLDER)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Keep what this run had to make, unless somebody changed what it was made of meanwhile."""
        with contextlib.suppress(OSError):
            if state() == self.state:
                keep(Path(constants.DEFAULT_LOCAL_TMP) / FOLDER, STORE / self.state)


def state() -> str:
    """Return what changes with Ansible, this Python, and the files of our modules. Raises OSError."""
    digest = hashlib.sha256(f"{__version__} {ansible.__file__} {sys.version}".encode())
    for top in OURS:
        for folder, _folders, names in sorted(os.walk(top)):
            for name in sorted(names):
                if name.endswith(".py"):
                    status = os.stat(f"{folder}/{name}")
                    line = f"{folder}/{name} {status.st_size} {status.st_mtime_ns} {status.st_ino}\n"
                    digest.update(line.encode())
    return digest.hexdigest()[:16]


def payloads(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that belong to modules which are Ansible's or ours. Raises OSError."""
    homes = {True: Path(ansible.modules.__file__).parent, False: OURS[0]}
    for file in folder.iterdir():
        found = FILE.fullmatch(file.name)
        if found and (homes[found[1] == "ansible.modules"] / f"{found[2]}.py").exists():
            yield file


def bring(store: Path, folder: Path) -> None:
    """Lay links to what is kept. Raises OSError."""
    if store.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        for file in payloads(store):
            (folder / file.name).symlink_to(file)


def keep(folder: Path, store: Path) -> None:
    """Copy what is new, and throw away what belongs to another state. Raises OSError."""
    new = [file for file in payloads(folder) if not file.is_symlink()]
    if not new:
        return
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in new:
        # Ansible trusts what it finds: whole or not at all.
        write_whole(store / file.name, file.read_bytes(), 0o600)
    for other in store.parent.iterdir():
        if other != store and other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
