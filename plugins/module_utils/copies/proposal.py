"""What to write in sanitise.yml of what is not declared yet: guessed by a field's class and by its name.

A guess is marked as one. What nobody can guess gets the statement that shows least, and is marked to be looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import statements
from .catalogue import TEXT
from .statements import CONSTANT, EMPTY, HASH, KEEP, MAIL, NAME, NULL, PHONE, SHIFT, URL, Statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .catalogue import Catalogue, Column
    from .resolution import Resolution

LOOK_AT = "check"
GUESSED = "guessed by its name"
#: Class of a field to what it becomes
CLASSES = {"EmailField": MAIL, "FileField": EMPTY, "ImageField": EMPTY, "FilePathField": EMPTY, "URLField": URL}
#: What the parts of a column's name say
NAMES = (
    (r"e?mails?|email_?address", MAIL),
    (r"phones?|mobile|fax|tel|telephone|telefon|handy", PHONE),
    (r"urls?|website|homepage|link", URL),
    (r"(first|last|full|middle|nick|sur|family|given|maiden|display|contact)_?names?|surname|author", NAME),
    (r"vorname|nachname|prenom|nom|cognome", NAME),
    (r"user_?name|login|nick|handle", HASH),
    (r"password|passwd|secret|token|salt|api_?key|private_?key|session", EMPTY),
    (r"ip|ip_?address|remote_?addr|user_?agent|referer", EMPTY),
)
BORN = r"birth|birthday|birth_?date|date_?of_?birth|dob|geburtstag|geburtsdatum|died|death_?date"
PLACE = r"lat|lng|lon|latitude|longitude"
NUMBERED = r"phones?|mobile|fax|tel|ssn|iban|tax_?(id|number)|passport|social_?security.*|vat_?(id|number)"
SHIFTED = 30


def proposals(found: Resolution, there: Catalogue, models: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield what to write of what is undeclared, and of what looks like a person's: table, column, statement, note.

    `models` tells by table the classes of the fields (`kinds`) and which have `choices`, by column.
    """
    # What points at another column becomes what that becomes.
    pointing = {(key.table, mine) for key in there.keys for mine, _theirs in key.columns}
    for _label, table, column in found.undeclared:
        if (table, column.name) in pointing:
            continue
        model = models.get(table) or models.get(there.tables[table].bare) or {}
        kinds = model.get("kinds", {}).get(column.name, [])
        statement, note = guess(column, kinds, chosen=column.name in model.get("choices", []))
        yield entry(table, column, statement, note)
    for owner, column in there.columns():
        changes = found.changes.get(owner.name)
        if changes is not None and column.harmless and not column.generated and column.name not in changes:
            statement, note = harmless(column)
            if statement:
                yield entry(owner.name, column, statement, note)


def entry(table: str, column: Column, statement: Statement | None, note: str) -> dict[str, str]:
    """Return a proposal as plain data."""
    words = statement.words if statement else ""
    return {"table": table, "column": column.name, "type": column.type, "statement": words, "note": note}


def guess(column: Column, kinds: Iterable[str], *, chosen: bool) -> tuple[Statement | None, str]:
    """Return a statement that fits the column, None where there is none, and what is to be known of it."""
    if chosen:
        return Statement(KEEP), "one of the model's choices"
    for kind in kinds:
        if kind in CLASSES and (one := fitting(column, [CLASSES[kind], HASH, NULL])):
            return one, "no file comes along, but those of `uploads`" if one.kind == EMPTY else ""
    for pattern, kind in NAMES:
        if is_named(column, pattern) and (one := fitting(column, [kind, HASH, EMPTY, NULL])):
            return one, GUESSED
    is_text = column.base in TEXT and not column.listed
    if one := fitting(column, [HASH, EMPTY, NULL] if is_text else [EMPTY, NULL, HASH]):
        return one, LOOK_AT
    return None, f"{LOOK_AT}: write {{constant: …}} or keep"


def harmless(column: Column) -> tuple[Statement | None, str]:
    """Return a statement for a number or a date whose name says that it is a person's, None for others."""
    if is_named(column, BORN) and column.base in statements.DATES:
        return Statement(SHIFT, SHIFTED), GUESSED
    if is_named(column, NUMBERED):
        return fitting(column, [HASH, NULL]), GUESSED
    if is_named(column, PLACE) and column.base in ("float4", "float8", "numeric"):
        return Statement(CONSTANT, "0") if column.required else Statement(NULL), GUESSED
    return None, ""


def is_named(column: Column, pattern: str) -> bool:
    """Return whether a column's name, or what is between its underscores, is what a pattern describes."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.name).lower()
    return bool(re.search(rf"(?:^|_)(?:{pattern})(?:_|\d*$)", name))


def fitting(column: Column, kinds: Iterable[str]) -> Statement | None:
    """Return the first of some statements that fits a column."""
    for kind in kinds:
        statement = Statement(kind)
        if not statements.problem(statement, column):
            return statement
    return None
