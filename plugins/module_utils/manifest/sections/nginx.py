"""Section `nginx`: version, modules, and the configuration as nginx puts it together, by path of its blocks."""

from __future__ import annotations

import fnmatch
import os
import re
from typing import TYPE_CHECKING

from ..reading.machine import MissingError, NotHereError
from ..reading.processes import changed_since, started
from ..section import Collector, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.machine import Host, Section

TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<mark>[{};])|(?P<word>(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\$\{|\\.|[^\s{};"'\\])+)""",
    re.DOTALL,
)
Directive = tuple[str, list[str]]
FILE = re.compile(r"^# configuration file (\S+):$", re.MULTILINE)
PID = "/run/nginx.pid"


def tokens(text: str) -> Iterator[str]:
    """Yield the words and marks of a configuration, without comments."""
    for found in TOKEN.finditer(text):
        token = found["mark"] or found["word"]
        if token:
            yield token


def parts(text: str) -> dict[str, str]:
    """Return {path: text} of the files that `nginx -T` prints, the main one first."""
    words = FILE.split(text)
    return dict(zip(words[1::2], words[2::2], strict=True))


def directives(files: dict[str, str]) -> list[Directive]:
    """Return (block path, arguments) of every directive, in order, included files where they are included.

    A block's path names its arguments (`http/server/location[/static/]`); a server has its names and ports for that.
    """
    found: list[Directive] = []
    if files:
        main = next(iter(files))
        _block(tokens(files[main]), "", found, files, os.path.dirname(main))
    return found


def _block(words: Iterator[str], path: str, found: list[Directive], files: dict[str, str], folder: str) -> None:
    statement: list[str] = []
    for word in words:
        if word == ";":
            if statement[:1] == ["include"]:
                for name in included(statement[1], files, folder):
                    _block(tokens(files[name]), path, found, files, folder)
            elif statement:
                found.append((path + statement[0], statement[1:]))
            statement = []
        elif word == "{":
            inner: list[Directive] = []
            _block(words, "", inner, files, folder)
            name = named(statement, inner)
            found.extend((f"{path}{name}/{key}", arguments) for key, arguments in inner)
            if not inner:
                found.append((f"{path}{name}", []))
            statement = []
        elif word == "}":
            return
        else:
            statement.append(word)


def included(pattern: str, files: dict[str, str], folder: str) -> list[str]:
    """Return the files that an include means, in nginx's order; a relative path starts at the main file's folder."""
    wanted = os.path.join(folder, pattern.strip("\"'"))
    return sorted(name for name in files if fnmatch.fnmatchcase(name, wanted))


def named(statement: list[str], inner: list[Directive]) -> str:
    """Return what a block is called."""
    arguments = statement[1:]
    if statement[:1] == ["server"]:
        names = [" ".join(words) for key, words in inner if key == "server_name"]
        ports = [words[0].rsplit(":", 1)[-1] for key, words in inner if key == "listen" and words]
        arguments = [*names, *dict.fromkeys(ports)]
    return statement[0] + (f"[{' '.join(arguments)}]" if arguments else "")


def joined(found: list[Directive]) -> dict[str, str | list[str]]:
    """Return {path: arguments}; those of a directive that stands several times as a list, in order."""
    section: dict[str, list[str]] = {}
    for path, arguments in found:
        section.setdefault(path, []).append(" ".join(arguments))
    return {path: values if len(values) > 1 else values[0] for path, values in section.items()}


def build(text: str) -> tuple[str, list[str], str]:
    """Return (version, options, TLS library) of what `nginx -V` says."""
    version = re.search(r"nginx version: nginx/(\S+)", text)
    tls = re.search(r"(?:built with|running with) (.*)", text)
    options = re.search(r"configure arguments: (.*)", text)
    # Paths of the build machine are in the compiler's flags.
    words = re.findall(
        r"--(?:with|without|add)-[\w-]+(?:=dynamic)?",
        re.sub(r"--with-(cc|ld)-opt='[^']*'", "", options[1] if options else ""),
    )
    return version[1] if version else "", sorted(set(words)), tls[1] if tls else ""


def collect(host: Host) -> Section:
    """Return the section; raises MissingError."""
    if "web" not in host.config["functions"]:
        raise NotHereError("this host has no web server")
    version, options, tls = build(host.ask("nginx", "-V")[2])
    text = host.run("nginx", "-T")
    section: Section = {"version": version, "TLS library": tls, "modules": options}
    for path, value in joined(directives(parts(text))).items():
        section[path] = (
            [host.secrets.masked(one) for one in value] if isinstance(value, list) else host.secrets.masked(value)
        )
    section["not read yet"] = not_read(host, list(parts(text)))
    return section


def not_read(host: Host, files: list[str]) -> list[str]:
    """Return the files that were changed after the workers began that run now."""
    try:
        master = int(host.read(PID))
        children = host.read(f"/proc/{master}/task/{master}/children").split()
        began = min(started(host, child) for child in children)
    except (MissingError, ValueError):
        return []
    return list(changed_since(host, files, began))


SECTIONS = (Collector("nginx", lambda host, _live: collect(host)),)
SERVICE = Service(
    units=("nginx",),
    certificates=("/etc/nginx/tls/*.crt",),
    own_files=("/etc/nginx/tls/*", "/etc/samestack/certificates.notices"),
)
