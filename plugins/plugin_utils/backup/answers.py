"""What hosts may answer about backups. Pure; the control node uses it."""

from __future__ import annotations

from ..answers import Boolean, Each, Names, Nothing, Number, OneOf, Record, Text

NAME, WORDS = Text(200), Text(4000)
LABEL = Text(64, r"[0-9A-Za-z_-]*")
SEGMENT = Text(24, r"[0-9A-F]*")
BACKUP = Record({
    "label": LABEL, "kind": NAME, "start": Number(), "stop": Number(), "size": Number(), "stored": Number(),
    "rotten": Boolean(),
})  # fmt: skip
REPOSITORY = Record({
    "name": NAME, "type": NAME, "off_machine": Boolean(), "trouble": WORDS, "backups": Each(BACKUP), "since": Number(),
    "until": Number(), "newest": SEGMENT, "holes": Each(SEGMENT, 1_000_000), "given_up": Each(SEGMENT, 1_000_000),
    "useless": Each(LABEL), "bytes": Number(), "damaged": Each(WORDS, 1_000_000),
})  # fmt: skip
RUN = Record({"time": Number(), "kind": NAME, "ok": Boolean(), "reason": WORDS})
DRILL = Record({}, {
    "time": Number(), "ok": Boolean(), "reason": WORDS, "seconds": Number(), "bytes": Number(), "label": LABEL,
    "repository": NAME, "until": Number(), "tables": Number(), "application": WORDS, "steps": Names(NAME, Number(), 20),
})  # fmt: skip
MOMENT = Record({"time": Number(), "kind": NAME, "release": NAME}, {
    "label": LABEL, "seconds": Number(), "uploads": Record({}, {"files": Number(), "bytes": Number()}),
    "made": Each(Record({"repository": NAME, "label": LABEL, "kind": NAME, "size": Number(), "stored": Number(),
                         "start": Number(), "stop": Number()})),
})  # fmt: skip
STATUS = Record({
    "time": Number(), "does": Each(NAME), "loss": Number(), "limit": Number(), "repositories": Each(REPOSITORY, 10),
    "server": Record({}), "checksums": OneOf((Nothing(), Boolean())), "last": Record({}, {"last": RUN}),
    "timers": Names(NAME, Boolean(), 100),
    "dropped": OneOf((Nothing(), Record({"time": Number(), "first": NAME}))), "disk": Names(WORDS, Number(), 100),
    "uploads": Each(Record({"name": NAME, "off_machine": Boolean(), "trouble": WORDS, "copies": Number()},
                           {"newest": Number()}), 10),
    "fetch": Record({}, {"time": Number(), "looked": Number(), "since": Number(), "trouble": WORDS}),
    "fetches": Record({}, {"address": NAME}), "drill": DRILL,
    "expired": Names(NAME, Record({"time": Number(), "reason": WORDS, "denied": Boolean()}), 20),
    "nightly": Record({}, {"time": Number(), "reason": WORDS}), "moments": Each(MOMENT),
})  # fmt: skip
#: Where a restore leads the database, and the files and the code
PLAN = Record({
    "kind": NAME, "time": Number(), "words": NAME, "release": NAME, "backup": LABEL, "lost": Number(), "size": Number(),
    "until": Number(), "now": Number(),
}, {"asks": WORDS, "mends": Boolean(), "files": Number(), "bytes": Number()})  # fmt: skip
FILES = Record({
    "snapshot": NAME, "moment": Number(), "live": NAME, "release": NAME, "wanted": NAME, "there": Boolean(),
    "code": NAME,
})  # fmt: skip
