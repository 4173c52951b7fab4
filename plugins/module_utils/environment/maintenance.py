"""The site is closed with a maintenance page, and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common import maintenance_page
from ..common.errors import HostError

if TYPE_CHECKING:
    from .state import Answer, Environment


def close(environment: Environment, message: str) -> Answer:
    """Show the maintenance page; raises HostError where nginx does not know it."""
    page = environment.page
    try:
        with open(environment.site, encoding="utf-8") as file:
            knows = page in file.read()
    except OSError:
        knows = False
    if not knows:
        raise HostError("nginx on this host knows no maintenance page yet", "Run `./samestack provision`, then again.")
    if not maintenance_page.on(message, path=page):
        return False, ["The maintenance page is shown already"]
    environment.run.succeed(on=True, message=maintenance_page.message(page))
    return True, ["Visitors see the maintenance page: " + maintenance_page.message(page)]


def reopen(environment: Environment, _message: str) -> Answer:
    """Take the maintenance page away."""
    if not maintenance_page.off(path=environment.page):
        return False, ["The maintenance page is not shown"]
    environment.run.succeed(on=False)
    return True, ["Visitors see the site again"]
