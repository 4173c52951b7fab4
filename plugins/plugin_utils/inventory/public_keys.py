"""Public keys of ssh, as people write them into the inventory: the text itself, or the path of a file."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

KIND = re.compile(
    r"ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com"
)
#: Of the number in front of a name in a key's data
LENGTH_BYTES = 4


def check_key(value: object) -> str:
    """Return a public key in one line (kind, data, comment); raises ValueError where it is none."""
    text = str(value)
    words = text.split()
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key, which nobody else may have")
    if len(text.strip().splitlines()) > 1:
        raise ValueError("has several lines")
    if not words or not KIND.fullmatch(words[0]):
        raise ValueError("is not a public key")
    try:
        data = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError("is not a whole public key") from None
    name = data[LENGTH_BYTES : LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")]
    if name != words[0].encode():
        raise ValueError("is not a whole public key")
    return " ".join(words)


def is_path(text: str) -> bool:
    """Return whether a text names a file, and is no key by itself."""
    return not KIND.match(text.strip()) and "PRIVATE KEY" not in text and len(text.split()) == 1


def read_key(text: str, root: Path) -> str:
    """Return the public key that a text is, or that is in the file of that path below `root`.

    Raises ValueError where it is none, and where there is no such file.
    """
    if not is_path(text):
        return check_key(text)
    path = Path(text.strip()).expanduser()
    try:
        content = (root / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ValueError("names no file on this computer that could be read") from None
    try:
        return check_key(content)
    except ValueError as error:
        raise ValueError(f"names a file that {error}") from None
