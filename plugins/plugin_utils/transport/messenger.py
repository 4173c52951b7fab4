"""Hands a notice to Apprise, in a process of its own: a run that tells nobody loads none of its hundred services.

Reads JSON from standard input: `urls`, `seconds` (float: how long a server is waited for, for each answer), `patience`
(float: and in all) and `title`, `body`, `type` (info, success, failure) of the notice; without a title the URLs are
only looked at. Writes a JSON list: for each URL null, or [what the service is called, why it did not take the notice],
in which no part of a URL is that may be secret. What Apprise logs ends here: addresses are in it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import urllib.parse
from typing import Any

import apprise

# How Apprise begins the line that says what really happened
CAUSE = "Socket Exception: "
# A part of a URL that is shorter could stand in any word.
SHORT = 4

Trouble = tuple[str, str] | None


def service(url: str, seconds: float) -> Any:
    """Return Apprise's service for a URL, or None where Apprise has none."""
    asset = apprise.AppriseAsset(app_id="Samestack", app_desc="Samestack", image_url_mask="")
    found = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if found is not None:
        found.socket_connect_timeout = found.socket_read_timeout = seconds
    return found


def name_of(url: str, found: Any = None) -> str:
    """Return what a service is called: `mailto://mail.example.org`; a host that is in truth a token is left out."""
    scheme = re.match("[A-Za-z0-9+-]+://", url)
    token = found.template_tokens.get("host", {"private": True}) if found else {"private": True}
    port = f":{found.port}" if found and found.port else ""
    return (scheme[0] if scheme else "a line without ://") + ("" if token.get("private") else f"{found.host}{port}")


def hidden(said: str, url: str, shown: str) -> str:
    """Return words without any part of a URL that is not shown anyway."""
    parts = urllib.parse.urlsplit(url)
    values = [value for _, value in urllib.parse.parse_qsl(parts.query)]
    secrets = {url, parts.username, parts.password, *re.split("[/:@]", parts.netloc + parts.path), *values}
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in {secret, urllib.parse.unquote(secret), urllib.parse.quote(secret, safe="")}:
            if form not in shown:
                word = re.escape(form) if len(form) >= SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"
                said = re.sub(word, "…", said, flags=re.IGNORECASE)
    return said


def reason(result: Any) -> str:
    """Return why a service did not take a notice, in short."""
    if result.status.name == "TIMEOUT":
        return "it took too long"
    said = [entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR")]
    causes = [entry.message for entry in result.logs() if entry.message.startswith(CAUSE)]
    words = " ".join((causes or said or ["it was not taken"])[-1].removeprefix(CAUSE).split())
    # requests wraps the cause: HTTPConnectionPool(…): … (Caused by NewConnectionError('…: Connection refused'))
    return words.rsplit(": ", 1)[-1].rstrip("'\")>") if "ConnectionPool(" in words else words


def told(asked: dict[str, Any]) -> list[Trouble]:
    """Look at the URLs, and send the notice if there is one; returns the trouble with each URL."""
    urls: list[str] = asked["urls"]
    services = {url: service(url, asked["seconds"]) for url in urls}
    troubles: dict[str, Trouble] = {
        url: None if found else (name_of(url), "is no URL that Apprise can send to") for url, found in services.items()
    }
    # The causes are among the details.
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    sender, good = apprise.Apprise(), {url: found for url, found in services.items() if found}
    for found in good.values():
        sender.add(found)
    if asked.get("title") and good:
        results = sender.notify(
            title=asked["title"], body=asked["body"], notify_type=asked["type"], body_format="text",
            timeout=asked["patience"], log_level=logging.DEBUG,
        )  # fmt: skip
        for (url, found), result in zip(good.items(), results, strict=True):
            if not result:
                shown = name_of(url, found)
                troubles[url] = (shown, hidden(reason(result), url, shown))
    return [troubles[url] for url in urls]


if __name__ == "__main__":
    json.dump(told(json.load(sys.stdin)), sys.stdout)
    sys.stdout.flush()
    # Not waiting for a server that still says nothing.
    os._exit(0)
