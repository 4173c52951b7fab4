"""What playbooks need to know of all hosts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def release_batch(hostvars: Mapping[str, Any]) -> str:
    """Return the decision `release_batch` for a play's `serial`, which is read before any host is in hand."""
    values: Mapping[str, Any] = next(iter(hostvars.values()), {})
    return str(values.get("release_batch", "100%"))


def release_states(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `release_state` found on each host, with `machine`, the host's facts."""
    found = {host: hostvars[host] for host in hosts}
    return {
        host: {**values["__release_state"]["state"], "machine": values["ansible_facts"]["machine"]}
        for host, values in found.items()
    }


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"release_batch": release_batch, "release_states": release_states}
