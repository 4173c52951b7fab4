"""What hosts may answer about copies. Pure; the control node uses it."""

from __future__ import annotations

from ..answers import Each, Names, Number, Record, Text
from ..release.answers import DIGEST

#: A model's label, a field, a column: words of Django's and names that PostgreSQL takes
LABEL = Text(200, r"[\w.$ -]+")
MODELS = Names(LABEL, Record({
    "label": LABEL, "fields": Names(LABEL, LABEL, 2000), "kinds": Names(LABEL, Each(LABEL, 50), 2000),
    "choices": Each(LABEL, 2000),
}), 20_000)  # fmt: skip
ASKED = Record({"models": MODELS, "passwords": Names(LABEL, Each(LABEL, 50), 1000)})
#: What to write of a column: it becomes a line of a file
ENTRIES = Each(Record({
    "table": LABEL, "column": LABEL, "type": Text(200), "statement": Text(60, r"[a-z -]*|\{[a-z ]+: [\w ]+\}"),
    "note": Text(120, r"[\w ,.':`{}…()-]*"),
}), 50_000)  # fmt: skip
#: What was proven of a copy
ABOUT = Record({
    "rows": Number(), "columns": Number(), "compared": Number(), "common": Number(), "bytes": Number(),
    "objects": Number(), "empty": Each(Text(300), 20_000),
})  # fmt: skip
MADE = Record({"sha256": DIGEST, "copy": ABOUT})
