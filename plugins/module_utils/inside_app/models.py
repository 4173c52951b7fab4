"""Runs inside the application's own Python: its models, with what tells a person's data from other data."""

from __future__ import annotations

# Django is the application's: only its Python has it.
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .database import table_of
from .program import answer, manage

if TYPE_CHECKING:
    from collections.abc import Mapping


def describe(_given: Mapping[str, Any]) -> None:
    """Tell the models by their tables: label, fields with their columns and kinds, and the hashes of passwords."""
    manage("version")
    models: dict[str, dict[str, Any]] = {}
    passwords: dict[str, list[str]] = {}
    base = user_base()
    for model in import_module("django.apps").apps.get_models(include_auto_created=True):
        if model._meta.proxy:
            continue
        about = models.setdefault(
            table_of(model), {"label": model._meta.label, "fields": {}, "kinds": {}, "choices": []}
        )
        for field in model._meta.local_concrete_fields:
            if not field.column:
                continue
            about["fields"][field.column] = field.name
            about["kinds"][field.column] = kinds(field)
            if getattr(field, "choices", None):
                about["choices"].append(field.column)
        if base and issubclass(model, base):
            column = model._meta.get_field("password").column
            passwords.setdefault(table_of(model), []).append(column)
    answer(models=models, passwords=passwords)


def user_base() -> Any:
    """Return the class of everything that logs in with a password; None without django.contrib.auth."""
    try:
        return import_module("django.contrib.auth.base_user").AbstractBaseUser
    # Not installed, or of a version that is none here: then nothing logs in by it.
    except Exception:
        return None


def kinds(field: Any) -> list[str]:
    """Return the names of a field's class and of those above it, the nearest first."""
    return [one.__name__ for one in type(field).__mro__ if one.__name__ not in ("object", "Field")]
