"""Fetches from git and Mercurial repositories into a cache on the control node, and exports from it. Never prompts.

Not `ansible.builtin.git`: it leaves submodules out of what it exports, knows no Mercurial, and its errors speak of git
and not of the decision that is wrong (`app_source.url`, `app_source.ref`).
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...module_utils.release.files.contents import CHUNK, Contents
from ..errors import DecisionError, SamestackError
from ..text import last_lines, listing, nearest, one_line
from .archive import remove
from .git_objects import SUBMODULE, DamagedError, objects_of, write_objects
from .large_files import large_files, without_large_files
from .programs import HARMLESS, disk_is_full, full_disk, run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from .archive import Tree

SHA = re.compile(r"[0-9a-f]{7,64}")
SAFE_REVISION = re.compile(r"[\w][\w./+@-]*")
# 1980: the earliest time that zip files and Python's byte-code can both hold
FIXED_TIME = 315532800
COMMITS_SHOWN = "200"
COMMIT_LETTERS = 400
# What git says of a copy that a full disk or a killed run left half, or that lost some of it
DAMAGED = re.compile(
    r"not a git repository|\.lock'|corrupt|(loose|bad|missing) object|did not send all necessary|bad tree"
)


@dataclass(frozen=True)
class Source:
    """A source: what identifies it (goes into the release's id), how to call it, its time (seconds since 1970).

    `mirror` is the repository's copy on the control node, "" for a folder; `listed` is every file with its digest;
    `problem` is why it makes no release, where it can be looked into all the same.
    """

    identity: dict[str, str]
    label: str
    time: int = FIXED_TIME
    mirror: str = ""
    listed: Contents = field(default_factory=lambda: Contents({}))
    problem: DecisionError | None = None


@dataclass(frozen=True)
class Request:
    """What is asked for: `app_source`'s entries, with the ref of this run; `base` is the folder of the repository."""

    kind: str
    location: str
    base: Path
    ref: str = ""
    deploy_key: str = ""
    known_hosts: Sequence[str] = ()
    ref_of_this_run: bool = False

    def ref_problem(self, problem: str, instead: str) -> DecisionError:
        """Return the error about a ref, which names where the ref came from."""
        if self.ref_of_this_run:
            return DecisionError("release_ref", self.ref, problem, instead, file="the command line")
        return DecisionError("app_source.ref", self.ref, problem, instead)

    @property
    def path(self) -> Path:
        """Return the location as a folder of the control node."""
        return self.base / Path(self.location).expanduser()


def ssh_environment(request: Request, scratch: Path) -> dict[str, str]:
    """Return the environment for git and hg: ssh asks nothing, and trusts the pinned host keys alone."""
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]
    if request.deploy_key:
        key = request.base / Path(request.deploy_key).expanduser()
        if not key.is_file():
            raise DecisionError(
                "app_source.deploy_key", request.deploy_key, "there is no such file", "Name the private key"
            )
        options += ["-i", str(key), "-o", "IdentitiesOnly=yes"]
    if request.known_hosts:
        pinned = scratch / "known_hosts"
        pinned.write_text("".join(f"{line.strip()}\n" for line in request.known_hosts))
        options += ["-o", f"UserKnownHostsFile={pinned}", "-o", "GlobalKnownHostsFile=/dev/null"]
        options += ["-o", "StrictHostKeyChecking=yes"]
    return {
        **os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true", "HGPLAIN": "1",
        "GIT_SSH_COMMAND": shlex.join(["ssh", *options]), "LC_ALL": "C.UTF-8",
        # Of remote helpers (`ext::`), which run what an address says, none
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    }  # fmt: skip


def mirror_of(cache: Path, kind: str, url: str) -> Path:
    """Return where the cache keeps its copy of a git or hg repository."""
    name = re.sub(r"\W+", "-", url.rsplit("/", 1)[-1]).strip("-")[:40]
    return cache / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:10]}.{kind}"


class Git:
    """A bare mirror of a repository in the cache, and exports from it.

    What is exported is what the commit's own list of objects says, each compared with its id. `git archive` would leave
    out what attributes of the repository tell it to (`export-ignore`), and change what others name (`export-subst`).
    """

    def __init__(self, request: Request, cache: Path, environment: Mapping[str, str]) -> None:
        self.request, self.cache, self.environment = request, cache, environment

    def find(self) -> tuple[Path, str]:
        """Return the mirror, brought up to date, and the commit that is asked for; raises DecisionError."""
        mirror = self._mirror(self.request.location)
        return mirror, self._resolve(mirror, self.request.location, self.request.ref)

    def export(self, tree: Tree) -> Source:
        """Put the files of the ref into the folder; raises DecisionError."""
        url = self.request.location
        mirror, commit = self.find()
        self._export_commit(mirror, url, commit, tree)
        time = int(self._git(mirror, "log", "-1", "--format=%ct", commit).stdout)
        where = f"{self.request.ref} is " if self.request.ref else ""
        return Source({"commit": commit}, f"git {url}, {where}{commit[:12]}", time, str(mirror))

    def _git(self, mirror: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return run(["git", *HARMLESS, "--git-dir", mirror, *arguments], self.environment)

    def _mirror(self, url: str) -> Path:
        """Bring the mirror of the repository up to date; one that is damaged is made anew."""
        mirror = mirror_of(self.cache, "git", url)
        done = self._fetch(mirror, url)
        if done.returncode and (DAMAGED.search(done.stderr) or str(mirror) in done.stderr):
            remove(mirror)
            done = self._fetch(mirror, url)
        if done.returncode:
            raise self._unreachable(url, done.stderr)
        return mirror

    def _fetch(self, mirror: Path, url: str) -> subprocess.CompletedProcess[str]:
        if not (mirror / "HEAD").is_file():
            remove(mirror)
            run(["git", "init", "--quiet", "--bare", mirror], self.environment)
        specs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        return self._git(mirror, "fetch", "--quiet", "--prune", "--force", "--no-write-fetch-head", "--", url, *specs)

    def _unreachable(self, url: str, output: str) -> SamestackError:
        if disk_is_full(output):
            return full_disk(self.cache)
        advice = "Check the address, and that this computer's ssh agent or app_source.deploy_key may read it"
        if "Host key verification failed" in output:
            advice = (
                "Pin the server's key in app_source.known_hosts (`ssh-keyscan <server>` prints it; compare it first)"
            )
        return DecisionError(
            "app_source.url", url, f"git cannot read the repository:\n{last_lines(output, 6)}\n", advice
        )

    def _resolve(self, mirror: Path, url: str, ref: str) -> str:
        """Return the full commit of a branch, tag or commit; of the repository's own default branch without one."""
        if not ref:
            return self._default(mirror, url)
        for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref if SHA.fullmatch(ref) else "", ref):
            if name and (SHA.fullmatch(name) or name.startswith("refs/")):
                found = self._git(mirror, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
                if found.returncode == 0:
                    return found.stdout.strip()
        names = self._git(mirror, "for-each-ref", "--format=%(refname:lstrip=2)").stdout.split()
        near = nearest(ref, names) or names[-5:]
        advice = f"Did you mean {listing(near)}?" if near else "Push it first"
        raise self.request.ref_problem("the repository has no such branch, tag or commit", advice)

    def _default(self, mirror: Path, url: str) -> str:
        answer = run(["git", "ls-remote", "--symref", "--", url, "HEAD"], self.environment)
        found = re.search(r"^([0-9a-f]{40,64})\tHEAD$", answer.stdout, re.MULTILINE)
        if found and self._git(mirror, "cat-file", "-e", found[1]).returncode == 0:
            return found[1]
        raise DecisionError(
            "app_source.ref", "", "the repository has no default branch", "Set ref to a branch, like main"
        )

    def _export_commit(self, mirror: Path, url: str, commit: str, tree: Tree, prefix: str = "") -> None:
        """Write a commit's files into the folder, its submodules' too."""
        try:
            found = objects_of(mirror, commit, self.environment)
            write_objects(mirror, found, tree, prefix, self.environment)
        except DamagedError as damage:
            # It comes whole from where it was fetched, the next time.
            remove(mirror)
            raise SamestackError(
                f"The copy of {url} in {self.cache} is damaged ({damage}), and was removed. Nothing was deployed.",
                "Run the same command again.",
            ) from damage
        modules = {one.path: one.id for one in found if one.mode == SUBMODULE}
        addresses = self._addresses(mirror, commit) if modules else {}
        for path, pinned in modules.items():
            if path not in addresses:
                raise without_address(url, prefix + path)
            address = resolve_url(url, addresses[path])
            check_submodule(url, address)
            self._export_submodule(address, pinned, tree, f"{prefix}{path}/")
        self._fetch_large(mirror, url, commit, tree, prefix)

    def _addresses(self, mirror: Path, commit: str) -> dict[str, str]:
        """Return the submodules' addresses by their paths, as the commit's .gitmodules has them."""
        wanted = r"^submodule\..*\.(path|url)$"
        listed = self._git(mirror, "config", "-z", "--blob", f"{commit}:.gitmodules", "--get-regexp", wanted)
        entries: dict[str, dict[str, str]] = {}
        for line in filter(None, listed.stdout.split("\0")):
            key, _, value = line.partition("\n")
            name, _, what = key.removeprefix("submodule.").rpartition(".")
            entries.setdefault(name, {})[what] = value
        return {entry["path"].rstrip("/"): entry["url"] for entry in entries.values() if {"path", "url"} <= set(entry)}

    def _export_submodule(self, url: str, commit: str, tree: Tree, prefix: str) -> None:
        mirror = self._mirror(url)
        if self._git(mirror, "cat-file", "-e", commit).returncode:
            # Not on any branch: some servers hand out single commits.
            fetched = self._git(mirror, "fetch", "--quiet", "--", url, commit)
            if self._git(mirror, "cat-file", "-e", commit).returncode:
                raise DecisionError(
                    "app_source.url", self.request.location,
                    f"the submodule {prefix.rstrip('/')} is to be at commit {commit[:12]}, which {one_line(url, 80)} "
                    f"does not have:\n{last_lines(fetched.stderr, 3)}\n",
                    "Push that commit there, or commit another one of the submodule",
                )  # fmt: skip
        self._export_commit(mirror, url, commit, tree, prefix)

    def _fetch_large(self, mirror: Path, url: str, commit: str, tree: Tree, prefix: str) -> None:
        """Put the files in the place of Git LFS's pointers to them; raises DecisionError where they cannot be had."""
        pointers = large_files(tree, prefix)
        if not pointers:
            return
        first = listing(sorted(pointers), 3)
        if run(["git", "lfs", "version"], self.environment).returncode:
            raise without_large_files(
                first, "and this computer has no git-lfs", "Install git-lfs (apt install git-lfs)"
            )
        fetched = run(
            ["git", *HARMLESS, "--git-dir", mirror, "-c", f"remote.origin.url={url}", "lfs", "fetch", "origin", commit],
            self.environment,
        )
        for path, pointer in pointers.items():
            stored = mirror / "lfs" / "objects" / pointer.id[:2] / pointer.id[2:4] / pointer.id
            if stored.is_file():
                tree.replace(path, stored)
            if tree.entries[path][1] != pointer.id:
                why = last_lines(fetched.stderr or fetched.stdout, 4)
                stored.unlink(missing_ok=True)
                if disk_is_full(why):
                    raise full_disk(self.cache)
                raise without_large_files(
                    one_line(path, 80), f"and git-lfs did not bring it:\n{why}\n",
                    "Push it (`git lfs push --all origin`), and see that this computer may read it",
                )  # fmt: skip


class Mercurial:
    """A clone without files in the cache, and exports from it."""

    def __init__(self, request: Request, cache: Path, environment: Mapping[str, str]) -> None:
        self.request, self.cache = request, cache
        self.environment = environment
        self.options = ["--config", "ui.interactive=no", "--config", f"ui.ssh={environment['GIT_SSH_COMMAND']}"]

    def find(self) -> tuple[Path, str, int]:
        """Return the clone, brought up to date, and the node that is asked for with its time; raises DecisionError."""
        url = self.request.location
        clone = mirror_of(self.cache, "hg", url)
        if (clone / ".hg" / "hgrc").is_file():
            done = self._hg(clone, "pull", "--quiet", url)
        else:
            remove(clone)
            done = run(["hg", *self.options, "clone", "--quiet", "--noupdate", "--", url, clone], self.environment)
        if done.returncode and disk_is_full(done.stderr):
            raise full_disk(self.cache)
        if done.returncode:
            problem = f"hg cannot read the repository:\n{last_lines(done.stderr, 6)}\n"
            raise DecisionError("app_source.url", url, problem, "Check the address and that this computer may read it")
        return clone, *self._resolve(clone, self.request.ref or "default")

    def export(self, tree: Tree) -> Source:
        """Put the files of the ref into the folder; raises DecisionError."""
        url, ref = self.request.location, self.request.ref or "default"
        clone, node, time = self.find()
        with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
            folder = Path(scratch) / "files"
            options = ["--config", "ui.archivemeta=false", "--no-decode", "--type", "files", "--subrepos"]
            made = self._hg(clone, "archive", "--rev", node, *options, str(folder))
            if made.returncode and disk_is_full(made.stderr):
                raise full_disk(self.cache)
            if made.returncode:
                raise DecisionError("app_source.url", url, f"hg archive failed:\n{last_lines(made.stderr, 6)}\n", "")
            self._take(clone, node, folder, tree)
        return Source({"commit": node}, f"hg {url}, {ref} is {node[:12]}", time, str(clone))

    def _take(self, clone: Path, node: str, folder: Path, tree: Tree) -> None:
        """Copy what was exported, and compare it with what the commit has: names, kinds and sizes."""
        form = "{path}\\0{size}\\0{flags}\\0"
        listed = self._hg(clone, "files", "--rev", node, "--subrepos", "--template", form)
        words = listed.stdout.split("\0")[:-1]
        wanted = dict(zip(words[::3], zip(words[1::3], words[2::3], strict=True), strict=True))
        standing = sorted(name for name in wanted if name.startswith(".hglf/"))
        if standing:
            what = "which Mercurial's extension largefiles keeps elsewhere"
            raise DecisionError("app_source.url", str(clone), f"{standing[0][6:]} is a file {what}", "Commit the file")
        # Those of a subrepository of another kind are not among them.
        for path in sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()):
            name = path.relative_to(folder).as_posix()
            copy_file(path, name, tree)
            size, flags = wanted.pop(name, ("", ""))
            kind = "l" if path.is_symlink() else "x" if path.stat().st_mode & 0o100 else ""
            if size and (kind != flags or path.lstat().st_size != int(size)):
                wanted[name] = (size, flags)
                break
        if wanted or listed.returncode not in (0, 1):
            what = one_line(min(wanted), 80) if wanted else "What was exported"
            raise SamestackError(
                f"{what} is not what the repository has, where it was written to {self.cache}. Nothing was deployed.",
                "Look at this computer's disk (its system log), and run the same command again.",
            )

    def _hg(self, clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(["hg", *self.options, "--repository", clone, *arguments], self.environment)

    def _resolve(self, clone: Path, ref: str) -> tuple[str, int]:
        if SAFE_REVISION.fullmatch(ref):
            found = self._hg(clone, "log", "--rev", f"'{ref}'", "--template", "{node} {word(0, date|hgdate)}")
            if found.returncode == 0 and found.stdout:
                node, time = found.stdout.split()
                return node, int(time)
        kinds = (("branches", "branch"), ("tags", "tag"), ("bookmarks", "bookmark"))
        words = [self._hg(clone, kind, "--template", "{" + word + "}\n") for kind, word in kinds]
        names = [name for done in words for name in done.stdout.split()]
        near = nearest(ref, names) or names[:5]
        problem = "the repository has no such branch, tag, bookmark or node"
        advice = f"Did you mean {listing(near)}?" if near else "Push it first"
        raise self.request.ref_problem(problem, advice)


def commits_between(mirror: str, old: str, new: str) -> list[dict[str, str]]:
    """Return the commits of `new` that `old` has not, newest first: commit, author, subject. Never fails."""
    if not (mirror and SHA.fullmatch(old) and SHA.fullmatch(new)):
        return []
    if (Path(mirror) / ".hg").is_dir():
        form = "{node}\x1f{author|person}\x1f{desc|firstline}\n"
        listed = run(["hg", "--repository", mirror, "log", "--limit", COMMITS_SHOWN, "--rev",
                      f"reverse(only({new}, {old}))", "--template", form])  # fmt: skip
    else:
        form = "%H%x1f%an%x1f%s"
        listed = run(["git", "--git-dir", mirror, "log", f"--max-count={COMMITS_SHOWN}", f"--format={form}",
                      f"{old}..{new}"])  # fmt: skip
    lines = listed.stdout.split("\n") if listed.returncode == 0 else []
    rows = [[one_line(part, COMMIT_LETTERS) for part in line.split("\x1f", 2)] for line in lines if line]
    return [dict(zip(("commit", "author", "subject"), row, strict=False)) for row in rows]


def copy_file(path: Path, name: str, tree: Tree) -> None:
    """Copy a file or a link into a source, as it is; raises OSError."""
    if path.is_symlink():
        tree.link(name, str(path.readlink()))
        return
    with path.open("rb") as file:
        program = bool(os.fstat(file.fileno()).st_mode & 0o100)
        tree.file(name, iter(lambda: file.read(CHUNK), b""), program=program)


def without_address(url: str, path: str) -> DecisionError:
    """Return the error about a submodule that nobody can fetch."""
    return DecisionError(
        "app_source.url", url, f"{one_line(path, 80)} is a submodule, and .gitmodules gives it no address",
        f"Add it there (`git submodule add`), or take it out (`git rm --cached {one_line(path, 80)}`)",
    )  # fmt: skip


def check_submodule(parent: str, url: str) -> None:
    """Raise DecisionError for a submodule that would be read from this computer, of a repository that is not on it."""
    local = r"/|\.|~|file:|[A-Za-z]:[\\/]"
    if url.startswith("-") or (re.match(local, url) and not re.match(local, parent)):
        raise DecisionError(
            "app_source.url", parent, f"its .gitmodules names a folder of this computer: {one_line(url, 80)}",
            "Give the submodule the address of a repository",
        )  # fmt: skip


def resolve_url(parent: str, url: str) -> str:
    """Return a submodule's address: `../x.git` is relative to the parent's."""
    if not url.startswith(("./", "../")):
        return url
    head, slash, tail = (
        parent.rstrip("/").partition(":") if re.match(r"[^/]+:(?!//)", parent) else ("", "", parent.rstrip("/"))
    )
    parts = tail.split("/")
    for part in url.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return f"{head}{slash}{'/'.join(parts)}"
