"""An account at an ACME authority that certbot uses: registered with the key that we have, certbot makes up its own.

The files are certbot's (certbot/_internal/account.py, the same from 1.21 to 4.0): one folder an account, below the
address of the authority.
"""

from __future__ import annotations

import json
import os
import platform
import time

# certbot's own libraries are there wherever certbot is, and nowhere else.
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from ..common.errors import HostError
from ..common.files import read_json, write_atomic
from ..standalone.certificates import LETSENCRYPT


class Account:
    """One account: the name of its folder, its key as a JSON Web Key, and where it is registered."""

    def __init__(self, name: str, key: dict[str, str], directory: str, email: str) -> None:
        """Take certbot's name of the account (it follows from the key), the key, the authority, and an address."""
        self.name = name
        self.key = key
        self.directory = directory
        self.contact = [f"mailto:{email}"] if email else []
        parts = urlsplit(directory)
        self.folder = os.path.join(LETSENCRYPT, "accounts", parts.netloc + parts.path, name)

    @property
    def known(self) -> bool:
        """Whether certbot has the account, with this address."""
        registered = read_json(f"{self.folder}/regr.json") or {}
        return bool(registered.get("uri")) and (registered.get("body") or {}).get("contact", []) == self.contact

    def register(self) -> None:
        """Register at the authority, which knows a key again, and tell certbot; raises HostError."""
        try:
            uri = self._uri()
        # Whatever network, TLS or authority says: the libraries have no common error.
        except Exception as error:
            raise HostError(f"the account: {error}") from error
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        files: dict[str, Any] = {
            "private_key.json": self.key,
            "meta.json": {"creation_dt": now, "creation_host": platform.node(), "register_to_eff": None},
            # The last one: with it the account is known.
            "regr.json": {"body": {"contact": self.contact} if self.contact else {}, "uri": uri},
        }
        for name, content in files.items():
            write_atomic(f"{self.folder}/{name}", json.dumps(content), 0o600)

    def _uri(self) -> str:
        client, errors, messages, josepy = (
            import_module(name)  # as said above
            for name in ("acme.client", "acme.errors", "acme.messages", "josepy")
        )
        network = client.ClientNetwork(josepy.JWK.from_json(self.key), user_agent="samestack")
        authority = client.ClientV2(messages.Directory.from_json(network.get(self.directory).json()), network)
        asked = messages.NewRegistration(contact=tuple(self.contact), terms_of_service_agreed=True)
        try:
            return str(authority.new_account(asked).uri)
        except errors.ConflictError as known:
            if not self.known:
                account = messages.RegistrationResource(body=messages.Registration(), uri=known.location)
                authority.update_registration(account, {"contact": tuple(self.contact)})
            return str(known.location)
