"""What is secret, and texts without it, however a program wrote it down. Hosts and the control node use it."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote

from .paths import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


HIDDEN = "(hidden)"
# A name that says that its value is secret ...
SECRET_NAME = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secret|token|credential|signature|private)s?($|[^a-z])|(^|[^a-z])(api_?|access_?|"
    r"encryption_?|signing_?)?keys?$|(^|_)dsn$|requirepass|masterauth"
)
# ... and names that only sound so
HARMLESS_NAME = re.compile(
    r"(?i)key_?(prefix|function)|password_(validators|hashers|reset|change)|csrf_(cookie|header)|token_(name|type)|"
    r"timeout|expir|_age$|_url_names?$|_(file|path|dir|model|backend|class|length|size)s?$|^private_tmp$"
)
URL_PASSWORD = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/@:]*:)(?P<password>[^\s/@]+)(?=@)", re.IGNORECASE)
# What is shorter stands in texts by chance; of base64, which has fewer bits a letter, more is needed.
SHORTEST, SHORTEST_BASE64 = 6, 10
# As much of what a program printed is looked through, the end of it.
LONGEST_TEXT = 1 << 20
# How programs write a letter otherwise (percent signs may have been quoted again, too) …
ENCODED = (
    r"%(?:25)*(?P<percent>[0-9A-Fa-f]{2})|\\x(?P<byte>[0-9A-Fa-f]{2})|\\u(?P<short>[0-9A-Fa-f]{4})"
    r"|&#(?P<decimal>\d{2,5});|&#x(?P<hex>[0-9A-Fa-f]{2,4});|&(?P<name>amp|lt|gt|quot|apos);"
)
# … and what they put between two when a line is full: blanks, quotes, a colour, the frame of a box
BETWEEN = r"""(?:\x1b\[[0-9;]*m|b(?=['"])|[\s'"`\\|│,])+"""
TOKEN = re.compile(f"{ENCODED}|{BETWEEN}")
NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def is_secret_name(name: str) -> bool:
    """Return whether a variable's name says that its value is secret."""
    return bool(SECRET_NAME.search(name)) and not HARMLESS_NAME.search(name)


def passwords(text: str) -> Iterator[str]:
    """Yield the passwords in the URLs of a text, as they are written and as they are meant."""
    for found in URL_PASSWORD.finditer(text):
        yield from {found["password"], unquote(found["password"])}


def assignments(text: str) -> dict[str, str]:
    """Return the variables of an environment file as systemd.exec(5) reads it; the last mention counts."""
    found: dict[str, str] = {}
    while text:
        line = re.match(r"[ \t]*(?:[#;][^\n]*)?\n", text)
        if line:
            text = text[line.end() :]
            continue
        one = re.match(r'[ \t]*(\w+)=(?:"((?:\\.|[^"\\])*)"|\'([^\']*)\'|([^\n]*))[ \t]*\n?', text, re.DOTALL)
        if not one:
            text = text.partition("\n")[2]
            continue
        name, double, single, bare = one.groups()
        value = re.sub(r'\\(["\\`$])', r"\1", double) if double is not None else single
        found[name] = value if value is not None else bare.strip()
        text = text[one.end() :]
    return found


def letter(found: re.Match[str]) -> str:
    """Return what a token stands for; "" for what only stands between."""
    for name, base in (("percent", 16), ("byte", 16), ("short", 16), ("decimal", 10), ("hex", 16)):
        if found[name]:
            number = int(found[name], base)
            # A quote or a blank that was encoded is as little as one that was not.
            plain = chr(number)
            return "" if re.fullmatch(BETWEEN, plain) else plain
    plain = NAMED.get(found["name"] or "", "")
    return "" if not plain or re.fullmatch(BETWEEN, plain) else plain


class Folded:
    """A text in which each letter is written in one way, and nothing stands between two that only fills a line."""

    def __init__(self, text: str) -> None:
        """Take the text."""
        pieces: list[str] = []
        # (place in the folded text, place in the text) of each piece
        self._starts: list[tuple[int, int]] = []
        size = end = 0

        def add(piece: str, at: int) -> None:
            nonlocal size
            if piece:
                self._starts.append((size, at))
                pieces.append(piece)
                size += len(piece)

        for found in TOKEN.finditer(text):
            add(text[end : found.start()], end)
            add(letter(found), found.start())
            end = found.end()
        add(text[end:], end)
        self._starts.append((size, len(text)))
        self.text = "".join(pieces)

    def spans(self, needle: str) -> Iterator[tuple[int, int]]:
        """Yield where a folded needle stands in the text itself: (first letter, behind the last)."""
        at = self.text.find(needle)
        while at >= 0:
            yield self._origin(at), self._behind(at + len(needle) - 1)
            at = self.text.find(needle, at + 1)

    def _piece(self, at: int) -> int:
        low, high = 0, len(self._starts) - 1
        while low < high - 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._starts[middle][0] <= at else (low, middle)
        return low

    def _origin(self, at: int) -> int:
        start, origin = self._starts[self._piece(at)]
        return origin + at - start

    def _behind(self, at: int) -> int:
        """Return the place behind a letter: a token is gone with all of it."""
        number = self._piece(at)
        (start, origin), (following, following_origin) = self._starts[number : number + 2]
        return following_origin if at == following - 1 and following - start == 1 else origin + at - start + 1


def in_base64(value: bytes) -> Iterator[str]:
    """Yield the letters that stand for a value wherever it lies in what is encoded."""
    for before in range(3):
        bits = (before + len(value)) * 8
        text = base64.b64encode(b"\0" * before + value).decode()[-(-before * 8 // 6) : bits // 6]
        if len(text) >= SHORTEST_BASE64:
            yield from {text, text.translate(str.maketrans("+/", "-_"))}


class Secrets:
    """The secrets that are known here, in all the forms in which programs write them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.values: set[str] = set()
        self._needles: set[str] = set()

    def learn(self, value: str) -> None:
        """Take a secret; of several lines each is one of its own. What is shorter than SHORTEST is none."""
        lines = [line.strip() for line in value.splitlines()]
        for text in {value, *(line for line in lines if "-----" not in line and len(lines) > 1)}:
            if len(text.strip()) < SHORTEST or text in self.values:
                continue
            self.values.add(text)
            raw = text.encode("utf-8", "surrogateescape")
            forms = [
                text,
                quote(raw, safe=""),
                quote_plus(raw),
                json.dumps(text),
                repr(text),
                raw.hex(),
                raw.hex().upper(),
            ]
            folded = {Folded(form.strip()).text for form in [*forms, *in_base64(raw)]}
            self._needles |= {needle for needle in folded if len(needle) >= SHORTEST}

    def learn_variables(self, variables: Mapping[str, Any], declared: Iterable[str] = ()) -> None:
        """Take what is secret of variables: what is declared or named so, and the passwords in URLs."""
        known = set(declared)
        for name, value in variables.items():
            if not isinstance(value, str):
                continue
            for password in passwords(value):
                self.learn(password)
            if name in known or is_secret_name(name):
                self.learn(value)

    def masked(self, text: str) -> str:
        """Return a text without them, and without the passwords of its URLs."""
        for value in sorted(self.values, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        folded = Folded(text) if self._needles else None
        spans = sorted(span for needle in self._needles for span in folded.spans(needle)) if folded else []
        parts, end = [], 0
        for start, stop in spans:
            if start >= end:
                parts += [text[end:start], HIDDEN]
            end = max(end, stop)
        text = "".join([*parts, text[end:]])
        return URL_PASSWORD.sub(lambda found: found["before"] + HIDDEN, text)

    def masked_end(self, text: str) -> str:
        """Return the end of what a program printed, without them."""
        if len(text) > LONGEST_TEXT:
            text = text[-LONGEST_TEXT:].partition("\n")[2] or text[-LONGEST_TEXT:]
        return self.masked(text)

    def masked_data(self, value: Any) -> Any:
        """Return plain data without them."""
        if isinstance(value, str):
            return self.masked(value)
        if isinstance(value, dict):
            return {name: self.masked_data(item) for name, item in value.items()}
        return [self.masked_data(item) for item in value] if isinstance(value, (list, tuple)) else value


#: Those of this process: what it says to anybody goes by them.
KNOWN = Secrets()


def learn_environment(path: str) -> None:
    """Take the secrets of an application's environment file; without one there are none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            variables = assignments(file.read())
    except OSError:
        return
    # Read here, and not by common/files.py: errors are masked, and everybody raises errors.
    try:
        with open(f"{CONFIG}/recorder.json", encoding="utf-8") as file:
            declared = json.load(file).get("secrets") or ()
    except (OSError, ValueError):
        declared = ()
    KNOWN.learn_variables(variables, declared)


def guard(module: Any) -> None:
    """Let nothing that a module says have a secret of its application or of its own parameters in it."""
    params: Mapping[str, Any] = module.params
    learn_environment(params.get("env_file") or f"/etc/{params['app']}/env")
    KNOWN.learn_variables(params.get("build_env") or {})
    for password in (params.get("index_passwords") or {}).values():
        KNOWN.learn(str(password))
    # What goes past our own words: Ansible takes these out of every answer.
    module.no_log_values.update(KNOWN.values)
