"""The categories that every board starts with, and one notice to greet the first visitor."""

from typing import Any

from django.db import migrations

CATEGORIES = {"general": "General", "events": "Events", "lost-and-found": "Lost and found", "for-sale": "For sale"}
WELCOME_TITLE = "Welcome to the notice board"
WELCOME_BODY = """This notice was put here by a data migration, so that the first page is not an empty one.

Log in to pin up your own, with a file if you like. A background worker then reads it: its page shows what was found."""


def fill(apps: Any, schema_editor: Any) -> None:
    """Create what is missing; running it twice adds nothing."""
    categories = apps.get_model("board", "Category").objects.using(schema_editor.connection.alias)
    notices = apps.get_model("board", "Notice").objects.using(schema_editor.connection.alias)
    for slug, name in CATEGORIES.items():
        categories.get_or_create(slug=slug, defaults={"name": name})
    general = categories.get(slug="general")
    notices.get_or_create(title=WELCOME_TITLE, defaults={"body": WELCOME_BODY, "category": general})


class Migration(migrations.Migration):
    """Data only; going back leaves the rows for the tables to take along."""

    dependencies = [("board", "0001_initial")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
