"""SQL that mends a difference, as it is typed. Pure."""

from __future__ import annotations

import re

#: Rights as the record has them: who=RIGHT,RIGHT; a star where they may be given on
GRANT = re.compile(r"(without )?([^\s,=]+)=([A-Z]+\*?(?:,[A-Z]+\*?)*)(?=[\s,]|$)")


def full_name(text: str) -> str:
    """Return a name of a record, its parts quoted; a function's arguments stay as they are."""
    name, bracket, arguments = text.partition("(")
    return ".".join(identifier(part) for part in name.split(".")) + bracket + arguments


def identifier(text: str) -> str:
    """Return an SQL identifier; quoted, because any may be a keyword."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return an SQL string constant."""
    quoted = text.replace("'", "''")
    return f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{quoted}'"


def rights(text: str) -> set[tuple[str, str, str]]:
    """Return (without or nothing, who, right) of a recorded value."""
    return {
        (bool(less) * "without", who, right) for less, who, names in GRANT.findall(text) for right in names.split(",")
    }


def grants(what: str, now: str, wanted: str) -> list[str]:
    """Return the statements that make the rights of one value those of another."""
    there, due = rights(now), rights(wanted)
    changes: dict[tuple[str, str], list[str]] = {}
    for less, who, right in sorted(there - due):
        changes.setdefault(("GRANT" if less else "REVOKE", who), []).append(right)
    for less, who, right in sorted(due - there):
        changes.setdefault(("REVOKE" if less else "GRANT", who), []).append(right)
    return [statement(verb, names, what, who) for (verb, who), names in sorted(changes.items(), reverse=True)]


def statement(verb: str, names: list[str], what: str, who: str) -> str:
    """Return one GRANT or REVOKE; a star says that the right may be given on."""
    listed = ", ".join(dict.fromkeys(name.rstrip("*") for name in names))
    role = "PUBLIC" if who == "PUBLIC" else identifier(who)
    more = " WITH GRANT OPTION" if verb == "GRANT" and any(name.endswith("*") for name in names) else ""
    return f"{verb} {listed} ON {what} {'TO' if verb == 'GRANT' else 'FROM'} {role}{more}"
