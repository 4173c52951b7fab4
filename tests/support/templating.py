"""Ansible's templating without its repetitions, for tests that render thousands of texts in one process.

For each text Ansible compiles it, wraps every variable that the host has, and, in a new set of variables, imports all
plugins of a collection to find a filter. Here each is done once.
"""

from __future__ import annotations

from typing import Any

from ansible._internal._templating._jinja_bits import _TemplateCompileContext
from ansible._internal._templating._lazy_containers import (
    LazyOptions,
    _AnsibleLazyTemplateDict,
    _LazyValue,
    _LazyValueSource,
)
from ansible._internal._templating._utils import TemplateContext
from ansible.plugins.loader import Jinja2Loader
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


#: More entries than this: a host's variables, which no template changes
LARGE = 100

_lazy_values = _AnsibleLazyTemplateDict._lazy_values
_wrapped: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}


def wrapped(values: dict[str, Any], lazy_options: LazyOptions) -> _LazyValueSource:
    """Return a dictionary's values, each to be rendered when it is read: those of a large one are wrapped once."""
    if len(values) < LARGE:
        return _lazy_values(values, lazy_options)
    # The dictionary is kept beside the result, so that no other gets its identity.
    known, source = _wrapped.get(id(values), (None, {}))
    if known is None or len(source) != len(values):
        source = {key: _LazyValue(value) for key, value in values.items()}
        _wrapped[id(values)] = (values, source)
    return _LazyValueSource(source=source, templar=TemplateContext.current().templar, lazy_options=lazy_options)


_find = Jinja2Loader.get
_found: dict[tuple[str, str], Any] = {}


def found(self: Jinja2Loader, name: str, *arguments: Any, **named: Any) -> Any:
    """Return a filter or test; raises KeyError where there is none."""
    key = (self.type, name)
    if key not in _found:
        _found[key] = _find(self, name, *arguments, **named)
    return _found[key]


def remember() -> None:
    """Begin with it, for all of this process."""
    Environment.compile = compiled  # type: ignore[method-assign]
    _AnsibleLazyTemplateDict._lazy_values = staticmethod(wrapped)
    Jinja2Loader.get = found
