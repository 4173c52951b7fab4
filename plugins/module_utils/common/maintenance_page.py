"""The maintenance page: while its file is there, nginx answers with it (503) in the application's place.

nginx looks for the file at each request, so nothing is reloaded. Static files, uploads and certificate renewal go on.
"""

from __future__ import annotations

import html
import os
import re

from .files import write_atomic
from .folders import make_folder, remove

PAGE = "/etc/nginx/samestack/maintenance.html"
# Who closed the site: people by `./samestack maintenance`, or a release that has to stop the old one before it starts.
PEOPLE, RELEASE = "people", "release"
DEFAULT_MESSAGE = "We are working on the site. Please try again shortly."
TEMPLATE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Back soon</title>
<meta name="closed-by" content="{by}">
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem;color:#222}}</style>\
</head>
<body>
<h1>Back soon</h1>
<p>{message}</p>
</body>
</html>
"""


def on(message: str = "", by: str = PEOPLE, path: str = PAGE) -> bool:
    """Show the page; returns whether that changed anything. A release leaves a page that people put there."""
    if by == RELEASE and closed_by(path) == PEOPLE:
        return False
    make_folder(os.path.dirname(path)).close()
    return bool(write_atomic(path, TEMPLATE.format(by=by, message=html.escape(message.strip() or DEFAULT_MESSAGE))))


def off(by: str = PEOPLE, path: str = PAGE) -> bool:
    """Take the page away; returns whether that changed anything. A release takes away only a release's page."""
    if not is_on(path) or (by == RELEASE and closed_by(path) == PEOPLE):
        return False
    remove(path)
    return True


def is_on(path: str = PAGE) -> bool:
    """Return whether the page is shown."""
    return os.path.isfile(path)


def closed_by(path: str = PAGE) -> str:
    """Return who put the page there, "" while there is none."""
    found = re.search(r'name="closed-by" content="(\w+)"', _text(path))
    return found[1] if found else PEOPLE if is_on(path) else ""


def message(path: str = PAGE) -> str:
    """Return what the page says, "" while there is none."""
    found = re.search(r"<p>(.*)</p>", _text(path), re.DOTALL)
    return html.unescape(found[1]) if found else ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as page:
            return page.read()
    except OSError:
        return ""
