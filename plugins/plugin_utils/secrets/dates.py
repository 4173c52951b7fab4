"""Since when each secret of an environment has its value: a file beside the encrypted one, in git, without a secret.

Whoever has no password of an environment can see there what it has, and how old it is.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import yaml

from ..files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

HEAD = """\
---
# What secrets there are, and since when each has its value (`_previous`: until when it is accepted). None is in here.
# Written by `./samestack secrets` and `rotate`; commit it with the file that it is about.
"""


def today() -> datetime.date:
    """Return the date, everywhere the same."""
    return datetime.datetime.now(datetime.UTC).date()


def dates_file(path: Path) -> Path:
    """Return the file with the dates of a file of secrets."""
    return path.with_name(f"{path.stem}.dates.yml")


def read(path: Path) -> dict[str, datetime.date | None]:
    """Return the date of each secret in the file at `path`, None where nobody kept it.

    Raises ValueError where the dates cannot be understood.
    """
    file = dates_file(path)
    try:
        found = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file.exists() else {}
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict) or any(type(date) not in (datetime.date, type(None)) for date in found.values()):
        raise ValueError(f"has dates ({file.name}) that are no lines of `name: year-month-day`")
    return {str(name): date for name, date in found.items()}


def write(path: Path, names: Iterable[str], changed: Mapping[str, datetime.date]) -> None:
    """Note which secrets the file at `path` has, and the date of those that changed."""
    known = {**read(path), **changed}
    lines = [f"{name}: {known[name]}\n" if known.get(name) else f"{name}:\n" for name in sorted(names)]
    text, file = HEAD + "".join(lines), dates_file(path)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_whole(file, text)
