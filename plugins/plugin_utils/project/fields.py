"""Variables that settings read as the fields of a class of pydantic's: `class Site(BaseSettings): STRIPE_KEY: str`."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .code import dotted, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What makes a field where more than its default is to be said
MAKER = "Field"
#: Its words for a variable of another name than the field's
NAMES = ("env", "validation_alias", "alias")


@dataclass(frozen=True)
class Read:
    """A field: its variable, whether it has to be set, its type's name (`int`), and what it is otherwise."""

    variable: str
    required: bool
    kind: str
    default: ast.expr | None


def fields(tree: ast.Module) -> Iterator[Read]:
    """Yield what classes that derive from BaseSettings read; pydantic takes names in capitals, whatever theirs are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(dotted(base).endswith("BaseSettings") for base in node.bases):
            prefix, names = configured(node)
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    yield _read(statement, statement.target.id, prefix, names)


def configured(node: ast.ClassDef) -> tuple[str, dict[str, str]]:
    """Return what the variables of a class begin with, and those of other names, by field."""
    words: dict[str, ast.expr] = {}
    for inner in node.body:
        if isinstance(inner, ast.ClassDef) and inner.name == "Config":
            words |= {dotted(one.targets[0]): one.value for one in inner.body if isinstance(one, ast.Assign)}
        elif isinstance(inner, ast.Assign) and dotted(inner.targets[0]) == "model_config":
            words |= {one.arg or "": one.value for one in getattr(inner.value, "keywords", [])}
    names = {}
    said = words.get("fields")
    for key, value in zip(said.keys, said.values, strict=True) if isinstance(said, ast.Dict) else ():
        inside = value if isinstance(value, ast.Dict) else ast.Dict([], [])
        named = next((text_of(one) for name, one in zip(inside.keys, inside.values, strict=True)
                      if text_of(name) == "env"), None)  # fmt: skip
        if named:
            names[text_of(key) or ""] = named
    return text_of(words.get("env_prefix")) or "", names


def _read(statement: ast.AnnAssign, field: str, prefix: str, names: dict[str, str]) -> Read:
    default, value = statement.value, statement.value
    variable = names.get(field)
    if isinstance(value, ast.Call) and dotted(value.func).endswith(MAKER):
        words = {word.arg: word.value for word in value.keywords}
        default = words.get("default") or words.get("default_factory") or next(iter(value.args), None)
        variable = variable or next((text for name in NAMES if (text := text_of(words.get(name)))), None)
    if isinstance(default, ast.Constant) and default.value is ...:
        default = None
    inside = list(ast.walk(statement.annotation))
    may_lack = any(isinstance(one, ast.Constant) and one.value is None for one in inside)
    may_lack |= any(dotted(one).endswith(("Optional", "ClassVar")) for one in inside)
    kind = dotted(
        statement.annotation.value if isinstance(statement.annotation, ast.Subscript) else statement.annotation
    )
    return Read((variable or prefix + field).upper(), default is None and not may_lack, kind, default)
