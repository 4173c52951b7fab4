"""Keeps secrets out of a manifest: what is known to be secret is named instead, what looks secret is digested."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from ...common.secrets import SHORTEST, URL_PASSWORD, is_secret_name

if TYPE_CHECKING:
    import re

    from .machine import Host


class Secrets:
    """The secrets that are known on this host."""

    def __init__(self, host: Host) -> None:
        """Start with none; `learn` brings them."""
        self._host = host
        self._names: dict[str, str] = {}

    def learn(self, name: str, value: str) -> None:
        """Take a secret by its name; passwords inside of URLs are secrets of their own."""
        self._add(value, f"<{name}>")
        for found in URL_PASSWORD.finditer(value):
            for text in {found["password"], unquote(found["password"])}:
                self._add(text, f"<password of {name}>")

    def _add(self, value: str, name: str) -> None:
        if len(value) >= SHORTEST:
            self._names.setdefault(value, name)

    def masked(self, text: str) -> str:
        """Return a text in which known secrets are named and passwords of URLs digested."""
        for value in sorted(self._names, key=len, reverse=True):
            text = text.replace(value, self._names[value])
        return URL_PASSWORD.sub(self._digested, text)

    def _digested(self, found: re.Match[str]) -> str:
        password = found["password"]
        return found["before"] + (password if password.startswith("<") else self._host.keyed(password))

    def value(self, name: str, text: str) -> str:
        """Return what a manifest has of a setting: masked, and digested where its name says that it is secret."""
        masked = self.masked(text)
        return self._host.keyed(text) if text and masked == text and is_secret_name(name) else masked
