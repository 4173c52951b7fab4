"""The figures of an audit, with their targets: pure, made of what hosts and checkers answered."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..inventory.files import service_declarations
from .waivers import waived

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .waivers import Waiver

#: Targets; their reasons are in docs/audit.md
LYNIS_INDEX, CIS_SCORE, OBSERVATORY_SCORE = 84, 88.0, 115
#: {pattern of the application's units, `{app}` for its name: (what they are, most exposure)}; a service's are its own
EXPOSURE = {
    "{app}-web@*": ("the web server", 1.2),
    "{app}-worker-*": ("workers", 1.2),
    "{app}-timer-*": ("timers", 1.2),
    "{app}.service": ("what starts the app after a boot", 2.0),
    "samestack-manifest@*": ("the recorder", 4.8),
}
SHOWN = 3
#: What Lynis calls packages for which security updates wait
UPDATES = "PKGS-7392"


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    host: str
    name: str
    value: str
    target: str
    #: None: it could not be measured; `why` says why
    met: bool | None
    why: str = ""

    @property
    def verdict(self) -> str:
        """Return the verdict in one word."""
        return "not measured" if self.met is None else "met" if self.met else "missed"


def exposure_limits() -> dict[str, tuple[str, float]]:
    """Return what units may be exposed by, as systemd-analyze counts: {pattern: (what they are, most exposure)}."""
    services = service_declarations().items()
    theirs = {unit: (name, most) for name, service in services for unit, most in service.get("exposure", {}).items()}
    return {**EXPOSURE, **theirs}


def some(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    listed = list(names)
    more = f", and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def of_host(host: str, app: str, answer: Mapping[str, Any], accepted: list[Waiver], upgrade: str) -> Iterator[Figure]:
    """Yield the figures of what a host answered (`module_utils/standalone/audit.py`); `upgrade`: the command for it."""

    def failed(name: str, target: str, part: Mapping[str, Any] | None) -> Figure | None:
        error = "it was not asked" if part is None else part.get("error")
        return Figure(host, name, "-", target, None, str(error)) if error else None

    rules = answer["rules"]
    if missing := failed("rules of hardening", "all", rules):
        yield missing
    else:
        words = [f"{rules['met']} met"]
        words += [
            f"{len(rules[key])} {text}"
            for key, text in (("waived", "waived"), ("not_here", "not possible here"))
            if rules[key]
        ]
        broken = [f"{name}: {some(found)}" for name, found in rules["broken"].items()]
        words += [f"{len(broken)} broken"] if broken else []
        yield Figure(host, "rules of hardening", ", ".join(words), "all", not broken, "; ".join(broken))
    lynis = answer["lynis"]
    if missing := failed("Lynis", f"≥ {LYNIS_INDEX}, 0 warnings", lynis):
        yield missing
    else:
        good = lynis["index"] >= LYNIS_INDEX and not lynis["warnings"]
        value = f"{lynis['index']}, {len(lynis['warnings'])} warnings"
        why = some(
            f"security updates wait (`{upgrade}`)" if text.startswith(UPDATES) else text for text in lynis["warnings"]
        )
        yield Figure(host, f"Lynis {lynis['version']}", value, f"≥ {LYNIS_INDEX}, 0 warnings", good, why)
    cis = answer["cis"]
    if missing := failed("CIS level 1, server", f"≥ {CIS_SCORE:.0f} with waivers", cis):
        yield missing
    else:
        left = sorted(set(cis["failed"]) - set(waived(accepted, "cis")))
        value = f"{cis['score']}; {cis['waived_score']} with waivers"
        good = cis["waived_score"] >= CIS_SCORE
        yield Figure(host, "CIS level 1, server", value, f"≥ {CIS_SCORE:.0f} with waivers", good, some(left))
    for pattern, (what, most) in exposure_limits().items():
        units = {
            unit: value for unit, value in answer["exposure"].items() if fnmatch.fnmatch(unit, pattern.format(app=app))
        }
        if units:
            unit, value = max(units.items(), key=lambda pair: pair[1])
            yield Figure(
                host, f"exposure of {what}", f"{value}", f"≤ {most}", value <= most, "" if value <= most else unit
            )
    for unit in sorted(set(answer["exposure"]) & set(waived(accepted, "exposure"))):
        yield Figure(host, f"exposure of {unit}", f"{answer['exposure'][unit]}", "waived", True)
    if answer["check"] is not None:
        missing = failed("check --deploy", "0 warnings", answer["check"])
        names = answer["check"].get("warnings", [])
        yield missing or Figure(host, "check --deploy", f"{len(names)} warnings", "0 warnings", not names, some(names))
    places = answer["markers"]["places"]
    yield Figure(host, "secrets that others could read", str(len(places)), "0", not places, some(places))


def table(figures: list[Figure]) -> list[str]:
    """Return the figures as lines of a table, with what is behind those that are not met."""
    heads = ("host", "figure", "value", "target", "verdict")
    rows = [(one.host, one.name, one.value, one.target, one.verdict) for one in figures]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = []
    for row, one in zip((heads, *rows), (None, *figures), strict=True):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if one and not one.met and one.why:
            lines.append(f"    {one.why}")
    return lines


def markdown(figures: list[Figure]) -> str:
    """Return the figures as a table of a page."""
    cells = [
        (one.host, one.name, one.value, one.target, one.verdict + (f": {one.why}" if not one.met and one.why else ""))
        for one in figures
    ]
    rows = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in cells]
    head = "| host | figure | value | target | verdict |\n|---|---|---|---|---|\n"
    return head + "".join(f"| {row} |\n" for row in rows)
