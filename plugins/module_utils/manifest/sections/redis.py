"""Section `redis`: the server's version and every setting as it is in force."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from ..reading.machine import MissingError

if TYPE_CHECKING:
    from typing import IO

    from ..reading.machine import Host, Section

SOCKET, FILE = "/run/redis/redis-server.sock", "/etc/redis/redis.conf"
PATIENCE_SECONDS = 20
#: Older names of settings that have a newer one
OLD = re.compile(r"^(slave|slaveof$|cluster-slave|min-slaves|repl-diskless-sync-slaves)|-ziplist-|slave-")
SECRET = ("requirepass", "masterauth", "primaryauth", "tls-key-file-pass", "tls-client-key-file-pass")
PAIR = re.compile(r"server-[0-9a-f]{8}\.pem")
PASSWORD = re.compile(r"#([0-9a-f]{64})")


class RedisError(Exception):
    """The server refuses; the text is what it says."""


def packed(*words: str) -> bytes:
    """Return a command as the protocol has it (RESP: an array of bulk strings)."""
    data = b"*%d\r\n" % len(words)
    for word in words:
        raw = word.encode()
        data += b"$%d\r\n%s\r\n" % (len(raw), raw)
    return data


def answer(stream: IO[bytes]) -> object:
    """Read one answer; raises RedisError for an error."""
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:].decode("utf-8", "replace")
    if kind == b"-":
        raise RedisError(rest)
    if kind == b"$":
        data = stream.read(int(rest) + 2)[:-2] if int(rest) >= 0 else b""
        return data.decode("utf-8", "replace")
    if kind in (b"*", b"%"):
        return [answer(stream) for _ in range(int(rest) * (2 if kind == b"%" else 1))]
    if kind in (b"+", b":"):
        return rest
    raise RedisError(f"an answer that is none of this protocol: {line[:40]!r}")


def password_of(text: str) -> str:
    """Return the password that redis.conf sets, "" for none."""
    found = re.findall(r"^\s*requirepass\s+(.*?)\s*$", text, re.MULTILINE)
    if not found:
        return ""
    quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', found[-1])
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else found[-1].strip("'")


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
    if "cache" not in host.config["functions"]:
        raise MissingError("Redis is on another machine, or the application uses none")
    try:
        found = ask(host.path(SOCKET), password_of(host.text(FILE)))
    except (OSError, RedisError, ValueError) as error:
        raise MissingError(f"the server does not answer on {SOCKET}: {error}") from None
    info = dict(line.split(":", 1) for line in str(found["info"]).splitlines() if ":" in line)
    section: Section = {"version": info.get("redis_version", ""), "build": info.get("redis_build_id", "")}
    section["modules"] = sorted(str(one[1]) for one in found["modules"] if isinstance(one, list))
    section["users"] = [PASSWORD.sub(lambda match: host.keyed(match[1]), str(user)) for user in found["users"]]
    for name, value in settings([str(word) for word in found["config"]]).items():
        secret = name in SECRET and value
        section[name] = host.keyed(value) if secret else host.secrets.masked(PAIR.sub("server-….pem", value))
    known = settings([str(word) for word in found["config"]])
    for name, value in waiting(host.text(FILE), known).items():
        section[f"file:{name}"] = host.secrets.masked(PAIR.sub("server-….pem", value)) + " (waits for a restart)"
    return section


def ask(path: str, password: str) -> dict[str, list[object]]:
    """Return what the server answers; raises OSError and RedisError."""
    commands = {"info": ["INFO", "server"], "config": ["CONFIG", "GET", "*"], "users": ["ACL", "LIST"]}
    commands["modules"] = ["MODULE", "LIST"]
    found: dict[str, list[object]] = {}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(path)
        with connection.makefile("rb") as stream:
            if password:
                connection.sendall(packed("AUTH", password))
                answer(stream)
            for name, words in commands.items():
                connection.sendall(packed(*words))
                found[name] = answer(stream)  # type: ignore[assignment]
    return found
