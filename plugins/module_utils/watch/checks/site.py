"""Section `site`: whether a visitor is served, through Nginx and under the site's own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...common import maintenance_page
from ...release.place import Place
from ..check import RED, YELLOW, Check, Facts, Finding, Look
from ..visit import Visit, believing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Seconds that a visitor on this machine waits at most
TIMEOUT = 10
UNAVAILABLE = 503


def gather(look: Look) -> Facts | None:
    """Ask the site for its page; raises nothing."""
    site = look.settings.site
    if not site:
        return None
    answer = Visit(site["host"], site["page"], "127.0.0.1", believing(), TIMEOUT).ask()
    # Whoever looks at the certificate does not ask again.
    look.shared["certificate"] = {site["host"]: answer.certificate}
    return {
        "host": site["host"], "page": site["page"], "status": answer.status, "well": answer.well,
        "seconds": round(answer.seconds, 3), "error": answer.error, "closed": maintenance_page.is_on(),
        "serves": bool(Place(look.settings.root, "").current),
    }  # fmt: skip


def judge(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what a visitor misses; before the first release there is nothing to miss."""
    if not facts["serves"] or (facts["closed"] and facts["status"] == UNAVAILABLE):
        return
    if not facts["status"]:
        yield Finding(
            "answer", RED, f"{address(facts)} does not answer: {facts['error']}", "logs", unit="nginx.service"
        )
    elif not facts["well"]:
        yield Finding("answer", RED, f"{address(facts)} answers {facts['status']}", "logs", unit="{app}-web@*")
    elif facts["seconds"] > limits["answer"]:
        yield Finding("slow", YELLOW, f"{address(facts)} took {facts['seconds']:.1f} s to answer", "busy")


def address(facts: Facts) -> str:
    """Return what was asked for."""
    return f"https://{facts['host']}{facts['page']}"


def words(facts: Facts) -> str:
    """Return what a visitor gets."""
    if facts["closed"]:
        return "the maintenance page is shown"
    if not facts["serves"]:
        return "nothing serves yet"
    return f"{facts['status'] or 'no answer'} in {facts['seconds'] * 1000:.0f} ms, {address(facts)}"


CHECK = Check("site", gather, judge, words, worked_on=True)
