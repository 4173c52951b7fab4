"""Which Samestack a project runs on: version, commit, a digest of all its files, and where it comes from.

samestack.lock has it; the project's own `samestack` (cli/thin/samestack) fetches and checks it, with git and a shell.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from box.common import SetupError, run
from box.places import ENGINE, LOCK, PROJECT
from plugins.plugin_utils.files import write_whole
from plugins.plugin_utils.text import without_logins
from plugins.plugin_utils.version import Version, own_version, parsed, version_in

#: Where a project keeps the engines that it has fetched
ENGINES = Path(".samestack", "engine")
LINE = re.compile(r'^(\w+) = "(.*)"$', re.MULTILINE)


@dataclass(frozen=True)
class Pin:
    """What samestack.lock says."""

    version: str
    commit: str
    digest: str
    origin: str

    def text(self) -> str:
        """Return the whole file."""
        return (
            "# The Samestack that this project runs on. Commit this file; `samestack` fetches what it names.\n"
            f'version = "{self.version}"\ncommit = "{self.commit}"\ndigest = "{self.digest}"\nfrom = "{self.origin}"\n'
        )


def read_pin(project: Path) -> Pin | None:
    """Return what a project pins; None for a clone. Raises `SetupError` where the file says less than it must."""
    file = project / LOCK
    if not file.is_file():
        return None
    known = dict(LINE.findall(file.read_text(encoding="utf-8")))
    try:
        return Pin(known["version"], known["commit"], known["digest"], known["from"])
    except KeyError as missing:
        raise SetupError(f"{LOCK}: it has no line `{missing.args[0]} = …`. Restore the file from git.") from missing


def git(*arguments: str, cwd: Path = ENGINE) -> str:
    """Run git quietly, in the engine unless told otherwise, and return what it wrote, without the line's end."""
    return run(["git", "-c", "core.quotePath=false", *arguments], cwd=cwd).strip()


def digest_of(folder: Path) -> str:
    """Return the digest of all files in a folder, as the project's own command measures it; links are git's to keep."""
    names = [
        f"./{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    ]
    total = hashlib.sha256()
    for name in sorted((name for name in names if not name.startswith("./.git/")), key=lambda name: name.encode()):
        total.update(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n".encode())
    return f"sha256:{total.hexdigest()}"


def own_pin(project: Path, origin: str = "") -> Pin:
    """Return a pin of this very Samestack, as it is committed.

    Args:
        project: the folder that is to have it.
        origin: where others are to fetch it from; found where it is not given.

    Raises `SetupError` where this is no clone, or the address holds a password.
    """
    if not (ENGINE / ".git").exists():
        raise SetupError(
            f"{ENGINE}: this copy of Samestack is no git clone, so a project cannot pin a commit of it. Clone its "
            f"repository and run `samestack init` there."
        )
    commit = git("rev-parse", "HEAD")
    origin = origin or found_origin(project, commit)
    if origin.startswith("-") or '"' in origin or not origin.isprintable():
        raise SetupError(
            f"--from = {origin!r}: this is no address. Write that of a git repository, or the path of one."
        )
    refuse_login(origin, "--from", "would be in git")
    with tempfile.TemporaryDirectory(prefix="samestack-") as folder:
        check_out(Path(folder), str(ENGINE), commit, commit)
        return Pin(own_version(), commit, digest_of(Path(folder)), origin)


def refuse_login(address: str, what: str, then: str) -> None:
    """Raise `SetupError` where an address has a password or a token; `then` says what would become of that."""
    if (without := without_logins(address)) != address:
        raise SetupError(
            f"{what}: the address has a password or a token, which {then}. Use ssh; or write {without}, and let git's "
            f"credential helper have it (`git help credentials`)."
        )


def check_out(folder: Path, address: str, ref: str, commit: str) -> None:
    """Let a new folder hold a commit, as the project's own command does. Raises `SetupError`."""
    git("init", "-q", str(folder))
    git("fetch", "-q", "--depth", "1", "--", address, ref, cwd=folder)
    git("-c", "core.autocrlf=false", "-c", "core.symlinks=true", "checkout", "-q", "--detach", commit, cwd=folder)


def address_from(project: Path, origin: str) -> str:
    """Return the address that a lock's `from` means: a relative path begins at the project's folder."""
    return origin if re.match(r"/|\w+://|\S+@\S+:", origin) else os.path.normpath(project / origin)


def releases_at(address: str) -> dict[Version, str]:
    """Return the commits of the versions that a repository has. Raises `SetupError` where it does not answer."""
    if address.startswith("-"):
        raise SetupError(f"from = {address}: this is no address.")
    found = {}
    # An annotated tag has a second line, which has the commit.
    for line in git("ls-remote", "--tags", "--", address).splitlines():
        commit, _, name = line.partition("\trefs/tags/v")
        with contextlib.suppress(ValueError):
            found[parsed(name.removesuffix("^{}"))] = commit
    return found


def engine_of(project: Path, version: Version, commit: str) -> Path:
    """Return where a project keeps the engine of a version; beside another commit's, as its own command does it."""
    engine = project / ENGINES / str(version)
    return engine if pinned_in(engine)[0] in ("", commit) else Path(f"{engine}-{commit[:12]}")


def pinned_in(engine: Path) -> tuple[str, str]:
    """Return the commit and the digest of an engine that was fetched, "" where none was."""
    try:
        commit, _, digest = Path(f"{engine}.pinned").read_text("utf-8").strip().partition(" ")
    except OSError:
        return "", ""
    return commit, digest


def kept(project: Path, version: Version, commit: str) -> str:
    """Return the digest of an engine that is there already, "" where it is not, or another."""
    engine = engine_of(project, version, commit)
    known, digest = pinned_in(engine)
    return digest if known == commit and engine.is_dir() else ""


def fetch(project: Path, address: str, version: Version, commit: str) -> str:
    """Fetch the engine of a version into a project; returns its digest.

    Raises `SetupError` where it cannot be had, or where the tag leads to another version.
    """
    engine = engine_of(project, version, commit)
    engine.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new.", dir=engine.parent) as folder:
        new = Path(folder) / "engine"
        new.mkdir()
        check_out(new, address, f"refs/tags/{version.tag}", commit)
        if (says := version_in(new)) != str(version):
            raise SetupError(f"{version.tag}: this tag of {address} leads to a Samestack that calls itself {says}.")
        digest = digest_of(new)
        if engine.exists():
            engine.rename(Path(folder) / "before")
        new.rename(engine)
        write_whole(Path(f"{engine}.pinned"), f"{commit} {digest}\n")
    return digest


def found_origin(project: Path, commit: str) -> str:
    """Return where a commit of this clone can be had by others: its remote where that has it, else the clone itself."""
    pinned = read_pin(PROJECT)
    if pinned:
        beside = not re.match(r"/|\w+://|\S+@\S+:", pinned.origin)
        return os.path.relpath((PROJECT / pinned.origin).resolve(), project) if beside else pinned.origin
    for remote in git("remote").split():
        address = git("remote", "get-url", remote)
        local = re.match(r"(\.|/|file:)", address) or (ENGINE / address).exists()
        if (
            not local
            and address == without_logins(address)
            and git("branch", "-r", "--contains", commit, "--list", f"{remote}/*")
        ):
            return address
    # Relative to the project's folder where both are one person's work, beside each other
    return os.path.relpath(ENGINE, project) if project.is_relative_to(ENGINE.parent) else str(ENGINE)


def uncommitted() -> list[str]:
    """Return the files of this clone that differ from its commit: no pin has what they say."""
    return git("diff", "--name-only", "HEAD").splitlines()


def install(project: Path) -> None:
    """Let a project fetch its engine from this one, as it would from anywhere. Raises `SetupError`."""
    command = ["env", "SAMESTACK_WHERE=1", f"SAMESTACK_FROM={ENGINE}", str(project / "samestack")]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SetupError(done.stderr.strip())
