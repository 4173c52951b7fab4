"""Sizes and durations as people write them become numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils.inventory.formats import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable


def _parsed(parse: Callable[[object], int], value: object) -> int:
    try:
        return parse(value)
    except ValueError as error:
        raise AnsibleFilterError(f"{value!r} {error}") from error


def size_bytes(value: str | int) -> int:
    """Return a size such as `25m` or `1g` (powers of 1024) in bytes; raises AnsibleFilterError."""
    return _parsed(parse_size, value)


def duration_seconds(value: str | int) -> int:
    """Return a duration such as `30s`, `5m` or `365d` in seconds; raises AnsibleFilterError."""
    return _parsed(parse_duration, value)


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"size_bytes": size_bytes, "duration_seconds": duration_seconds}
