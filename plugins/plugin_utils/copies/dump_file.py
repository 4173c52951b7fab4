"""Somebody's own file with a database: what it is, by how it begins, and how to read it."""

from __future__ import annotations

import bz2
import gzip
from typing import IO, TYPE_CHECKING, cast

from ..errors import SamestackError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: How compressed files begin, and what reads them
PACKED: dict[bytes, Callable[[Path], IO[bytes]]] = {
    b"\x1f\x8b": lambda path: cast("IO[bytes]", gzip.GzipFile(path)),
    b"BZh": lambda path: cast("IO[bytes]", bz2.BZ2File(path)),
}
TAR_AT, TAR = 257, b"ustar"
LOOKED_AT = 4096
#: How files begin that are something else, and what to do with them
OTHERS = (
    (b"SQLite format 3", "a database of SQLite", "https://pgloader.io copies it into a PostgreSQL of yours: dump that"),
    (b"-- MySQL dump", "a dump of MySQL", "https://pgloader.io copies MySQL into a PostgreSQL of yours: dump that"),
    (b"-- MariaDB dump", "a dump of MariaDB", "https://pgloader.io copies it into a PostgreSQL of yours: dump that"),
    (b"/*M!999999", "a dump of MariaDB", "https://pgloader.io copies it into a PostgreSQL of yours: dump that"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "Unpack it first: `unzstd`"),
    (b"\xfd7zXZ", "packed with xz", "Unpack it first: `unxz`"),
    (b"PK\x03\x04", "a ZIP file", "Unpack it first: `unzip`"),
    (b"[", "what `dumpdata` writes", "Load it with Django: `./samestack manage dev -- loaddata --format=json -`"),
)  # fmt: skip


def opened(path: Path) -> IO[bytes]:
    """Return the file unpacked, at its beginning; raises SamestackError for what is no dump of PostgreSQL."""
    try:
        if path.is_dir():
            raise SamestackError(f"{path} is a folder.", "Dump into a file: `pg_dump --format=custom --file=FILE`.")
        with path.open("rb") as file:
            begin = file.read(LOOKED_AT)
        reader = next((reader for mark, reader in PACKED.items() if begin.startswith(mark)), None)
        if reader is None:
            check(path, begin)
            return path.open("rb")
        with reader(path) as packed:
            check(path, packed.read(LOOKED_AT))
        return reader(path)
    except OSError as error:
        raise SamestackError(f"{path}: {error.strerror or error}.") from error
    except EOFError as error:
        raise SamestackError(f"{path} cannot be unpacked: {error}.") from error


def check(path: Path, begin: bytes) -> None:
    """Raise SamestackError for what is no dump of PostgreSQL's, with what else to do with it."""
    if begin.startswith(b"PGDMP") or begin[TAR_AT : TAR_AT + len(TAR)] == TAR:
        return
    for mark, what, fix in OTHERS:
        if begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(mark):
            raise SamestackError(f"{path} is {what}, and no dump of PostgreSQL.", fix)
    if not begin.strip():
        raise SamestackError(f"{path} is empty.")
    if b"\0" in begin:
        raise SamestackError(
            f"{path} is no dump of PostgreSQL: neither SQL nor what pg_dump writes.",
            "Dump it again: `pg_dump --format=custom --file=FILE`.",
        )
