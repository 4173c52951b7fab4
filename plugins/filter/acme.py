"""Filters of the certificates of an ACME authority."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils.secrets.acme_account import account_of

if TYPE_CHECKING:
    from collections.abc import Callable


def acme_account(pem: str) -> dict[str, Any]:
    """Return an account's `name` and `key` as certbot has them; raises AnsibleFilterError where the key is none."""
    try:
        return account_of(pem)
    except ValueError:
        # The library's own words might show some of it.
        raise AnsibleFilterError("vault_acme_account_key is no RSA key in PEM") from None


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"acme_account": acme_account}
