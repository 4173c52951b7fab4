"""Section `redis`: the server's version and every setting as it is in force, as `redis-cli` tells."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from plugins.module_utils.manifest.reading.machine import MissingError, NotHereError
from plugins.module_utils.manifest.section import Collector, Service

if TYPE_CHECKING:
    from plugins.module_utils.manifest.reading.machine import Host, Section

SERVER = "/usr/bin/redis-server"
SOCKET, FILE, USERS = "/run/redis/redis-server.sock", "/etc/redis/redis.conf", "/etc/redis/users.acl"
#: Who may ask for everything, and root's file with the password
ADMIN, ADMIN_PASSWORD = "samestack", "/etc/samestack/redis-password"
#: Older names of settings that have a newer one
OLD = re.compile(r"^(slave|slaveof$|cluster-slave|min-slaves|repl-diskless-sync-slaves)|-ziplist-|slave-")
SECRET = ("requirepass", "masterauth", "primaryauth", "tls-key-file-pass", "tls-client-key-file-pass")
PAIR = re.compile(r"server-[0-9a-f]{8}\.pem")
PASSWORD = re.compile(r"#([0-9a-f]{64})")
#: An item of a list as redis-cli prints it for people, and what a backslash stands for there. That form is the same in
#: all versions, and a value with a line's end in it stays one item; `--json` came with Redis 7.
ITEM = re.compile(r'^\s*(?:\d+\)\s+)+"((?:[^"\\]|\\.)*)"$', re.MULTILINE)
MODULE = re.compile(r'1\) "name"\n\s+2\) "([^"]*)"')
ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)
#: Between two answers: texts of the server have quotation marks and a number before them, or a colon in them.
MARK = "next"
LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


def unescaped(text: str) -> str:
    """Return what an item of a list stands for."""
    raw = ESCAPE.sub(
        lambda found: bytes([int(found[1], 16)]) if found[1] else LETTERS.get(found[2], found[2]),
        text.encode("utf-8", "surrogateescape"),
    )
    return raw.decode("utf-8", "replace")


def items(answer: str) -> list[str]:
    """Return the texts of a list."""
    return [unescaped(text) for text in ITEM.findall(answer)]


def settings(pairs: list[str]) -> dict[str, str]:
    """Return the answer of CONFIG GET as a dictionary, without the older names of settings."""
    found = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return {name: value for name, value in found.items() if not OLD.search(name)}


def comparable(text: str) -> str:
    """Return a value in a form in which equal values are equal: memory in bytes (redis.conf: 1k is 1000, 1kb 1024)."""
    size = re.fullmatch(r"(\d+)([kmg]b?)", text.strip().strip("\"'").lower())
    if size:
        base = 1024 if size[2].endswith("b") else 1000
        return str(int(size[1]) * base ** ("kmg".index(size[2][0]) + 1))
    return text.strip().strip("\"'")


def waiting(text: str, known: dict[str, str]) -> dict[str, str]:
    """Return {name: value} of what stands in redis.conf, once, and is not in force."""
    rows = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = {row[0].lower(): row[1] for row in rows if len(row) > 1}
    single = {name for name in found if sum(row[0].lower() == name for row in rows) == 1 and name not in SECRET}
    # The server shows the rights of its socket in octal digits, and its folders as they really are.
    return {
        name: found[name]
        for name in sorted(single & set(known) - {"dir"})
        if comparable(found[name]) != comparable(known[name])
    }


def collect(host: Host) -> Section:
    """Return the section; raises MissingError."""
    text = host.text(FILE)
    if "cache" in host.config["functions"] and not text and os.path.exists(host.path(SERVER)):
        raise MissingError(f"{FILE} is not there")
    if "cache" not in host.config["functions"] or not text:
        raise NotHereError("Redis is on another machine, or the application uses none")
    info_text, modules, users, config = ask(host, "info server", "module list", "acl list", "config get *")
    info = dict(line.split(":", 1) for line in info_text.splitlines() if ":" in line)
    section: Section = {"version": info.get("redis_version", ""), "build": info.get("redis_build_id", "")}
    section["modules"] = sorted(MODULE.findall(modules))
    section["users"] = [PASSWORD.sub(lambda match: host.keyed(match[1]), user) for user in items(users)]
    known = settings(items(config))
    for name, value in known.items():
        secret = name in SECRET and value
        section[name] = host.keyed(value) if secret else host.secrets.masked(PAIR.sub("server-….pem", value))
    for name, value in waiting(text, known).items():
        section[f"file:{name}"] = host.secrets.masked(PAIR.sub("server-….pem", value)) + " (waits for a restart)"
    return section


def ask(host: Host, *commands: str) -> list[str]:
    """Return the answers to commands, of one call; raises MissingError. The password is in no argument list."""
    environment = {"REDISCLI_AUTH": host.text(ADMIN_PASSWORD).strip()}
    lines = f"\necho {MARK}\n".join(commands) + "\n"
    _, out, err = host.ask(
        "redis-cli", "--user", ADMIN, "-s", host.path(SOCKET), "--no-raw", stdin=lines, environment=environment
    )
    answers = out.split(f'"{MARK}"\n')
    refused = next((text for text in answers if text.startswith("(error)")), "")
    if refused or len(answers) < len(commands):
        why = (refused or err or out).strip().partition("\n")[0]
        raise MissingError(f"the server does not answer on {SOCKET}: {host.secrets.masked(why)}")
    return answers


SECTIONS = (
    Collector(
        "redis",
        lambda host, _live: collect(host),
        learn=lambda host: host.secrets.learn("redis password", host.text(ADMIN_PASSWORD).strip()),
    ),
)
SERVICE = Service(
    units=("redis-server",),
    certificates=("/etc/redis/server-*.pem",),
    own_files=("/etc/redis/server-*.pem",),
    open_files={FILE: rf"^[ \t]*(?:{'|'.join(SECRET)}|user)[ \t].*$\n?", USERS: r"#[0-9a-f]{64}"},
)
