"""Section `site`: whether a visitor is served, through Nginx and under the site's own name."""

from __future__ import annotations

from ...common import maintenance_page
from ...release.place import Place
from ..check import ANYTHING, Check, Facts, Look
from ..visit import Visit, believing, judge, seen, words

#: Seconds that a visitor on this machine waits at most
TIMEOUT = 10


def gather(look: Look) -> Facts | None:
    """Ask the site for its page; raises nothing."""
    site = look.settings.site
    if not site:
        return None
    visit = Visit(site["host"], site["page"], "127.0.0.1", believing(), TIMEOUT)
    answer = visit.ask()
    # Whoever looks at the certificate does not ask again.
    look.shared["certificate"] = {site["host"]: answer.certificate}
    serves = bool(Place(look.settings.root, "").current)
    return seen(visit, answer, serves=serves, closed=maintenance_page.is_on())


CHECK = Check("site", 10, gather, judge, words, worked_on=True, follows=ANYTHING)
