"""Which packages of a project are not pinned by content: the same lines may bring other code the next time.

What comes from a package index is that version for good. A folder of the source, a branch, and an address without a
digest are whatever is there at the moment. Pure functions over lines and locks.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
DIGEST = re.compile(r"(?:^|[#&\s])(?:--hash[= ])?(?:sha256|sha384|sha512)[=:][0-9a-f]{64,}")
NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*@\s*(.+)")
EGG = re.compile(r"[#&]egg=([\w.-]+)")
PATH = re.compile(r"(?:\.{1,2}(?:[/\\]|$|\[)|[/~]|[\w.-]+[/\\])|.*\.(?:whl|zip|tar\.(?:gz|bz2|xz)|tgz)$", re.IGNORECASE)
# Options of a requirements file that have a value
EDITABLE, INCLUDED, LINKS = ("-e", "--editable"), ("-r", "--requirement", "-c", "--constraint"), ("-f", "--find-links")


@dataclass
class Unpinned:
    """What is not pinned: package, or path or address where no name is known → why; and the paths among it."""

    why: dict[str, str] = field(default_factory=dict)
    #: Relative to the file that names them
    paths: list[str] = field(default_factory=list)

    def add(self, name: str, why: str) -> None:
        """Note one."""
        self.why[name] = why

    def local(self, name: str, path: str) -> None:
        """Note what is a folder or a file of the source."""
        self.why[name] = f"{path} of the source"
        self.paths.append(path)


def of_lines(lines: Iterable[str]) -> Unpinned:
    """Return what the lines of a requirements file, or single requirements, leave open."""
    found = Unpinned()
    for line in logical_lines(lines):
        option, value = split_option(line)
        if option in EDITABLE:
            of_requirement(value, found)
        elif option in INCLUDED and "://" in value:
            found.add(value, "a file of another server")
        elif option in LINKS and "://" not in value:
            found.local(value, value)
        elif not option:
            of_requirement(line, found)
    return found


def logical_lines(lines: Iterable[str]) -> list[str]:
    """Return lines without comments, those that a backslash continues as one."""
    joined = re.sub(r"\\\s*\n", " ", "\n".join(lines))
    plain = [re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.split("\n")]
    return [line for line in plain if line]


def split_option(line: str) -> tuple[str, str]:
    """Return an option of a requirements file and its value, ("", line) for a requirement."""
    given = re.match(r"(--[a-z-]+)(?:[ =]+(\S+))?|(-[a-zA-Z])[ =]*(\S+)?", line)
    return (given[1] or given[3], given[2] or given[4] or "") if given else ("", line)


def of_requirement(line: str, found: Unpinned) -> None:
    """Note a requirement that leaves its content open: a folder, a branch, an address without a digest."""
    hashed = bool(DIGEST.search(line))
    text = re.split(r"\s+;|\s+--|;\s", line, maxsplit=1)[0].strip()
    named = NAMED.fullmatch(text)
    address = named[2].strip() if named else text
    egg = EGG.search(text)
    known = named[1] if named else egg[1] if egg else ""
    name = canonicalize_name(known) if known else ""
    if re.match(r"(git|hg|svn|bzr)\+", address):
        of_repository(name or address, address, found)
    elif re.match(r"file:", address):
        if not hashed:
            path = unquote(urlsplit(address).path)
            found.local(name or path, path)
    elif re.match(r"[a-z][a-z+]*://", address, re.IGNORECASE):
        if not hashed:
            found.add(name or address, "an address without a digest")
    elif (PATH.match(address) or named) and not hashed:
        path = re.sub(r"\[[^\]]*\]$", "", address)
        found.local(name or path, path)


def of_repository(name: str, address: str, found: Unpinned) -> None:
    """Note what a repository gives by a branch or a tag, which may move."""
    _path, at, revision = urlsplit(address.split("+", 1)[1]).path.rpartition("@")
    revision = revision if at else ""
    if not COMMIT.fullmatch(revision):
        found.add(name, f"{revision or 'the newest'} of a repository, which is no commit")


def of_sources(sources: Mapping[str, Any], names: Iterable[str]) -> Unpinned:
    """Return what `[tool.uv.sources]` leaves open of the packages with these names."""
    found = Unpinned()
    wanted = set(names)
    for name, given in sources.items():
        for source in given if isinstance(given, list) else [given]:
            if canonicalize_name(name) not in wanted or not isinstance(source, dict):
                continue
            if "path" in source:
                found.local(canonicalize_name(name), str(source["path"]))
            elif source.get("workspace"):
                found.add(canonicalize_name(name), "a member of the workspace")
            elif "git" in source and not COMMIT.fullmatch(str(source.get("rev", ""))):
                what = source.get("rev") or source.get("tag") or source.get("branch") or "the newest"
                found.add(canonicalize_name(name), f"{what} of a repository, which is no commit")
            elif "url" in source and not DIGEST.search(str(source["url"])):
                found.add(canonicalize_name(name), "an address without a digest")
    return found


def of_locked(packages: Iterable[Mapping[str, Any]], project: str = "") -> Unpinned:
    """Return what a lock in TOML (uv, Poetry, pylock) leaves open of these packages; `project` is never installed."""
    found = Unpinned()
    for package in packages:
        name, source = canonicalize_name(package["name"]), package.get("source", {})
        path = local_path(package)
        if path and os.path.normpath(path) != os.path.normpath(project or "."):
            found.local(name, path)
        commits = [source[key].rpartition("#")[2] for key in ("git",) if key in source]
        commits += [package["vcs"].get("commit-id", "")] if "vcs" in package else []
        commits += [source.get("resolved_reference", "")] if source.get("type") == "git" else []
        if not all(map(COMMIT.fullmatch, commits)):
            found.add(name, "a repository without a commit")
        if "url" in source and source.get("type", "url") == "url" and not has_digest(package):
            found.add(name, "an address without a digest")
    return found


def local_path(package: Mapping[str, Any]) -> str:
    """Return the folder or file of the source that a package of a lock is, "" for any other, and with a digest."""
    source = package.get("source", {})
    if source.get("type") in ("directory", "file"):
        return "" if source["type"] == "file" and has_digest(package) else str(source["url"])
    folder = source.get("editable") or source.get("directory") or package.get("directory", {}).get("path", "")
    return str(folder or ("" if has_digest(package) else source.get("path", "")))


def has_digest(package: Mapping[str, Any]) -> bool:
    """Return whether a lock has the digests of a package's files."""
    files = [*package.get("wheels", []), *package.get("files", [])]
    files += [package[key] for key in ("sdist", "archive") if key in package]
    return bool(files) and all(one.get("hash") or one.get("hashes") for one in files)


def of_pipfile(default: Mapping[str, Any]) -> Unpinned:
    """Return what the part `default` of a Pipfile.lock leaves open."""
    found = Unpinned()
    for name, one in default.items():
        if "path" in one:
            found.local(canonicalize_name(name), str(one["path"]))
        elif "git" in one and not COMMIT.fullmatch(str(one.get("ref", ""))):
            found.add(canonicalize_name(name), "a repository without a commit")
        elif "file" in one and not one.get("hashes"):
            address = str(one["file"])
            if "://" in address:
                found.add(canonicalize_name(name), "an address without a digest")
            else:
                found.local(canonicalize_name(name), address)
    return found
