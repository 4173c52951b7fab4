"""Section `files`: what below /etc is not as its package brought it, and what no package brought."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from typing import TYPE_CHECKING

from ...common.folders import read_file, tree
from ...common.held_folder import ANYBODY, PathError, group_name, user_name
from ..reading import dpkg
from ..reading.file_rules import ELSEWHERE, OPEN, OWN, PROGRAMS, TOPS, Patterns
from ..section import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.machine import Host, Section

RIGHTS = stat.S_ISUID | stat.S_ISGID
DIGITS = 32
#: A larger file is nothing that names an environment.
LARGEST_TEXT = 1 << 18
USUAL = ("root:root 0644", "root:root 0755", "root:root 0444")
RECORDER = "/usr/local/lib/samestack/recorder"
CAPABILITIES = "security.capability"


def rights(status: os.stat_result) -> str:
    """Return owner, group and mode."""
    return f"{user_name(status.st_uid)}:{group_name(status.st_gid)} {stat.S_IMODE(status.st_mode):04o}"


def usual(path: str, status: os.stat_result) -> bool:
    """Return whether the rights of a file that is as its package brought it say nothing; a program may have its own."""
    if path.startswith("/usr/"):
        return status.st_uid == 0 and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return rights(status) in USUAL


def walk(host: Host, top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (path, status) of files and links below a folder; what lies too deep to be looked at is recorded."""
    real = host.path(top)
    try:
        for path, status in tree(
            real, too_deep=lambda _path: host.miss(f"files/{top}", "folders lie too deep in others")
        ):
            yield top + path[len(real) :], status
    except PathError as error:
        host.miss(f"files/{top}", str(error))


class Files:
    """The section while it is made."""

    def __init__(self, host: Host) -> None:
        """Take the host, and what its packages brought."""
        self.host = host
        app = host.config["app"]
        known = dpkg.known(host)
        self.defaults = dict(known["defaults"])
        self.owned = set(known["owned"])
        own = [path for service in host.services for path in service.own_files]
        self.elsewhere, self.own = Patterns(app, *ELSEWHERE), Patterns(app, *OWN, *own)
        opened = [(path, lines) for service in host.services for path, lines in service.open_files.items()]
        self.open = [(Patterns(app, *OPEN), ""), *((Patterns(app, path), lines) for path, lines in opened)]
        self.words = own_words(host)
        longest_first = sorted(map(re.escape, self.words), key=len, reverse=True)
        self.names = re.compile(rb"(?<![\w-])(?:" + b"|".join(longest_first) + rb")(?![\w-])")
        self.section: Section = {}

    def look(self, top: str) -> None:
        """Add what is below a folder."""
        for path, status in walk(self.host, top):
            if path in self.elsewhere or path.endswith(".pyc"):
                continue
            default = self.defaults.get(path)
            if default is None and path in self.owned:
                continue
            self.add(path, status, default)

    def named(self, path: str) -> str:
        """Return the key of a path: the name of a pair of ours follows from the machine's address."""
        return re.sub(r"server-[0-9a-f]{8}\.pem$", "server-….pem", path)

    def add(self, path: str, status: os.stat_result, default: str | None) -> None:
        """Add one path, unless it is what its package brought."""
        if stat.S_ISLNK(status.st_mode):
            try:
                target = os.readlink(self.host.path(path))
            except OSError:
                return
            # Where that leads says the link of the same name there.
            if not (path.startswith("/usr/") and target.startswith("/etc/alternatives/")):
                self.section[path] = f"link to {target}"
            return
        if not stat.S_ISREG(status.st_mode):
            self.section[path] = f"no file, {rights(status)}"
            return
        try:
            if default and self.host.cache.digest(self.host.path(path), "md5", status) == default:
                if not usual(path, status):
                    self.section[path] = f"as its package brought it, {rights(status)}"
                return
            more = "" if default is None else ", not as its package brought it"
            self.section[self.named(path)] = f"{self.digest(path, status)} {rights(status)}{more}"
        except (OSError, PathError) as error:
            self.host.miss(f"files/{path}", getattr(error, "strerror", None) or str(error))

    def digest(self, path: str, status: os.stat_result) -> str:
        """Return what stands for a file's content; of one that not everybody may read nobody can tell the content."""
        real = self.host.path(path)
        if path in self.own:
            return "this machine's own " + self.secret(real, status)
        if status.st_mode & stat.S_IROTH:
            return "sha256:" + self.common(real, status)
        lines = next((lines for paths, lines in self.open if path in paths), None)
        if lines is not None:
            text = self.host.read(path)
            secret = "".join(re.findall(lines, text, re.MULTILINE)) if lines else ""
            if secret:
                self.section[f"{path}:secret"] = self.host.keyed(secret)
                text = re.sub(lines, "", text, flags=re.MULTILINE)
            content = self.host.secrets.masked(text).encode("utf-8", "surrogateescape")
            return "sha256:" + hashlib.sha256(self.common_words(content)).hexdigest()[:DIGITS]
        return self.secret(real, status)

    def common(self, real: str, status: os.stat_result) -> str:
        """Return the digest of a file that everybody may read."""
        if status.st_size < LARGEST_TEXT:
            content = read_file(real, ANYBODY)
            return hashlib.sha256(self.common_words(content)).hexdigest()[:DIGITS]
        return str(self.host.cache.digest(real, status=status))[:DIGITS]

    def common_words(self, content: bytes) -> bytes:
        """Return a content in which what only this environment is called has another word."""
        return self.names.sub(lambda found: self.words[found[0]], content)

    def secret(self, real: str, status: os.stat_result) -> str:
        """Return the keyed digest of a file's digest, so that large files are read once."""
        return str(self.host.keyed(self.host.cache.digest(real, status=status)))

    def missing(self) -> None:
        """Add what packages brought and somebody removed."""
        for path in sorted(self.defaults):
            if not os.path.lexists(self.host.path(path)):
                self.section[path] = "removed"

    def programs(self) -> None:
        """Add the programs that hand on rights: whoever runs them is their owner, or of their group."""
        for top in PROGRAMS:
            for path, status in walk(self.host, top):
                if status.st_mode & RIGHTS and stat.S_ISREG(status.st_mode):
                    self.section[f"setuid:{path}"] = rights(status)
                if (
                    status.st_mode & stat.S_IXUSR
                    and stat.S_ISREG(status.st_mode)
                    and (found := self.capabilities(path))
                ):
                    self.section[f"capabilities:{path}"] = found

    def capabilities(self, path: str) -> str:
        """Return what a program may do whoever runs it, as the file system has it (hex), "" for nothing."""
        try:
            return os.getxattr(self.host.path(path), CAPABILITIES, follow_symlinks=False).hex()
        except OSError:
            return ""

    def recorder(self) -> None:
        """Add one digest for all files of the recorder."""
        found = [
            f"{path} {self.digest(path, status)} {rights(status)}"
            for path, status in walk(self.host, RECORDER)
            if not path.endswith(".pyc")
        ]
        if found:
            digest = hashlib.sha256("\n".join(found).encode()).hexdigest()[:DIGITS]
            self.section[RECORDER] = f"sha256:{digest} ({len(found)} files)"


def own_words(host: Host) -> dict[bytes, bytes]:
    """Return {name: word} of what only this environment, or this machine, is called."""
    names = {**host.config.get("names", {}), os.uname().nodename: "host name"}
    return {name.encode(): f"<{word}>".encode() for name, word in names.items() if name}


def collect(host: Host) -> Section:
    """Return the section."""
    files = Files(host)
    for top in TOPS:
        files.look(top)
    files.recorder()
    files.missing()
    files.programs()
    return files.section


SECTIONS = (Collector("files", lambda host, _live: collect(host), slow=True),)
