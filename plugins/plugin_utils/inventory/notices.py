"""What is wrong with whom people tell of a deployment: `notices_urls`, and the five decisions that it replaced.

Runs on the control node. A URL is a secret: none is ever part of a problem, only what stands around it.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..transport.apprise_urls import NotSentError, bad_urls
from .laws import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .files import Setting
    from .laws import Place

NAME = "notices_urls"
# The decisions of an earlier version: those that told somebody, and those that said how
TOLD = ("notices_email_to", "notices_webhook_url")
RETIRED = {*TOLD, "notices_email_from", "notices_smtp", "notices_webhook_body"}
EXAMPLE = "mailtos://mail.example.com/?from=deploy@example.com&to=you@example.com"
ADVICE = f"Write it as Apprise takes it (docs/notices.md), such as {EXAMPLE}"
# Jinja's filter leaves slashes alone, which would end a password in a URL.
QUOTED = " | urlencode | replace('/', '%2F')"


def url_problems(urls: object, place: Place) -> Iterator[Problem]:
    """Yield the URLs that lead nowhere; what waits for a secret cannot be looked at yet."""
    listed = urls if isinstance(urls, list) else []
    known = {index: url for index, url in enumerate(listed) if isinstance(url, str) and "{{" not in url}
    if not known:
        return
    try:
        found = bad_urls(tuple(known.values()))
    except NotSentError as error:
        yield Problem(NAME, place(NAME, ()), f"Apprise cannot be asked: {error}", "Run box/setup tools", "(hidden)")
        return
    for index, wrong in zip(known, found, strict=True):
        if wrong:
            yield Problem(dotted(NAME, (index,)), place(NAME, (index,)), f"this {wrong}", ADVICE, "(hidden)")


def retired_decisions(settings: Iterable[Setting]) -> Iterator[Problem]:
    """Yield the decisions of an earlier version that would tell somebody, each with the URL to write instead."""
    listed = [setting for setting in settings if setting.name in RETIRED]
    for setting in listed:
        if setting.name in TOLD and setting.value:
            near = {one.name: one.value for one in listed if one.everywhere}
            near |= {one.name: one.value for one in listed if one.owner == setting.owner}
            url = mail_url(near) if setting.name == "notices_email_to" else chat_url(setting.value)
            what = "notices go to the URLs of one list now"
            fix = f'Write {NAME}: ["{url}"] instead (docs/notices.md) and take {", ".join(sorted(RETIRED))} out'
            yield Problem(setting.name, setting.place(), what, fix, "(hidden)")


def mail_url(values: Mapping[str, Any]) -> str:
    """Return the URL for e-mail, without a password that is no reference to the vault."""
    given = values.get("notices_smtp")
    server: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    to = values.get("notices_email_to")
    receivers = [str(one) for one in to] if isinstance(to, list) else [str(to)]
    scheme, mode = {"starttls": ("mailtos", ""), "tls": ("mailtos", "mode=ssl&")}.get(
        str(server.get("tls")), ("mailto", "")
    )
    user, port = urllib.parse.quote(str(server.get("user") or ""), safe="{} |"), server.get("port")
    login = f"{user}:{reference(server.get('password'), 'PASSWORD')}@" if user else ""
    where = f"{server.get('host') or 'localhost'}{f':{port}' if port else ''}"
    sender = values.get("notices_email_from") or receivers[0]
    return f"{scheme}://{login}{where}/?{mode}from={sender}&to={','.join(receivers)}"


def chat_url(address: object) -> str:
    """Return the URL for a chat: the address that is in the vault, or what to make of one that is not."""
    return reference(address, "jsons://HOST/PATH?:message=text", "")


def reference(value: object, otherwise: str, quoting: str = QUOTED) -> str:
    """Return a reference to the vault as it is, quoted for a URL; what is no reference may be a secret itself."""
    text = str(value)
    plain = text.startswith("{{") and text.endswith("}}") and text.count("{{") == 1
    return text[:-2].rstrip() + quoting + " }}" if plain else otherwise
