"""The key under which a manifest tells what is secret: equality can be told, content cannot.

The control node derives it from a secret of the environment; a host keeps it for root alone. Both sides make digests by
the same function, so that an intended value can be compared with what a host has, and no secret leaves either.
"""

from __future__ import annotations

import hashlib
import hmac

LABEL = "samestack manifest"
MARK = "hmac:"
#: Half of a SHA-256 in hex digits: 128 bits.
DIGITS = 32


def derived_key(secret: str, label: str = LABEL) -> str:
    """Return the key in hex that follows from a secret, and from which the secret does not (RFC 5869, both steps)."""
    extracted = hmac.digest(label.encode(), secret.encode(), hashlib.sha256)
    return hmac.digest(extracted, label.encode() + b"\x01", hashlib.sha256).hex()


def keyed(key: str, content: bytes | str) -> str:
    """Return what stands for a content in a manifest; `key` is in hex."""
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return MARK + hmac.digest(bytes.fromhex(key), data, hashlib.sha256).hex()[:DIGITS]
