"""Templates that were compiled once are not compiled again: Ansible compiles every text each time it is needed.

Rendering all variants for all releases asks for the same few thousand texts some fifty times.
"""

from __future__ import annotations

from typing import Any

from ansible._internal._templating._jinja_bits import _TemplateCompileContext
from jinja2 import Environment

#: What the code of a template depends on, beside its text
OPTIONS = (
    "block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string",
    "comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks",
    "newline_sequence", "keep_trailing_newline", "autoescape", "optimized", "is_async", "sandboxed",
)  # fmt: skip

_compile = Environment.compile
_known: dict[tuple[Any, ...], Any] = {}


def compiled(self: Environment, source: Any, *arguments: Any, **named: Any) -> Any:
    """Return a template's code; anything but a text is compiled as ever."""
    if not isinstance(source, str):
        return _compile(self, source, *arguments, **named)
    context = _TemplateCompileContext.current(optional=True)
    escape = context.escape_backslashes if context else None
    options = tuple(getattr(self, name) for name in OPTIONS)
    key = (type(self), str(source), arguments, tuple(named.items()), options, escape)
    if key not in _known:
        _known[key] = _compile(self, source, *arguments, **named)
    return _known[key]


def remember() -> None:
    """Begin with it, for all of this process."""
    Environment.compile = compiled  # type: ignore[method-assign]
