"""What the application and its services write, on all hosts of an environment together, as it comes."""

from __future__ import annotations

import fnmatch
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
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from plugins.plugin_utils.text import said

from .project import ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

#: Lines of the journal's past that are shown, and of a file's
HISTORY = 100
FILE_HISTORY = 20
#: Lines of the past that are looked through for errors, for a word, and of each file for what came since some time; and
#: how many of the errors that are found are shown before the others
LOOKED_THROUGH, SEARCHED, SINCE = 2000, 20_000, 100_000
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
#: What logrotate has put aside, from some time on, the oldest first
PUT_ASIDE = (
    "find {files}.[0-9]* -maxdepth 0 -type f -newermt @{since} -printf '%T@ %p\\n' 2>/dev/null | sort -n | "
    "cut -d ' ' -f 2- | while read -r file; do zcat -f -- \"$file\"; done | tail -n {lines}; "
)
#: When a line of a file was written: Nginx's requests (role nginx), behind what visitors say; its errors, in the
#: machine's time; PostgreSQL, in UTC
REQUEST = re.compile(r" (?P<time>\d{10}\.\d{3}) [\d.]+ \S")
STAMP = re.compile(r"^(?P<day>\d{4}[/-]\d\d[/-]\d\d) (?P<clock>\d\d:\d\d:\d\d)(?:\.\d+ (?P<zone>UTC))?")
FAILED_REQUEST = re.compile(r'" 5\d\d \d+ "')
RED = "31"
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
    #: Patterns
    units: dict[str, list[str]]

    #: Roles by what they write
    roles: dict[str, str]

    @property
    def colours(self) -> dict[str, str]:
        """A colour (of a terminal) for each source."""
        return dict(zip(sorted({*self.files, *self.units}), itertools.cycle(SHADES), strict=False))

    def whose(self, unit: str) -> str:
        """Return the service whose unit it is, "" for none: of several patterns the longest says most."""
        found = [
            (len(one), name) for name, some in self.units.items() for one in some if fnmatch.fnmatchcase(unit, one)
        ]
        return max(found, default=(0, ""))[1]


@functools.cache
def services() -> Services:
    """Read what services say of themselves (roles/<role>/meta/service.yml)."""
    import yaml

    files: dict[str, str] = {}
    units: dict[str, list[str]] = {}
    roles: dict[str, str] = {}
    for path in sorted(ENGINE.glob("roles/*/meta/service.yml")):
        name = path.parents[1].name
        service = yaml.safe_load(path.read_text(encoding="utf-8"))[f"{name}_service"]
        files |= service.get("logs", {})
        roles |= dict.fromkeys(service.get("logs", {}), name)
        units[name] = service["journal"]
    return Services(files, units, roles)


@dataclass(frozen=True)
class Line:
    """One line: who wrote it, when (HH:MM:SS in UTC, "" where the text itself says it), and what."""

    source: str
    clock: str
    text: str


class WantedError(Exception):
    """What is asked for is not there; the text says what is."""


@dataclass(frozen=True)
class Wanted:
    """Which lines somebody wants; all of them."""

    #: Sources, or services, or `app`
    only: tuple[str, ...] = ()
    grep: re.Pattern[str] | None = None
    #: In seconds since 1970; 0: the last lines
    since: float = 0
    #: What clocks on the wall show there
    zone: str = "Etc/UTC"

    @property
    def is_search(self) -> bool:
        """Whether all that is found is shown, and not the last lines and the errors before them."""
        return bool(self.grep or self.since)

    def takes(self, line: Line) -> bool:
        """Return whether a line is from where it is wanted, and has what is wanted in it."""
        return self.has_source(line.source) and not (self.grep and not self.grep.search(line.text))

    def has_source(self, source: str) -> bool:
        """Return whether it is one of those that are wanted."""
        name = source.split("@", maxsplit=1)[0]
        kinds = {name, services().roles.get(name, name)}
        if not name.startswith(OURS) and kinds.isdisjoint({*services().roles, *services().units}):
            kinds.add("app")
        return not self.only or not kinds.isdisjoint(self.only)

    def units(self, app: str) -> list[str]:
        """Return the units of systemd whose past is wanted, as patterns."""
        every = services().units
        if not self.only:
            return [f"{app}-*", f"{OURS}*", *itertools.chain(*every.values())]
        known = [name for name in self.only if name in every]
        files = [name for name in self.only if name in services().files and name not in every]
        own = [f"{app}-*" if name == "app" else f"{app}-{name}*" for name in self.only if name not in (*known, *files)]
        return [*own, *itertools.chain(*(every[name] for name in known))]

    def written(self, text: str, source: str, before: float) -> float:
        """Return when a line of a file was written; what does not say so goes with the one before it."""
        found = REQUEST.match(text.rpartition('"')[2]) if source == "access" else None
        if found:
            return float(found["time"])
        found = STAMP.match(text)
        if not found:
            return before
        zone = ZoneInfo("UTC" if found["zone"] else self.zone)
        try:
            day = found["day"].replace("/", "-")
            return datetime.fromisoformat(f"{day} {found['clock']}").replace(tzinfo=zone).timestamp()
        except ValueError:
            return before


def wanted(only: Iterable[str], grep: str, since: str, processes: Iterable[str], zone: str = "Etc/UTC") -> Wanted:
    """Return what somebody wants.

    Args:
        only: names of sources.
        grep: a regular expression; without capitals it means them, too.
        since: a time as people write it, "" for none.
        processes: of the application: worker-queue, timer-tidy.
        zone: the machines' time zone.

    Raises WantedError.
    """
    from plugins.plugin_utils.parity.timeline import since as moment

    known = ["app", "web", *processes, *sorted({*services().units, *services().files})]
    for name in only:
        if name not in known:
            raise WantedError(f"--only {name}: nothing of that name writes a log here. There are {', '.join(known)}.")
    try:
        pattern = re.compile(grep, 0 if grep != grep.lower() else re.IGNORECASE) if grep else None
    except re.error as error:
        raise WantedError(f"--grep {grep}: this is no regular expression ({error}). Put a \\ before a sign.") from None
    try:
        return Wanted(tuple(only), pattern, moment(since, time.time()) if since else 0, zone)
    except ValueError as error:
        raise WantedError(str(error)) from None


class Errors:
    """Which lines of one host tell of an error; a traceback does as a whole."""

    def __init__(self) -> None:
        """Begin outside of all."""
        self.inside: set[str] = set()

    def has(self, line: Line) -> bool:
        """Return whether a line, each being given in its turn, is of one."""
        begins = "Traceback (most recent call last)" in line.text
        failed = line.source == "access" and FAILED_REQUEST.search(line.text)
        found = bool(begins or failed or ERROR.search(line.text) or line.source in self.inside)
        if begins:
            self.inside.add(line.source)
        elif line.text[:1] not in ("", " "):
            # The exception ends it.
            self.inside.discard(line.source)
        return found


def remote_command(app: str, want: Wanted = Wanted()) -> list[str]:
    """The command that writes all of it on a host, until its standard input ends.

    The journal is followed whole and sorted out here: a pattern of units would miss those of the next release.
    """
    journal = f"journalctl --quiet --output=json --output-fields={FIELDS}"
    units = " ".join(shlex.quote(f"--unit={name}") for name in want.units(app))
    past = f"--since=@{want.since:.0f}" if want.since else f"--lines={SEARCHED if want.grep else LOOKED_THROUGH}"
    parts = [
        # Nothing that is written meanwhile is left out, or told twice.
        "now=@$(date +%s.%6N)",
        *([f'{journal} {past} --until="$now" {units}'] if units else []),
        f"echo {shlex.quote(PRESENT)}",
        f'{journal} --follow --lines=all --since="$now" &',
    ]
    lines = SINCE if want.since else SEARCHED if want.grep else FILE_HISTORY
    for source, files in services().files.items():
        if not want.has_source(source):
            continue
        before = PUT_ASIDE.format(files=files, since=int(want.since), lines=lines) if want.since else ""
        follow = shlex.join(["sh", "-c", before + FOLLOW.format(files=files, lines=lines)])
        parts.append(f"{READER} {follow} 2>/dev/null | sed -u 's/^/{source} /' &")
    # Nothing of it stays behind when the connection ends.
    return ["sudo", "sh", "-c", "\n".join([*parts, "cat >/dev/null", "kill 0"])]


def source_of(unit: str, app: str) -> str:
    """The name under which a unit's lines are shown, "" for one that is none of ours."""
    if unit.startswith(f"{app}-"):
        return unit.removeprefix(f"{app}-").removesuffix(".service")
    ours = unit.split(".", maxsplit=1)[0].split("@", maxsplit=1)[0] if unit.startswith(OURS) else ""
    return services().whose(unit) or ours


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
    errors = Errors()
    return [line for line in earlier if errors.has(line)][-ERRORS_SHOWN:] + recent


def shown(line: Line, host: str, *, colour: bool, error: bool = False) -> str:
    """A line as it is printed; `host` is "" where there is one only."""
    head = " ".join(part for part in (host, line.clock, line.source) if part)
    if colour:
        head = f"\x1b[{services().colours.get(line.source, OF_THE_APP)}m{head}\x1b[0m"
    text = f"\x1b[{RED}m{line.text}\x1b[0m" if colour and error else line.text
    return f"{head} | {text}"


def follow(commands: dict[str, list[str]], app: str, write: Callable[[str], object], want: Wanted = Wanted()) -> int:
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
    waiting: dict[str, list[Line]] = {} if want.is_search else {host: [] for host in running}
    errors = {host: Errors() for host in running}
    # When the last line of each host's file was written
    clocks: dict[tuple[str, str], float] = {}

    def tell(host: str, told: Iterable[Line]) -> None:
        for line in told:
            wrong = errors[host].has(line)
            if want.since and not line.clock:
                key = (host, line.source)
                clocks[key] = want.written(line.text, line.source, clocks.get(key, 0))
                if clocks[key] < want.since:
                    continue
            if want.takes(line):
                write(shown(line, host if len(running) > 1 else "", colour=colour, error=wrong))

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
                waiting[host] += filter(want.takes, read_line(raw, app))
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
