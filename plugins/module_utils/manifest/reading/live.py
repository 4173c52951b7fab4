"""The release that is live on this host: its folders, and every byte of it, by digests that are kept."""

from __future__ import annotations

import os
import stat
from functools import cached_property
from typing import TYPE_CHECKING

from ...common.files import read_json
from ...common.held_folder import PathError
from ...release.files.contents import BESIDE, FILE, FOLDER, LINK, NO_DIGEST, PROGRAM, Contents, parents
from ...release.files.contents import text_digest as digest_of_text
from ...release.place import Place
from .machine import MissingError, NotHereError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .machine import Host

Tree = dict[str, tuple[str, str]]
#: Folders of live code that run nothing of it
UNREAD = {".git", ".hg", ".venv", "venv", "node_modules", "__pycache__", "media"}


class Live:
    """The live release; what is asked for is read once a recording."""

    def __init__(self, host: Host) -> None:
        """Take the host."""
        self.host = host
        # Why the application could not be asked: once a recording is enough.
        self.trouble = ""
        root = str(host.config.get("root", ""))
        self.place = Place(host.path(root), Place(host.path(root), "").current)

    @property
    def id(self) -> str:
        """Return the release's id, "" before the first."""
        return str(self.place.id)

    @property
    def is_code(self) -> bool:
        """Return whether it is live code, which its owner changes at will."""
        return bool(self.place.live_folder)

    @cached_property
    def build(self) -> dict[str, Any]:
        """Return what is known of how it was built."""
        return read_json(self.place.path("build.json")) or {}

    @cached_property
    def listed(self) -> Contents | None:
        """Return what was built."""
        return Contents.read(self.place.path("contents"))

    @cached_property
    def venv(self) -> str:
        """Return the folder of its environment."""
        return str(os.path.realpath(self.place.path("venv")))

    @cached_property
    def tree(self) -> Tree:
        """Return what is there of it now, its environment left out."""
        if self.is_code:
            return read_tree(self.host, self.place.live_folder, UNREAD, everywhere=True)
        return read_tree(self.host, self.place.folder, set(BESIDE))

    @cached_property
    def venv_tree(self) -> Tree:
        """Return what is there of its environment now."""
        return read_tree(self.host, self.venv, set())

    @cached_property
    def changed(self) -> list[str]:
        """Return the files that are not what was built, in words; nothing is known of live code's."""
        if self.is_code or not self.id:
            return []
        if not self.listed or not self.listed.venv:
            return ["contents (missing)"]
        found = differences(self.tree, self.listed)
        if self.build.get("sha256") != self.listed.sha256:
            found.append("contents (changed)")
        vid, sha256 = self.listed.venv
        packages = Contents.read(os.path.join(self.place.venvs, vid) + ".contents")
        if not packages or not os.path.isdir(self.venv):
            return sorted([*found, "venv (missing)"])
        if packages.sha256 != sha256 or os.path.basename(self.venv) != vid:
            found.append("venv (changed)")
        return sorted(found + [f"venv/{text}" for text in differences(self.venv_tree, packages)])


def no_release(host: Host) -> MissingError:
    """Return why a host without a live release has none: it runs no application, or none was deployed yet."""
    kind = MissingError if "app" in host.config["functions"] else NotHereError
    return kind("no release is live on this host")


def read_tree(host: Host, top: str, beside: Iterable[str], everywhere: bool = False) -> Tree:
    """Return {path: (mode, sha256)} of a folder, as `release_contents.read_tree` does, without reading all of it again.

    Names in `beside` are left out at its top, or everywhere. A file that cannot be read has no digest.
    """
    found: Tree = {}

    def walk(folder: str, prefix: str) -> None:
        try:
            with os.scandir(folder) as listed:
                entries = [entry for entry in listed if (prefix and not everywhere) or entry.name not in beside]
        except OSError:
            return
        for entry in entries:
            path = prefix + entry.name
            try:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    found[path] = (LINK, digest_of_text(os.readlink(entry.path)))
                    continue
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                walk(entry.path, path + "/")
                continue
            found[path] = (PROGRAM if status.st_mode & 0o100 else FILE, digest(entry.path, status))
        if not entries and prefix:
            found[prefix[:-1]] = (FOLDER, NO_DIGEST)

    def digest(path: str, status: os.stat_result) -> str:
        try:
            return str(host.cache.digest(path, status=status)) if stat.S_ISREG(status.st_mode) else ""
        except (OSError, PathError):
            return ""

    walk(top, "")
    return found


def differences(found: Tree, contents: Contents) -> list[str]:
    """Return the paths that are changed, added or missing, in words."""
    listed = contents.entries
    above = {parent for path in listed for parent in parents(path)}
    changed = [f"{path} (changed)" for path in found if path in listed and found[path] != listed[path]]
    added = [f"{path} (added)" for path in found if path not in listed and path not in above]
    return sorted([*changed, *added, *(f"{path} (missing)" for path in listed if path not in found)])
