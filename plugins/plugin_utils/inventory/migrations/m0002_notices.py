"""Whoever is told of a deployment, by one list of addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..notices import RETIRED, chat_url, mail_url
from .project import CannotRewriteError
from .steps import Reshape

if TYPE_CHECKING:
    from collections.abc import Mapping

SINCE = "0.1.0"
WHAT = "notices_email_to, notices_webhook_url and what belongs to them are notices_urls"
ONE_WAY = "an address in notices_urls can be of services that the five decisions before it did not know"


def as_addresses(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the list of addresses that says the same."""
    mail = [mail_url(values)] if values.get("notices_email_to") else []
    chat = [chat_url(values["notices_webhook_url"])] if values.get("notices_webhook_url") else []
    if not mail + chat:
        return {}
    # In the place of a secret that stands there openly
    if any(word in url for url in (*mail, *chat) for word in ("PASSWORD", "HOST/PATH")) or values.get(
        "notices_webhook_body"
    ):
        raise CannotRewriteError(
            "it holds a secret, or a text of its own", f'Write notices_urls: ["{(mail + chat)[0]}"] (docs/notices.md)'
        )
    return {"notices_urls": mail + chat}


STEPS = (Reshape(tuple(sorted(RETIRED)), ("notices_urls",), as_addresses),)
