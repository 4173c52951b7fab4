"""What each of our pages is: valid HTML that needs nothing else."""

from __future__ import annotations

import re
from typing import Any

import html5lib


def whole(text: str) -> tuple[Any, set[str]]:
    """Assert that a page is valid, asks for no other file, and leads nowhere within itself that is not there.

    Returns its document and the identities in it.
    """
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    assert not re.findall(r'(?:src|href)="(?!data:,")', text)
    assert "url(" not in text
    assert "@import" not in text
    identities = [one.get("id") for one in document.iter() if one.get("id")]
    assert len(identities) == len(set(identities))
    assert {one.get("aria-controls") for one in document.iter("button")} <= set(identities)
    assert all(one.get("scope") for one in document.iter("th"))
    return document, set(identities)
