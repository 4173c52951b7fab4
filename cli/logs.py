"""What the application and its services write, on all hosts of an environment together, as it comes."""

from __future__ import annotations

import functools
import itertools
import json
import os
import queue
import re
import shlex
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugins.plugin_utils.text import said

from .project import ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

#: Lines of the journal's past that are shown, and of a file's
HISTORY = 100
FILE_HISTORY = 20
#: Lines of the past that are looked through for errors, and how many of what is found there are shown before the others
LOOKED_THROUGH = 2000
ERRORS_SHOWN = 60
ERROR = re.compile(
    r"Traceback \(most recent call last\)|\b(ERROR|CRITICAL|FATAL|PANIC)\b|\[(emerg|alert|crit|error)\]"
    r"|^[\w.]*(Error|Exception)(:|$)|^Internal Server Error|: Failed with result|status=\d+/"
)
#: What a host writes when its past has been told
PRESENT = "{}"
#: Services' accounts make names in the folders of their logs: they are read by nobody, in the group that may read logs.
READER = "setpriv --reuid=nobody --regid=adm --clear-groups"
#: What is no file (a FIFO, at which tail would wait) is passed over.
FOLLOW = (
    'for file in {files}; do if [ -f "$file" ] && [ ! -L "$file" ]; then set -- "$@" "$file"; fi; done; '
    'exec tail -q -n {lines} -F "$@" </dev/null'
)
#: Letters of a line of a host: journald splits at 48 KiB, which are four times as many as JSON has them
LONGEST_RAW = 1 << 20
SHADES = ("36", "35", "34", "33", "96", "95", "94", "93")
OF_THE_APP = "32"
#: How the names of our own programs' units begin
OURS = "samestack-"
FIELDS = "MESSAGE,_SYSTEMD_UNIT,UNIT"


@dataclass(frozen=True)
class Services:
    """What the roles' services write: files by the name that is shown, and units of systemd."""

    files: dict[str, str]
    units: dict[str, str]

    @property
    def colours(self) -> dict[str, str]:
        """A colour (of a terminal) for each source."""
        return dict(zip(sorted({*self.files, *self.units}), itertools.cycle(SHADES), strict=False))


@functools.cache
def services() -> Services:
    """Read what services say of themselves (roles/<role>/meta/service.yml)."""
    import yaml

    files: dict[str, str] = {}
    units: dict[str, str] = {}
    for path in sorted(ENGINE.glob("roles/*/meta/service.yml")):
        name = path.parents[1].name
        service = yaml.safe_load(path.read_text(encoding="utf-8"))[f"{name}_service"]
        files |= service.get("logs", {})
        # All units of a service begin like the first one, up to a dash or an @.
        units[name] = f"{service['units'][0].removesuffix('.service').split('-')[0]}*"
    return Services(files, units)


@dataclass(frozen=True)
class Line:
    """One line: who wrote it, when (HH:MM:SS in UTC, "" where the text itself says it), and what."""

    source: str
    clock: str
    text: str


def remote_command(app: str) -> list[str]:
    """The command that writes all of it on a host, until its standard input ends.

    The journal is followed whole and sorted out here: a pattern of units would miss those of the next release.
    """
    journal = f"journalctl --quiet --output=json --output-fields={FIELDS}"
    units = " ".join(shlex.quote(f"--unit={name}") for name in (f"{app}-*", *services().units.values()))
    parts = [
        # Nothing that is written meanwhile is left out, or told twice.
        "now=@$(date +%s.%6N)",
        f'{journal} --lines={LOOKED_THROUGH} --until="$now" {units}',
        f"echo {shlex.quote(PRESENT)}",
        f'{journal} --follow --lines=all --since="$now" &',
    ]
    for source, files in services().files.items():
        follow = shlex.join(["sh", "-c", FOLLOW.format(files=files, lines=FILE_HISTORY)])
        parts.append(f"{READER} {follow} 2>/dev/null | sed -u 's/^/{source} /' &")
    # Nothing of it stays behind when the connection ends.
    return ["sudo", "sh", "-c", "\n".join([*parts, "cat >/dev/null", "kill 0"])]


def source_of(unit: str, app: str) -> str:
    """The name under which a unit's lines are shown, "" for one that is none of ours."""
    if unit.startswith(f"{app}-"):
        return unit.removeprefix(f"{app}-").removesuffix(".service")
    if unit.startswith(OURS):
        return unit.removeprefix(OURS).split(".")[0].split("@")[0]
    return next((name for name, start in services().units.items() if unit.startswith(start[:-1])), "")


def read_line(raw: str, app: str) -> Iterator[Line]:
    """What one line of a host's output says; nothing where it is none of ours."""
    raw = raw.rstrip("\n")
    if not raw.startswith("{"):
        source, _, text = raw.partition(" ")
        if source in services().files:
            yield Line(source, "", said(text, words_inside=True))
        return
    try:
        entry: dict[str, Any] = json.loads(raw)
        seconds = int(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6
        message = entry.get("MESSAGE") or ""
        # journald gives bytes that are no text as a list of numbers.
        text = bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)
        clock = time.strftime("%H:%M:%S", time.gmtime(seconds))
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        return
    source = source_of(str(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or ""), app)
    if not source:
        return
    for part in text.splitlines():
        yield Line(said(source), clock, said(part, words_inside=True))


def past(lines: list[Line]) -> list[Line]:
    """What is shown of the past: the last lines, and before them the errors of a longer time, tracebacks as a whole."""
    earlier, recent = lines[:-HISTORY], lines[-HISTORY:]
    errors: list[Line] = []
    inside: set[str] = set()
    for line in earlier:
        begins = "Traceback (most recent call last)" in line.text
        if begins or ERROR.search(line.text) or line.source in inside:
            errors.append(line)
        if begins:
            inside.add(line.source)
        elif line.text[:1] not in ("", " "):
            # The exception ends it.
            inside.discard(line.source)
    return errors[-ERRORS_SHOWN:] + recent


def shown(line: Line, host: str, *, colour: bool) -> str:
    """A line as it is printed; `host` is "" where there is one only."""
    head = " ".join(part for part in (host, line.clock, line.source) if part)
    if colour:
        head = f"\x1b[{services().colours.get(line.source, OF_THE_APP)}m{head}\x1b[0m"
    return f"{head} | {line.text}"


def follow(commands: dict[str, list[str]], app: str, write: Callable[[str], object]) -> int:
    """Run a command for each host and write what comes until all have ended; returns 1 where one could not begin."""
    lines: queue.Queue[tuple[str, str | None]] = queue.Queue()
    running = {
        host: subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace", bufsize=1
        )
        for host, command in commands.items()
    }
    for host, process in running.items():
        threading.Thread(target=hand_over, args=(host, process.stdout, lines), daemon=True).start()
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    open_ones = set(running)
    # What has come of the past of hosts that have not told all of it
    waiting: dict[str, list[Line]] = {host: [] for host in running}

    def tell(host: str, told: Iterable[Line]) -> None:
        for line in told:
            write(shown(line, host if len(running) > 1 else "", colour=colour))

    try:
        while open_ones:
            host, raw = lines.get()
            if host in waiting and (raw is None or raw.rstrip("\n") == PRESENT):
                tell(host, past(waiting.pop(host)))
            if raw is None:
                open_ones.discard(host)
                write(f"{host}: the connection has ended (code {running[host].wait()})")
                continue
            if host in waiting:
                waiting[host] += read_line(raw, app)
            else:
                tell(host, read_line(raw, app))
    finally:
        for process in running.values():
            process.terminate()
    return 1


def hand_over(host: str, stream: TextIO, lines: queue.Queue[tuple[str, str | None]]) -> None:
    """Put a host's lines into the queue, and None at their end."""
    for raw in iter(lambda: stream.readline(LONGEST_RAW), ""):
        lines.put((host, raw))
    lines.put((host, None))
