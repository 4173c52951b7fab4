"""A comparison for programs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .compare import DECLARED, DRIFT, EXPECTED, UNEXPLAINED, Comparison
from .remedies import mends
from .values import ABSENT, thawed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .compare import Difference

SCHEMA = 1


def as_data(comparison: Comparison) -> dict[str, Any]:
    """Return everything that the report knows, as JSON takes it; keys and lists are in a stable order."""
    return {
        "schema": SCHEMA,
        "match": not comparison.bad,
        "counts": {kind: comparison.count(kind) for kind in (UNEXPLAINED, DRIFT, DECLARED, EXPECTED)},
        "environments": {
            environment.name: {
                "rehearsal": environment.rehearsal,
                "hosts": {
                    host.name: {
                        "time": host.envelope.time,
                        "digest": host.envelope.digest,
                        "functions": list(host.envelope.functions),
                    }
                    for host in environment.hosts
                },
                "sections": {section: comparison.cell(environment.name, section) for section in comparison.sections},
            }
            for environment in comparison.environments
        },
        "differences": [difference_data(difference, comparison) for difference in comparison.differences],
    }


def difference_data(difference: Difference, comparison: Comparison) -> dict[str, Any]:
    """Return one difference; an environment whose hosts have nothing there has no value."""
    return {
        "name": difference.name,
        "section": difference.section,
        "key": difference.key,
        "class": difference.kind,
        "because": list(difference.because),
        "values": {name: by_host(values) for name, values in difference.values.items()},
        "marks": dict(difference.marks),
        "mend": mends(difference, comparison),
    }


def by_host(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hosts' values, without those that have nothing."""
    return {host: thawed(value) for host, value in values.items() if value is not ABSENT}
