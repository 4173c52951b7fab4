"""Who trusts this computer's own authority: the system, and browsers, which have stores of their own.

Firefox and Chromium keep them in databases of NSS's, which its own program writes: certutil.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from box.common import SetupError, as_root, run
from box.places import COMPUTER

AUTHORITY = COMPUTER / "ca.crt"
#: Where Debian and Ubuntu look for what a computer trusts, below a folder of its own: one authority for all projects on
#: it. What lies beside that folder is what local machines trust as well (machine_trusted_ca_files).
TRUSTED = Path("/usr/local/share/ca-certificates/samestack/samestack.crt")
KEYCHAIN = "/Library/Keychains/System.keychain"
#: What it is called in a browser's list
NAME = "Samestack"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "brave-browser", "microsoft-edge")
#: Below somebody's home: where Chromium makes its database, and where it may have one
NEW = ".pki/nssdb"
FOLDERS = (
    ("Chromium", (NEW, ".local/share/pki/nssdb", "snap/chromium/current/.pki/nssdb")),
    ("Firefox", (".mozilla/firefox/*", ".config/mozilla/firefox/*", "snap/firefox/common/.mozilla/firefox/*",
                 ".var/app/org.mozilla.firefox/.mozilla/firefox/*", "Library/Application Support/Firefox/Profiles/*")),
)  # fmt: skip
CERTUTIL_MISSING = "certutil, which writes the stores of browsers, is not installed"


@dataclass(frozen=True)
class System:
    """What every program trusts that has no store of its own."""

    name = "this computer"
    where = str(TRUSTED)

    def has(self) -> bool:
        """Return whether the authority is in it."""
        return TRUSTED.is_file() and AUTHORITY.is_file() and TRUSTED.read_bytes() == AUTHORITY.read_bytes()

    def add(self) -> None:
        """Put it in; raises SetupError."""
        run(["install", "-D", "-m", "0644", str(AUTHORITY), str(TRUSTED)], root=True)
        run(["update-ca-certificates"], root=True)

    def remove(self) -> bool:
        """Take out what is in it under our name; returns whether there was any. Raises SetupError."""
        if not TRUSTED.exists():
            return False
        run(["rm", "-r", str(TRUSTED.parent)], root=True)
        run(["update-ca-certificates", "--fresh"], root=True)
        return True


@dataclass(frozen=True)
class Keychain:
    """The same on a Mac."""

    name = "this computer"
    where = KEYCHAIN

    def has(self) -> bool:
        """Return whether the authority is in it."""
        return AUTHORITY.is_file() and says(["security", "verify-cert", "-c", str(AUTHORITY)]) is not None

    def add(self) -> None:
        """Put it in; raises SetupError."""
        run(["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", KEYCHAIN, str(AUTHORITY)], root=True)

    def remove(self) -> bool:
        """Take it out; returns whether it was in it. Raises SetupError."""
        if not self.has():
            return False
        run(["security", "remove-trusted-cert", "-d", str(AUTHORITY)], root=True)
        return True


@dataclass(frozen=True)
class Browser:
    """A browser's own database."""

    name: str
    folder: Path

    @property
    def where(self) -> str:
        """Return its folder, in words."""
        return str(self.folder)

    def certutil(self, *words: str) -> list[str]:
        """Return a command line about it."""
        return ["certutil", *words, "-d", f"sql:{self.folder}"]

    def kept(self) -> str | None:
        """Return the certificate that is in it under our name, None where there is none."""
        return says(self.certutil("-L", "-n", NAME, "-a"))

    def has(self) -> bool:
        """Return whether the authority is in it."""
        kept = self.kept()
        return bool(kept and AUTHORITY.is_file() and kept.split() == AUTHORITY.read_text(encoding="ascii").split())

    def add(self) -> None:
        """Put it in, in place of another one of our name; raises SetupError."""
        if not (self.folder / "cert9.db").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            run(self.certutil("-N", "--empty-password"))
        self.remove()
        run(self.certutil("-A", "-n", NAME, "-t", "C,,", "-i", str(AUTHORITY)))

    def remove(self) -> bool:
        """Take out what is in it under our name; returns whether there was any. Raises SetupError."""
        if self.kept() is None:
            return False
        run(self.certutil("-D", "-n", NAME))
        return True


Store = System | Keychain | Browser


def says(command: list[str]) -> str | None:
    """Return what a command prints, None where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError:
        return None
    return None if done.returncode else done.stdout


def browsers() -> list[Browser]:
    """Return the stores of this user's browsers, also the one that a browser is yet to make."""
    home = Path.home()
    found = [
        Browser(name, path.parent)
        for name, folders in FOLDERS
        for folder in folders
        for path in sorted(home.glob(f"{folder}/cert9.db"))
    ]
    if not any(one.name == "Chromium" for one in found) and any(map(shutil.which, CHROMIUM)):
        found.append(Browser("Chromium", home / NEW))
    return found


def system() -> System | Keychain:
    """Return the system's own store."""
    return Keychain() if sys.platform == "darwin" else System()


def is_trusted() -> bool:
    """Whether this computer was told to trust its authority."""
    return system().has()


def install_certutil() -> str:
    """Return what installs that program."""
    return (
        "brew install nss" if sys.platform == "darwin" else shlex.join(as_root(["apt-get", "install", "libnss3-tools"]))
    )


def can_write_browsers() -> bool:
    """Whether the program for the stores of browsers is there, or there are none."""
    return bool(shutil.which("certutil")) or not browsers()


def trust() -> list[str]:
    """Have everybody trust the authority; returns a line for each store. Raises SetupError."""
    if not AUTHORITY.is_file():
        raise SetupError("This computer has no authority yet. `./samestack up` makes it, with the first machine.")
    lines = []
    stores: list[Store] = [system(), *(browsers() if can_write_browsers() else [])]
    for store in stores:
        there = store.has()
        if not there:
            store.add()
        lines.append(line(store, "trusts it already" if there else "trusts it now"))
    return lines


def untrust() -> list[str]:
    """Have nobody trust it any more; returns a line for each store. Raises SetupError."""
    stores: list[Store] = [system(), *(browsers() if can_write_browsers() else [])]
    return [line(store, "trusts it no more" if store.remove() else "did not trust it") for store in stores]


def line(store: Store, what: str) -> str:
    """Return what is said of a store."""
    where = store.where.replace(str(Path.home()) + os.sep, "~/", 1)
    return f"{store.name:15} {what} ({where})"
