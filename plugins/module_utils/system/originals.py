"""What a rule of hardening replaces is kept once, so that whoever waives the rule has it back.

`/var/lib/samestack/originals/`: for each path `<path, quoted>.json` with the state before, and its content beside it;
for root alone.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..common.files import read_json, write_atomic
from ..common.folders import PRIVATE, make_folder, open_folder, remove
from ..common.paths import STATE
from .undo import LISTS, entry_of, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FOLDER = f"{STATE}/originals"


def record_of(path: str) -> str:
    """Return the file that knows what was at a path."""
    return os.path.join(FOLDER, quote(path, safe="") + ".json")


def keep(entries: Iterable[Mapping[str, Any]]) -> None:
    """Keep what is at the paths of those entries that ask for it; what is known already stays."""
    for entry in entries:
        record = record_of(entry["path"])
        if not entry.get("keep_original") or os.path.exists(record):
            continue
        make_folder(FOLDER, PRIVATE).close()
        with open_folder(FOLDER) as folder:
            copy = quote(entry["path"], safe="")
            state = state_of(entry["path"], folder, copy, content=entry["state"] != "attributes")
        write_atomic(record, json.dumps({"path": entry["path"], "secret": entry["secret"], **state}), 0o600)


def resolved(entries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the entries, with what was kept in place of the state `original`; where nothing is, nothing happens."""
    for entry in entries:
        if entry["state"] != "original":
            yield entry
        elif known := read_json(record_of(entry["path"])):
            yield {**entry_of({**known, **{key: entry[key] for key in LISTS}}, FOLDER), "original": True}


def forget(entries: Iterable[Mapping[str, Any]]) -> None:
    """Forget what is back: what a package makes of the file from now on is nobody's concern here."""
    for entry in entries:
        if entry.get("original"):
            record = record_of(entry["path"])
            remove(record.removesuffix(".json"))
            remove(record)
