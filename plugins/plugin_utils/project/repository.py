"""Fetches from git and Mercurial repositories into a cache on the control node, and exports from it. Never prompts.

Not `ansible.builtin.git`: it leaves submodules out of what it exports, knows no Mercurial, and its errors speak of git
and not of the decision that is wrong (`app_source.url`, `app_source.ref`).
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DecisionError
from ..text import last_lines, listing, nearest, one_line
from .archive import is_inside, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHA = re.compile(r"[0-9a-f]{7,64}")
SAFE_REVISION = re.compile(r"[\w][\w./+@-]*")
# 1980: the earliest time that zip files and Python's byte-code can both hold
FIXED_TIME = 315532800
TIMEOUT = 900
COMMITS_SHOWN = "200"
COMMIT_LETTERS = 400
# Of a repository's own settings none runs a program of its choice (a hook, a file system's watcher), and it is not led
# into a repository inside of another.
HARMLESS = (
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A source: what identifies it (goes into the release's id), how to call it, its time (seconds since 1970).

    `mirror` is the repository's copy on the control node, "" for a folder.
    """

    identity: dict[str, str]
    label: str
    time: int = FIXED_TIME
    mirror: str = ""


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


def run(
    arguments: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that is not asked anything; raises DecisionError when there is no such program."""
    command = [str(part) for part in arguments]
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
            timeout=TIMEOUT, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        problem = f"the program `{command[0]}` is not installed on this computer"
        raise DecisionError("app_source.type", command[0], problem, f"Install {command[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise DecisionError(
            "app_source.url", command[-1], f"no answer within {TIMEOUT} s", "Try again later"
        ) from error


def mirror_of(cache: Path, kind: str, url: str) -> Path:
    """Return where the cache keeps its copy of a git or hg repository."""
    name = re.sub(r"\W+", "-", url.rsplit("/", 1)[-1]).strip("-")[:40]
    return cache / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:10]}.{kind}"


class Git:
    """A bare mirror of a repository in the cache, and exports from it."""

    def __init__(self, request: Request, cache: Path, environment: Mapping[str, str]) -> None:
        self.request, self.cache, self.environment = request, cache, environment

    def export(self, target: Path) -> Source:
        """Put the files of the ref into the folder; raises DecisionError."""
        url = self.request.location
        mirror = self._mirror(url)
        commit = self._resolve(mirror, url, self.request.ref)
        self._export_commit(mirror, url, commit, target)
        time = int(self._git(mirror, "log", "-1", "--format=%ct", commit).stdout)
        where = f"{self.request.ref} is " if self.request.ref else ""
        return Source({"commit": commit}, f"git {url}, {where}{commit[:12]}", time, str(mirror))

    def _git(self, mirror: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return run(["git", *HARMLESS, "--git-dir", mirror, *arguments], self.environment)

    def _mirror(self, url: str) -> Path:
        """Bring the mirror of the repository up to date."""
        mirror = mirror_of(self.cache, "git", url)
        if not (mirror / "HEAD").is_file():
            run(["git", "init", "--quiet", "--bare", mirror], self.environment)
        specs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        done = self._git(mirror, "fetch", "--quiet", "--prune", "--force", "--no-write-fetch-head", "--", url, *specs)
        if done.returncode:
            raise self._unreachable(url, done.stderr)
        return mirror

    def _unreachable(self, url: str, output: str) -> DecisionError:
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

    def _export_commit(self, mirror: Path, url: str, commit: str, target: Path) -> None:
        """Write a commit's files into the folder, its submodules' too."""
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.cache, suffix=".tar") as archive:
            made = self._git(mirror, "archive", "--format=tar", "-o", Path(archive.name), commit)
            if made.returncode:
                raise DecisionError("app_source.url", url, f"git archive failed:\n{last_lines(made.stderr, 6)}\n", "")
            unpack(Path(archive.name), target)
        modules = target / ".gitmodules"
        if modules.is_file() and not modules.is_symlink():
            self._export_submodules(mirror, url, commit, target)

    def _export_submodules(self, mirror: Path, url: str, commit: str, target: Path) -> None:
        listed = run(
            ["git", "config", "--file", target / ".gitmodules", "--get-regexp", r"^submodule\..*\.(path|url)$"]
        )
        entries: dict[str, dict[str, str]] = {}
        for line in listed.stdout.splitlines():
            key, _, value = line.partition(" ")
            name, _, what = key.removeprefix("submodule.").rpartition(".")
            entries.setdefault(name, {})[what] = value
        for entry in entries.values():
            if not entry.get("url") or not is_inside(target, entry.get("path", "")):
                continue
            recorded = self._git(mirror, "ls-tree", commit, "--", entry.get("path", "")).stdout.split()
            match recorded:
                case [_mode, "commit", pinned, *_path]:
                    found = resolve_url(url, entry["url"])
                    check_submodule(url, found)
                    self._export_submodule(found, pinned, target / entry["path"])

    def _export_submodule(self, url: str, commit: str, target: Path) -> None:
        mirror = self._mirror(url)
        if self._git(mirror, "cat-file", "-e", commit).returncode:
            # Not on any branch: some servers hand out single commits.
            self._git(mirror, "fetch", "--quiet", "--", url, commit)
        self._export_commit(mirror, url, commit, target)


class Mercurial:
    """A clone without files in the cache, and exports from it."""

    def __init__(self, request: Request, cache: Path, environment: Mapping[str, str]) -> None:
        self.request, self.cache = request, cache
        self.environment = environment
        self.options = ["--config", "ui.interactive=no", "--config", f"ui.ssh={environment['GIT_SSH_COMMAND']}"]

    def export(self, target: Path) -> Source:
        """Put the files of the ref into the folder; raises DecisionError."""
        url, ref = self.request.location, self.request.ref or "default"
        clone = mirror_of(self.cache, "hg", url)
        if (clone / ".hg" / "hgrc").is_file():
            done = self._hg(clone, "pull", "--quiet", url)
        else:
            shutil.rmtree(clone, ignore_errors=True)
            done = run(["hg", *self.options, "clone", "--quiet", "--noupdate", "--", url, clone], self.environment)
        if done.returncode:
            problem = f"hg cannot read the repository:\n{last_lines(done.stderr, 6)}\n"
            raise DecisionError("app_source.url", url, problem, "Check the address and that this computer may read it")
        node, time = self._resolve(clone, ref)
        made = self._hg(clone, "archive", "--rev", node, "--type", "files", "--subrepos", str(target))
        if made.returncode:
            raise DecisionError("app_source.url", url, f"hg archive failed:\n{last_lines(made.stderr, 6)}\n", "")
        (target / ".hg_archival.txt").unlink(missing_ok=True)
        return Source({"commit": node}, f"hg {url}, {ref} is {node[:12]}", time, str(clone))

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
