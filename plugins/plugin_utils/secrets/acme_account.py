"""The key of an account at an ACME authority: in the vault as PEM, on hosts as certbot keeps it.

It is in the vault so that a rebuilt machine, and each machine of the environment, is the same customer: its rate
limits, its authorizations, and what the authority allows this account alone (RFC 8657, `accounturi` in a CAA record).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# What certbot makes by itself, and every authority takes (RFC 8555 leaves it to them)
BITS, EXPONENT = 2048, 65537


def new_account_key() -> str:
    """Return a new key, PEM (PKCS 8)."""
    key = rsa.generate_private_key(EXPONENT, BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _word(number: int) -> str:
    """Return a number as JSON Web Keys have it (RFC 7518, Base64urlUInt)."""
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def account_of(pem: str) -> dict[str, Any]:
    """Return `name` (certbot's, which follows from the public key) and `key` (a JSON Web Key) of an account's key.

    Raises ValueError where it is no RSA key.
    """
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("it is no RSA key")
    numbers = key.private_numbers()
    public = numbers.public_numbers
    written = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    words = {"n": public.n, "e": public.e, "d": numbers.d, "p": numbers.p, "q": numbers.q}
    words |= {"dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    return {
        # A name, no seal: whoever knows the key knows it.
        "name": hashlib.md5(written, usedforsecurity=False).hexdigest(),
        "key": {"kty": "RSA", **{name: _word(number) for name, number in words.items()}},
    }
