"""What hosts may answer about releases, locks and the ledger. Pure; the control node uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...module_utils.release.place import LIVE_CODE
from ..answers import AnswerError, Boolean, Each, Names, Nothing, Number, OneOf, Record, Shape, ShapeError, Text, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

RELEASE = Text(12, rf"[0-9a-f]{{12}}|(?:{LIVE_CODE})?")
DIGEST = Text(64, "[0-9a-f]*")
VENV = Text(12, "[0-9a-f]{12}|none|")
COMMIT = Text(64, "[0-9a-f]*")
LINE = Text(2000)
WORDS = Text(20_000)
NAME = Text(200)
COMMITS = OneOf((Number(), Each(OneOf((LINE, Record({}, {"commit": LINE, "author": LINE, "subject": LINE}))))))

BUILD = Record({}, {
    "commit": COMMIT, "label": LINE, "sha256": DIGEST, "vid": VENV, "time": Number(), "migrations": Each(NAME),
    "commits": COMMITS,
})  # fmt: skip
INPUTS = Record({}, {"platform": NAME, "python": NAME})
#: What is recorded beside a release of its tests
TESTED = Record({}, {
    "result": NAME, "reason": WORDS, "commands": Each(WORDS, 1000), "sha256": DIGEST, "seconds": Number(),
    "time": NAME, "who": LINE, "vid": VENV,
})  # fmt: skip
STATE = Record(
    {
        "current": RELEASE, "release": RELEASE, "sha256": DIGEST, "vid": VENV, "healthy": Boolean(), "why": WORDS,
        "build": BUILD, "inputs": INPUTS, "environment": Names(NAME, Boolean(), 1000),
        "dirty": Names(NAME, Each(Text(), 600_000), 10), "applied": Each(NAME), "env_missing": Each(NAME, 1000),
        "free": Number(), "failed": Names(RELEASE, WORDS, 100_000),
    },
    {
        "accepted": Record({}, {"sha256": DIGEST, "release": RELEASE}), "kept": Each(RELEASE), "good": Each(RELEASE),
        "restarts": Names(NAME, Number(), 1000), "tests": TESTED,
    },
)  # fmt: skip
#: What a host has packed
PACKED = Record({"sha256": DIGEST, "vid": VENV, "venv_sha256": DIGEST, "venv_packed": Boolean()})
FIGURES = Record({"requests": Number(), "errors": Number(), "p95": OneOf((Nothing(), Number()))})
TRAFFIC = Record({"before": OneOf((Nothing(), FIGURES)), "after": FIGURES, "worse": Each(NAME, 10)})
#: What a line says of them
TESTS = Record({}, {"result": NAME, "reason": WORDS, "seconds": Number()})
LEDGER_LINE = Record({}, {
    "time": Text(20, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "verb": NAME, "who": LINE, "result": NAME, "reason": WORDS,
    "message": WORDS, "release": NAME, "from": NAME, "to": NAME, "label": LINE, "seconds": Number(),
    "migrations": Each(NAME), "commits": COMMITS, "on": Boolean(), "files": OneOf((Number(), Each(Text(), 600_000))),
    "packages": Number(), "traffic": TRAFFIC, "tests": TESTS,
})  # fmt: skip
APP = Text(24, "[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
#: Whose a machine is, as role host has written it there
OWNER = Record({"app": APP, "environment": Text(20, "[a-z]+"), "keys": Each(DIGEST, 20)}, {"former": Each(APP, 20)})
#: What `machine_facts` finds: words go into names of sources, units and paths
WORD = Text(80, r"[\w.+~:-]*")
PACKAGE, VERSION = Text(200, r"[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?"), Text(200, r"[\w.+~:-]*")
MACHINE = Record({
    "os": WORD, "release": WORD, "codename": WORD, "python": WORD, "architecture": WORD, "memory_mb": Number(),
    "swap_mb": Number(), "processors": Number(), "systemd": Number(), "container": Boolean(), "ipv6": Boolean(),
    "dpkg_interrupted": Boolean(), "uv": WORD, "sudo_rs": Boolean(), "ssh_socket": Boolean(), "closed": Boolean(),
    "owed": Each(WORD, 100),
    "ssh_kex": Each(Text(200, r"[\w.@+-]+"), 100),
    "login": Record({"user": LINE, "groups": Each(LINE, 1000), "port": Number()}),
    "owner": OneOf((Names(WORD, Nothing(), 0), OWNER)),
    "people": Each(Text(32, "[a-z_][a-z0-9_-]*"), 1000),
    "homes": Names(LINE, LINE, 100_000), "packages": Names(PACKAGE, VERSION, 100_000),
    "candidates": Names(PACKAGE, VERSION, 1000), "stack": Record({}, {"listing": Text(32 << 20), "updated": WORD}),
})  # fmt: skip
#: What `check_obstacles` finds
OBSTACLES = Each(Record({"what": LINE, "fix": LINE}), 100)
STACK = Record({"versions": Names(PACKAGE, VERSION, 100_000), "architecture": WORD, "updated": WORD})
SINCE = Number(0, 2.0**35)
HOLDER = Record({}, {"since": SINCE, "who": LINE, "verb": NAME, "environment": NAME, "message": WORDS})
ENGINE = Record({"version": Text(40, r"[\d.]+")}, {"since": SINCE, "who": LINE, "verb": NAME})
LIVE = Record({}, {"release": RELEASE, "label": LINE})
LEDGER_STATE = Record(
    {
        "live": Record({}, {"release": RELEASE, "label": LINE}),
        "lines": Each(Record({}), 1_000_000),
        "kept": Each(RELEASE),
    },
    {"frozen": HOLDER, "maintenance": HOLDER, "holder": HOLDER, "dirty": Each(Text(), 600_000)},
)
#: What the program says that holds the lock
NEWS = Record({}, {
    "now": SINCE, "began": SINCE, "held": Boolean(), "machine": LINE, "waiting": HOLDER, "busy": HOLDER,
    "frozen": HOLDER, "newer": ENGINE, "ended": Number(-1000, 1000), "said": Text(100_000),
})  # fmt: skip


def checked(shape: Shape, answer: Any, host: str) -> Any:
    """Return what a host said; raises AnswerError where it has another shape."""
    try:
        plain(answer)
        shape.check(answer)
    except ShapeError as wrong:
        raise AnswerError(host, wrong) from None
    return answer


def has_shape(shape: Shape, answer: Any) -> bool:
    """Return whether a part of an answer has a shape; what has not may be left out."""
    try:
        shape.check(answer)
    except ShapeError:
        return False
    return True


def whole_lines(lines: Any) -> list[Mapping[str, Any]]:
    """Return the lines of a ledger that are such, whoever wrote into it."""
    return [line for line in lines if has_shape(LEDGER_LINE, line)]
