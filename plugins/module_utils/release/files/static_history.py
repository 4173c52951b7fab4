"""Static files of the releases before and after the live one stay reachable: links that nginx falls back to.

A page that was loaded before a switch asks for the old release's files after it; a page of the new release may ask for
the new files a moment before `current` names it. Names with a hash in them are right whoever they come from.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...common.files import point

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = "static-history"
COMING = "coming"
# Nginx's configuration names as many (wiring.yml).
PLACES = ("1", "2", "3")


def target(release: str) -> str:
    """Return what a link to a release's static files holds."""
    return os.path.join("..", "releases", release, "static")


def releases(root: str) -> list[str]:
    """Return the releases before the live one whose static files are still served, newest first."""
    found = []
    for place in PLACES:
        try:
            found.append(os.readlink(os.path.join(root, FOLDER, place)).split("/")[-2])
        except (OSError, IndexError):
            continue
    return found


def announce(root: str, release: str) -> None:
    """Make a release's static files reachable before it is live. Harmless for a release that never will be."""
    os.makedirs(os.path.join(root, FOLDER), mode=0o755, exist_ok=True)
    point(os.path.join(root, FOLDER, COMING), target(release))


def order(before: str, release: str, known: Sequence[str]) -> list[str]:
    """Return which releases' files stay when `release` takes the place of `before`, newest first."""
    following = [before, *known]
    return [name for name in dict.fromkeys(following) if name not in ("", release)][: len(PLACES)]


def remember(root: str, before: str, release: str) -> None:
    """Keep the files of the release before; called while `current` still names that one."""
    os.makedirs(os.path.join(root, FOLDER), mode=0o755, exist_ok=True)
    kept = order(before, release, releases(root))
    # From the oldest on, so that no release is out of reach at any moment.
    for place, name in reversed(list(zip(PLACES, kept, strict=False))):
        point(os.path.join(root, FOLDER, place), target(name))
