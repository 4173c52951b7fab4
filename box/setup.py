"""Install what this computer lacks: the control node's tools, then what makes the local machines.

Every step first looks whether it is done. What was installed by apt stays; everything else is in `.samestack/` and
`.venv/` beside this folder, and in `~/.local/share/samestack/`.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

from box.common import SetupError, as_root, note, run, stop
from box.laptops import ENVIRONMENTS, this_computer
from box.places import COMPUTER, ENGINE, STATE, TOOLS
from box.providers import choose_provider, has_candidate, prepare_containers, prepare_provider
from plugins.plugin_utils.computer import alone_in

UV_VERSION = "0.13.9"
#: What the tools need (`requires-python` in pyproject.toml); the programs of this folder are content with less.
OLDEST_PYTHON = (3, 11)
UV = TOOLS / "uv" / "bin" / "uv"
VENV = ENGINE / ".venv"
INPUTS = ("uv.lock", "pyproject.toml")
# What every run of a verb imports; uv leaves all of it as source, and compiling that anew takes a second a run.
IMPORTED = ("ansible", "click", "cryptography", "jinja2", "packaging", "resolvelib", "yaml")
OURS = tuple(str(ENGINE / name) for name in ("plugins", "cli", "box"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def missing_packages(names: list[str]) -> list[str]:
    """Those of `names` that dpkg does not have installed."""
    query = ["dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *names]
    shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    there = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in there]


def install_packages(names: list[str]) -> None:
    """Install by apt what is missing of `names`. Raises `SetupError` where apt fails or there is none."""
    missing = missing_packages(names) if shutil.which("dpkg-query") else names
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise SetupError(
            f"This computer has no apt. Install these by its own means and start again: {' '.join(missing)}"
        )
    note(f"Installing {' '.join(missing)} …")
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l"]
    run([*environment, "apt-get", "-q", "update"], root=True)
    options = ["-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
    run([*environment, "apt-get", *options, "install", *missing], root=True)


def install_browser() -> None:
    """Install what only tests need: git-lfs, and a browser where there is none and apt has one (Ubuntu's is a snap)."""
    if not shutil.which("git-lfs"):
        install_packages(["git-lfs"])
    if not any(shutil.which(name) for name in BROWSERS) and has_candidate(BROWSERS[0]):
        install_packages([BROWSERS[0], "fonts-dejavu-core"])


def certificates() -> dict[str, str]:
    """The environment in which pip and uv trust what this computer trusts (an office's own CA, for example)."""
    given = dict(os.environ)
    if SYSTEM_CERTIFICATES.exists():
        given.setdefault("PIP_CERT", str(SYSTEM_CERTIFICATES))
        given.setdefault("SSL_CERT_FILE", str(SYSTEM_CERTIFICATES))
    return given


def install_uv() -> None:
    """Let `.samestack/uv/bin` be the pinned uv's, which all engines on this computer share.

    Raises `SetupError` when Python or the package index does not help.
    """
    home = COMPUTER / f"uv-{UV_VERSION}"
    with alone_in(COMPUTER):
        if not ((home / "done").exists() and (home / "bin" / "uv").exists()):
            fetch_uv(home)
    own = UV.parent.parent
    if own.is_symlink() or UV.parent.resolve() != (home / "bin").resolve():
        # What another version has left: an environment, or a link, in whose place version 0.1.0 could not make its own
        if own.is_symlink():
            own.unlink()
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        UV.parent.symlink_to(home / "bin")


def fetch_uv(home: Path) -> None:
    """Install the pinned uv into a folder. Raises `SetupError`."""
    note(f"Installing uv {UV_VERSION} …")
    make = [sys.executable, "-m", "venv", "--clear", str(home)]
    try:
        run(make)
    except SetupError:
        # Debian's python3 comes without the part that makes environments.
        if not shutil.which("apt-get"):
            raise
        install_packages([*ENVIRONMENTS])
        run(make)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    run([*pip, "--disable-pip-version-check", f"uv=={UV_VERSION}"], env=certificates())
    (home / "done").touch()


def tools_are_current(which: str) -> bool:
    """Whether `.venv` holds the set `which` of tools from the lock file as it is now."""
    done = TOOLS / which
    same = all((done / name).exists() and filecmp.cmp(ENGINE / name, done / name, shallow=False) for name in INPUTS)
    return same and (VENV / "bin" / "ansible-playbook").exists()


def install_tools(which: str = "tools") -> None:
    """Put a set of tools into `.venv`: `tools`, what the verbs use, or `dev`, what the tests use as well.

    Raises `SetupError` with uv's own words when it cannot.
    """
    if tools_are_current(which):
        return
    install_uv()
    note("Installing the control node's tools (uv.lock) …" if which == "tools" else "Installing what the tests use …")
    settings = {
        "UV_NATIVE_TLS": "true",
        "UV_PROJECT_ENVIRONMENT": str(VENV),
        # For a computer that has no Python which the tools can use, and whose archive has none: uv downloads one.
        "UV_PYTHON_INSTALL_DIR": str(COMPUTER / "python"),
    }
    if sys.version_info < OLDEST_PYTHON and this_computer().python:
        install_packages([*this_computer().python])
    # Neither set takes away what the other has brought.
    groups = ["--no-dev", "--inexact"] if which == "tools" else []
    run([str(UV), "sync", "--locked", "--quiet", "--project", str(ENGINE), *groups], env=certificates() | settings)
    compile_tools()
    for done in {TOOLS / "tools", TOOLS / which}:
        done.mkdir(parents=True, exist_ok=True)
        for name in INPUTS:
            shutil.copy(ENGINE / name, done / name)


def compile_tools() -> None:
    """Leave byte-code beside what every run imports, also where Python is told to write none.

    The collections of set `dev` are left out: nearly all of their thousands of files are never imported.
    """
    packages = next((VENV / "lib").glob("python*/site-packages"))
    folders = [str(packages / name) for name in IMPORTED]
    run([str(VENV / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", *folders, *OURS])


def main(arguments: list[str]) -> None:
    """Do the part that the first argument names, or all."""
    if arguments not in ([], ["tools"], ["dev"], ["provider"], ["vagrant"], ["containers"], ["browser"]):
        stop("Usage: box/setup [tools|dev|provider|vagrant|containers|browser]")
    if sys.platform.startswith("linux") and os.geteuid() != 0 and not shutil.which(as_root([""])[0]):
        raise SetupError("sudo is missing. Run this as root, or have sudo installed and this user allowed to use it.")
    for folder in {STATE, TOOLS}:
        folder.mkdir(exist_ok=True)
    if arguments == ["browser"]:
        install_browser()
        return
    if arguments == ["containers"]:
        prepare_containers(install_packages)
        return
    if arguments != ["provider"]:
        install_tools("dev" if arguments == ["dev"] else "tools")
    if arguments not in (["tools"], ["dev"]):
        prepare_provider(choose_provider(by_hand=arguments == ["vagrant"]), install_packages)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as problem:
        stop(str(problem))
