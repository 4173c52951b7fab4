"""A dump in plain SQL, as psql is to read it here: without its owners, its roles, and any command of psql's own.

What a dump says of roles is another server's business. What begins with a backslash outside of a text is a command
that psql runs with the rights of whoever runs psql: none is let through. The text is read as PostgreSQL reads it (its
manual, "Lexical Structure"), so that neither is looked for inside of a text, a comment, a function's body, or rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..common.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Statements that are about roles, the whole server, or what an older server does not know
NOISE = re.compile(
    r"(?:GRANT|REVOKE|CREATE\s+(?:ROLE|USER|GROUP|DATABASE|TABLESPACE|PUBLICATION|SUBSCRIPTION|EVENT\s+TRIGGER)"
    r"|ALTER\s+(?:ROLE|USER|GROUP|DATABASE|DEFAULT\s+PRIVILEGES|PUBLICATION|SUBSCRIPTION|EVENT\s+TRIGGER|SYSTEM)"
    r"|DROP\s+(?:ROLE|USER|GROUP|DATABASE|TABLESPACE|SCHEMA\s+(?:IF\s+EXISTS\s+)?public\b)"
    r"|CREATE\s+SCHEMA\s+(?:IF\s+NOT\s+EXISTS\s+)?public\b|COMMENT\s+ON\s+(?:EXTENSION|DATABASE|SCHEMA\s+public)\b"
    r"|ALTER\s+[^;']*\sOWNER\s+TO\s|SECURITY\s+LABEL|REASSIGN\s+OWNED"
    r"|SET\s+(?:SESSION\s+AUTHORIZATION|(?:SESSION\s+|LOCAL\s+)?ROLE|transaction_timeout|default_tablespace"
    r"|default_table_access_method|default_with_oids|default_toast_compression)\b|RESET\s+(?:SESSION\s+AUTHORIZATION|ROLE)\b)",
    re.IGNORECASE,
)
#: Before there is anything in the database, there is nothing to be dropped.
DROPPING = re.compile(r"DROP\s|ALTER\s+[^;']*\sDROP\s", re.IGNORECASE)
MAKING = re.compile(r"CREATE\s+(?!SCHEMA|EXTENSION)|INSERT\s|COPY\s", re.IGNORECASE)
#: What opens a part of the text in which nothing is looked for, or ends a statement
MARK = re.compile(r"--[^\n]*|/\*|\*/|'|\"|\$(?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$|;|\\", re.ASCII)
COPY_IN = re.compile(r"\s*COPY\s[^;]*\sFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)
#: Commands of psql's that pg_dump writes: nothing is lost without them
HARMLESS = re.compile(r"\\(?:restrict|unrestrict)\s")
CONNECT = re.compile(r"\\(?:c|connect)\s+(?:-reuse-previous=\w+\s+)?(\S+)")
#: In these a backslash may be half of a letter.
ENCODINGS = re.compile(
    r"SET\s+client_encoding\s*(?:=|TO)\s*'?(SJIS|SHIFT\w*|BIG5|GBK|UHC|GB18030|JOHAB)", re.IGNORECASE
)
OLD_STRINGS = re.compile(r"SET\s+standard_conforming_strings\s*(?:=|TO)\s*'?(off|false|0|no)", re.IGNORECASE)
#: The rest of a text in which a backslash takes the next letter along
ESCAPED = re.compile(r"(?:[^'\\]|\\.|'')*'(?!')", re.DOTALL)
LONGEST = 64 << 20


class Lexer:
    """Reads lines, and gives back those that psql may have."""

    def __init__(self) -> None:
        """Begin at the beginning."""
        self.line = 0
        self.databases: set[str] = set()
        self.made = False
        self._statement: list[str] = []
        self._size = 0
        # What the text is inside of: "" for nothing, else how that ends; comments may hold comments.
        self._inside, self._depth, self._escapes = "", 0, False

    def read(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield what psql may have; raises HostError, which names the line, for what it may not."""
        rows = False
        for line in lines:
            self.line += 1
            if rows:
                yield line
                rows = line.rstrip("\r\n") != "\\."
                continue
            for done in self._read_line(line):
                yield done
                rows = rows or bool(COPY_IN.match(uncommented(done)))
            if rows:
                # Rows begin in the next line.
                yield self._flush()
        yield self._flush()

    def _read_line(self, line: str) -> Iterator[str]:
        """Yield the statements that end in a line."""
        at = start = 0
        while True:
            if self._inside:
                at = self._leave(line, at)
                if self._inside:
                    break
                continue
            found = MARK.search(line, at)
            if not found:
                break
            mark, at = found[0], found.end()
            if mark == ";":
                self._keep(line[start:at])
                start = at
                yield self._flush()
            elif mark == "\\":
                self._keep(line[start : found.start()])
                self._command(line[found.start() :].strip())
                return
            elif not mark.startswith("--"):
                self._enter(mark, line, found.start())
        self._keep(line[start:])

    def _enter(self, mark: str, line: str, at: int) -> None:
        """Go into a text, a name or a comment."""
        if mark == "*/":
            return
        before = line[at - 1 : at]
        if mark.startswith("$") and (before.isalnum() or before in "_$") and before:
            # A part of a name, such as a$b$
            return
        self._inside = {"/*": "*/"}.get(mark, mark)
        self._depth = 1
        # E'…' alone knows backslashes.
        name = line[at - 2 : at - 1]
        self._escapes = mark == "'" and before in ("e", "E") and not (name.isalnum() or name == "_")

    def _leave(self, line: str, at: int) -> int:
        """Return the place behind what the text is inside of, or the line's end."""
        if self._inside == "*/":
            for found in re.finditer(r"/\*|\*/", line[at:]):
                self._depth += 1 if found[0] == "/*" else -1
                if not self._depth:
                    self._inside = ""
                    return at + found.end()
            return len(line)
        if self._escapes:
            closed = ESCAPED.match(line, at)
            end = closed.end() if closed else -1
        else:
            place = line.find(self._inside, at)
            end = place + len(self._inside) if place >= 0 else -1
        if end < 0:
            return len(line)
        # A doubled quote ends one text and begins the next: nothing is between.
        self._inside = ""
        return end

    def _keep(self, text: str) -> None:
        self._statement.append(text)
        self._size += len(text)
        if self._size > LONGEST:
            raise HostError(f"Line {self.line}: a statement of more than {LONGEST >> 20} MiB is none of a dump's.")

    def _flush(self) -> str:
        """Return the statement that has ended, without it where it is not for this server."""
        text, self._statement, self._size = "".join(self._statement), [], 0
        bare = uncommented(text)
        if OLD_STRINGS.match(bare) or ENCODINGS.match(bare):
            raise HostError(
                f"Line {self.line}: {bare.strip()[:60]} lets a text be read in two ways.",
                "Dump it again with a newer pg_dump: `pg_dump --encoding=UTF8 --format=custom`",
            )
        self.made = self.made or bool(MAKING.match(bare))
        if NOISE.match(bare) or (not self.made and DROPPING.match(bare)):
            return "\n" * text.count("\n")
        return text

    def _command(self, text: str) -> None:
        """Pass over a command of psql's that a dump may have; raises HostError for others."""
        if HARMLESS.match(text + " "):
            self._keep("\n")
            return
        if connects := CONNECT.match(text):
            self.databases.add(connects[1].strip('"'))
            if len(self.databases - {"postgres", "template1"}) > 1:
                names = ", ".join(sorted(self.databases))
                raise HostError(
                    f"Line {self.line}: this is a dump of several databases ({names}).",
                    "Dump the one that is meant: `pg_dump --format=custom <name>`",
                )
            self._keep("\n")
            return
        raise HostError(
            f"Line {self.line}: {text[:40]} is a command of psql's, and none is run of a file.",
            "Take the line away, or dump with `pg_dump --format=custom`.",
        )


def uncommented(text: str) -> str:
    """Return a statement without the blanks and comments before it."""
    while True:
        text = text.lstrip()
        if text.startswith("--"):
            text = text.partition("\n")[2]
        elif text.startswith("/*") and "*/" in text:
            text = text.partition("*/")[2]
        else:
            return text
