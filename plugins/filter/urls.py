"""The one place where URLs of services are put together, so that every reader takes them apart as they were meant."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def url_host(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address in brackets, the folder of a socket percent-encoded."""
    try:
        IPv6Address(host)
    except AddressValueError:
        return quote(host, safe="")
    # RFC 6874: the sign before the zone is encoded.
    return f"[{host.replace('%', '%25')}]"


def service_url(parts: Mapping[str, Any], scheme: str) -> str:
    """Return the URL of a service.

    Args:
        parts: what it has of `host` (a name, an address of either kind, or the folder of a Unix socket), `port` (left
            out where it is 0), `user`, `password` (any text), `path` (with a slash) and `query` (options by name).
        scheme: what comes before `://`.
    """
    password, port, query = (parts.get(name) for name in ("password", "port", "query"))
    login = quote(str(parts.get("user", "")), safe="") + (f":{quote(str(password), safe='')}" if password else "")
    place = url_host(str(parts.get("host", ""))) + (f":{port}" if port else "")
    # A slash means the same to every reader, and options that are paths stay readable.
    options = f"?{urlencode(query, safe='/', quote_via=quote)}" if query else ""
    return f"{scheme}://{login}{'@' if login else ''}{place}{quote(str(parts.get('path', '')), safe='/')}{options}"


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filters by name."""
        return {"service_url": service_url}
