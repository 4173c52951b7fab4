"""The builds of CPython that applications may have: which there are, and their archives, which all projects share.

The control node fetches them, by uv, and hosts are sent them: so it is known before a host is touched whether one can
be had, production gets the bytes that staging got and needs no way to where they come from, and what a host unpacks
was compared with its digest twice. Nothing of an archive is run here.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.urls import open_url

from ...module_utils.release.files.contents import file_digest
from ..computer import computer_folder
from ..errors import DecisionError, SamestackError
from ..project.archive import keep_newest
from ..project.python import MIRRORED, OWN, Build
from ..project_root import project_path
from ..text import one_line, without_logins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...module_utils.release.interpreter import Interpreter

TABLE = Path(__file__).parents[1] / "project/pythons.txt"
#: uv's own names of what app_python_mirror and app_python_downloads say: who has set them here need not say it again.
MIRROR, DOWNLOADS = "UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL"
# Of all projects on this computer; each is 30 MB.
ARCHIVES_KEPT = 12
LARGEST_LIST, LIST_SECONDS = 64 << 20, 30
#: Beginning of the digest with which uv begins the name of an archive that it keeps
DIGITS = 9
SHA256 = re.compile("[0-9a-f]{64}")


class Pythons:
    """What can be had, by the decisions app_python_mirror and app_python_downloads, or by uv's variables for them."""

    def __init__(self, base: Path, mirror: str, downloads: str) -> None:
        """Take the project's folder and the two decisions."""
        self.folder = computer_folder() / "pythons"
        # Where box/setup puts it: in the project, or beside the tools that run this
        homes = (base, Path(sys.prefix).resolve().parent)
        places = [home / ".samestack" / "uv" / "bin" / "uv" for home in homes]
        self.uv = next((str(place) for place in places if place.is_file()), None) or shutil.which("uv")
        self.mirror = mirror or os.environ.get(MIRROR, "")
        self.downloads = downloads or os.environ.get(DOWNLOADS, "")
        # What an error names
        self.decided = downloads

    def builds(self) -> list[Build]:
        """Return the builds that can be had; raises DecisionError where the list cannot be read."""
        if not self.downloads:
            return list(in_table(TABLE.read_text(encoding="utf-8")))
        try:
            return list(in_list(json.loads(self.text_of_list())))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DecisionError(
                "app_python_downloads", self.downloads, f"this is no list of Pythons as uv takes it: {reason(error)}",
                "Name uv's download-metadata.json, or a file of that form, by its path or URL",
            ) from error  # fmt: skip

    def text_of_list(self) -> bytes:
        """Return the user's own list; raises OSError and ValueError."""
        if "://" not in self.downloads:
            return Path(project_path(self.downloads)).read_bytes()
        if not self.downloads.startswith(("https://", "http://", "file://")):
            raise ValueError("write https://, http:// or a path")
        content: bytes = open_url(self.downloads, timeout=LIST_SECONDS).read(LARGEST_LIST)
        return content

    def kept(self, interpreter: Interpreter) -> Path | None:
        """Return the archive that is here already."""
        for path in sorted(self.folder.glob(f"{interpreter.sha256[:DIGITS]}-*")):
            if file_digest(str(path)) == interpreter.sha256:
                path.touch()
                return path
            path.unlink()
        return None

    def archive(self, interpreter: Interpreter) -> Path:
        """Return the archive of a Python, fetched where it is not here; raises SamestackError."""
        if found := self.kept(interpreter):
            return found
        build = next((one for one in self.builds() if one.interpreter == interpreter), None)
        if build is None:
            raise SamestackError(
                f"{interpreter.key} (sha256 {interpreter.sha256[:12]}…), which the release runs on, is not in the list "
                f"of Pythons{f' ({self.downloads})' if self.downloads else ''}.",
                "Name the list that it was chosen from: app_python_downloads",
            )
        said = self.fetch(build)
        found = self.kept(interpreter)
        if not found:
            text = f"Python {build.version} cannot be had from {self.shown(build)}: {said or 'it has another digest'}."
            raise SamestackError(text, f"Let this computer reach it, or name a mirror: app_python_mirror. {or_own()}")
        keep_newest(self.folder, "*-*", ARCHIVES_KEPT)
        return found

    def fetch(self, build: Build) -> str:
        """Have uv fetch an archive, which compares its digest; returns what went wrong."""
        if not self.uv:
            return "this computer has no uv; run `box/setup tools`"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self.folder.glob("unpacked-*"):
                shutil.rmtree(left, ignore_errors=True)
            return self.run_uv(self.uv, build)

    def run_uv(self, uv: str, build: Build) -> str:
        """Have uv fetch an archive and unpack it, for the comparison, into a folder that goes again."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="unpacked-") as scratch:
            listed = Path(scratch) / "list.json"
            listed.write_text(json.dumps(as_list(build)), encoding="utf-8")
            command = [uv, "--no-config", "--no-progress", "--color", "never", "python", "install", "--no-bin",
                       "--install-dir", f"{scratch}/python", "--python-downloads-json-url", str(listed)]  # fmt: skip
            command += ["--mirror", self.mirror] if self.mirror else []
            own = {"UV_PYTHON_CACHE_DIR": str(self.folder), "UV_PYTHON_DOWNLOADS": "manual", "UV_SYSTEM_CERTS": "1"}
            left_out = (MIRROR, DOWNLOADS, "UV_COMPILE_BYTECODE")
            env = {name: value for name, value in os.environ.items() if name not in left_out} | own
            done = subprocess.run(
                [*command, build.interpreter.key], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace", env=env, check=False,
            )  # fmt: skip
        causes = re.findall(r"^\s*(?:error|cause): (.*)$", done.stderr, re.MULTILINE)
        return without_logins(one_line(causes[-1] if causes else done.stderr, 200)) if done.returncode else ""

    def shown(self, build: Build) -> str:
        """Return the address that an archive is fetched from, without a password."""
        return without_logins(build.url.replace(MIRRORED, self.mirror.rstrip("/"), 1) if self.mirror else build.url)


def or_own() -> str:
    """Return the way out that needs no download."""
    return f"Or take the hosts' own: app_python: {OWN}"


def reason(error: Exception) -> str:
    """Return an error in a few words."""
    what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return one_line(without_logins(what), 200)


def in_table(text: str) -> Iterator[Build]:
    """Yield the builds of our own list."""
    for line in text.splitlines():
        if not line.startswith("#"):
            version, architecture, date, flavour, sha256 = line.split()
            name = f"cpython-{version}%2B{date}-{architecture}-unknown-linux-gnu-{flavour}.tar.gz"
            yield Build(version, architecture, f"{MIRRORED}/{date}/{name}", sha256)


def in_list(listed: Mapping[str, Mapping[str, Any]]) -> Iterator[Build]:
    """Yield the builds of a list of uv's that a server could run; without a digest there is none to trust."""
    for entry in listed.values():
        architecture = entry["arch"]
        family, variant = (
            (architecture["family"], architecture.get("variant"))
            if isinstance(architecture, dict)
            else (architecture, None)
        )
        plain = (entry["name"], entry["os"], entry["libc"]) == ("cpython", "linux", "gnu")
        if plain and not (variant or entry.get("variant") or entry.get("prerelease")):
            version = ".".join(str(int(entry[part])) for part in ("major", "minor", "patch"))
            sha256 = str(entry.get("sha256") or "")
            if SHA256.fullmatch(sha256):
                yield Build(version, str(family), str(entry["url"]), sha256)


def as_list(build: Build) -> dict[str, Any]:
    """Return a list of uv's with one build."""
    major, minor, patch = map(int, build.version.split("."))
    entry = {
        "name": "cpython", "arch": {"family": build.architecture, "variant": None}, "os": "linux", "libc": "gnu",
        "major": major, "minor": minor, "patch": patch, "prerelease": "", "url": build.url, "sha256": build.sha256,
        "variant": None, "build": None,
    }  # fmt: skip
    return {build.interpreter.key: entry}
