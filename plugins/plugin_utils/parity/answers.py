"""What a host may answer about itself: manifests and their history. Pure; the control node uses it."""

from __future__ import annotations

from ..answers import Boolean, Each, Names, Nothing, Number, OneOf, Record, Text

#: UTC, and the name of a file
TIME = Text(20, r"[12]\d{3}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ")
DIGEST = Text(64, "[0-9a-f]{12,64}")
WORD = Text(40, "[a-z][a-z0-9 _-]*")
PERSON = Text(400)
#: A key of a section is any text, and its value a scalar or a list of texts; what is shown of it is printable then.
KEY, WHY = Text(4096), Text(4096)
SCALAR = OneOf((Nothing(), Boolean(), Number(-(2.0**63)), Text(1 << 18)))
VALUE = OneOf((SCALAR, Each(OneOf((Nothing(), Boolean(), Number(-(2.0**63)), Text(1 << 16))), 200_000)))
MANIFEST = Record(
    {"schema": Number(), "sections": Names(WORD, Names(KEY, VALUE, 200_000), 200)},
    {"missing": Names(KEY, WHY), "not here": Each(WORD)},
)
ABOUT = {"cause": WORD, "run": Text(200), "who": PERSON, "time": TIME, "digest": DIGEST}
RECORDING = Record({}, ABOUT)
BASELINE = Record({"manifest": MANIFEST}, ABOUT)
CHANGE = Record({
    "section": WORD, "key": KEY, "before": VALUE, "after": VALUE, "by": OneOf((Nothing(), WHY)),
    "when": OneOf((Nothing(), WHY)), "seen": OneOf((Nothing(), WHY)), "recorded": OneOf((Nothing(), WHY)),
})  # fmt: skip
#: What the module `manifest` returns
FOUND = Record(
    {"manifest": MANIFEST, "digest": DIGEST, "time": TIME},
    {**ABOUT, "baseline": BASELINE, "history": Each(RECORDING, 1000), "drift": Each(CHANGE, 100_000)},
)
