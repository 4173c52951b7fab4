"""Tests of which one of each kind is always played, and the others by `./samestack soak`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Container, Iterable


def rest_in_soak(cases: Iterable[Any], always: Container[Any]) -> list[Any]:
    """Return what `pytest.mark.parametrize` is given for cases; a tuple is several arguments."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=[] if case in always else pytest.mark.soak)
        for case in cases
    ]
