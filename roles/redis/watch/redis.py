"""Section `redis`: memory, what it had to throw away, and whether it can save."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from plugins.module_utils.common.errors import HostError
from plugins.module_utils.watch.check import RED, YELLOW, Check, Facts, Finding, Look
from plugins.module_utils.watch.spans import HOUR, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOCKET, PASSWORD, ADMIN = "/run/redis/redis-server.sock", "/etc/samestack/redis-password", "samestack"
UNIT = "redis-server.service"
TIMEOUT = 5
LONGEST = 1 << 20
#: Percent below the limit from which on it is yellow
BEFORE = 10


def gather(look: Look) -> Facts | None:
    """Return the facts; None where there is no Redis."""
    if "redis" not in look.settings.services:
        return None
    try:
        with open(PASSWORD, encoding="utf-8") as file:
            info = ask(file.read().strip())
    except (OSError, HostError) as error:
        return {"error": str(error)}
    number = {name: float(value) for name, value in info.items() if value.replace(".", "", 1).isdigit()}
    return {
        "error": "", "used": number.get("used_memory", 0), "most": number.get("maxmemory", 0),
        "evicted": look.memory.growth("evicted", look.now, number.get("evicted_keys", 0), HOUR),
        "refused": look.memory.growth("refused", look.now, number.get("rejected_connections", 0), HOUR),
        "saves": info.get("rdb_last_bgsave_status", "ok") == "ok" and info.get("aof_last_write_status", "ok") == "ok",
        "version": info.get("redis_version", ""),
    }  # fmt: skip


def ask(password: str, path: str = SOCKET) -> dict[str, str]:
    """Return what the server says of itself; raises OSError, HostError. No program, and no password in an argument."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(path)
        words = (("AUTH", ADMIN, password), ("INFO",))
        connection.sendall(b"".join(request(*one) for one in words))
        stream = connection.makefile("rb")
        answer = stream.readline(LONGEST)
        if answer.startswith(b"+"):
            answer = stream.readline(LONGEST)
        if not answer.startswith(b"$"):
            raise HostError(answer[1:].decode(errors="replace").strip() or "it ended the connection")
        text = stream.read(min(int(answer[1:]), LONGEST)).decode(errors="replace")
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def request(*words: str) -> bytes:
    """Return a request as Redis reads it (RESP)."""
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return f"*{len(words)}\r\n{''.join(parts)}".encode()


def judge(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what is wrong with it."""
    unit = {"unit": UNIT}
    if facts["error"]:
        yield Finding("answer", RED, f"Redis does not answer: {facts['error']}", "restart", unit, UNIT)
        return
    used = facts["used"] * 100 / facts["most"] if facts["most"] else 0
    if used >= limits["memory"] - BEFORE:
        level = RED if used >= limits["memory"] else YELLOW
        yield Finding(
            "memory", level, f"Redis uses {used:.0f} % of its {size(facts['most'])} (redis_memory)", "provision"
        )
    if not facts["saves"]:
        yield Finding("saves", RED, "Redis cannot write its data to the disk", "restart", unit, UNIT)
    if facts["evicted"]:
        text = f"Redis threw {facts['evicted']:.0f} keys away in the last hour, for want of memory (redis_memory)"
        yield Finding("evicted", YELLOW, text, "provision")
    if facts["refused"]:
        yield Finding(
            "refused", YELLOW, f"Redis refused {facts['refused']:.0f} connections in the last hour", "restart", unit
        )


def words(facts: Facts) -> str:
    """Return how much it holds."""
    if facts["error"]:
        return "no answer"
    most = f" of {size(facts['most'])}" if facts["most"] else ""
    return f"{size(facts['used'])}{most}, version {facts['version']}"


CHECK = Check("redis", 60, gather, judge, words, worked_on=True)
