"""What a host may answer when it is asked how it is. Pure; the control node uses it."""

from __future__ import annotations

from ..answers import Boolean, Each, Names, Nothing, Number, OneOf, Record, Text

NAME, WORDS = Text(200), Text(4000)
FINDING = Record({
    "key": Text(500), "level": Text(6, "red|yellow|note"), "text": WORDS, "mend": WORDS, "since": Number(),
    "tells": Boolean(), "unit": NAME,
})  # fmt: skip
SECTION = Record({"name": Text(20, "[a-z]+"), "words": WORDS, "findings": Each(FINDING, 200)})
#: One of each minute or quarter of an hour; there may be none
COLUMN = Each(OneOf((Number(), Nothing())), 2000)
MARK = Record({"time": Number(), "verb": Text(20), "result": Text(20), "release": NAME})
#: Facts are for programs: they are printed as JSON, and nothing else is made of them.
STATUS = Record({
    "version": Number(), "time": Number(), "host": NAME, "looked": Number(), "held": WORDS,
    "told": Names(NAME, Number(), 100), "sections": Each(SECTION, 50), "facts": Record({}),
}, may={"series": Names(Text(20), Names(Text(20), COLUMN, 20), 5), "marks": Each(MARK, 500)})  # fmt: skip
