"""Section `hardening`: the rules that a provision put in force here, and the waivers with reason and date."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..reading.machine import MissingError
from ..section import Collector

if TYPE_CHECKING:
    from ..reading.machine import Host, Section

RULES = "/etc/samestack/hardening.json"


def collect(host: Host) -> Section:
    """Return {rule: "in force", or why and until when it is not}; raises MissingError before the first provision."""
    try:
        known = json.loads(host.text(RULES))
    except ValueError as error:
        raise MissingError("no provision has put rules of hardening in force yet") from error
    waived = {name: f"waived until {one['until']}: {one['reason']}" for name, one in known["waived"].items()}
    return {name: waived.get(name, "in force") for name in known["rules"]}


SECTIONS = (Collector("hardening", lambda host, _live: collect(host)),)
