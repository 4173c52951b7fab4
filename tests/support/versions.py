"""Versions of the notice board: functions that change a copy of it as a next release would, well or badly.

Each takes the folder of the copy (where manage.py is). They can be combined and called again: a new migration always
follows the newest one. What a version is recognised by is in its page: `home` puts a word there.
"""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
NOTICEBOARD = PROJECT / "examples" / "noticeboard"
#: What `drop_column` drops
DROPPED_COLUMN = "read_by"

MIGRATION = '''"""Written by a test."""

from django.db import migrations, models


{code}class Migration(migrations.Migration):
    """A step of a test."""

    dependencies = [{dependencies}]
    operations = [
{operations}
    ]
'''


def noticeboard(folder: Path) -> Path:
    """Copy the example into a folder that does not exist yet; returns it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "db.sqlite3", "staticfiles", "media", ".venv")
    shutil.copytree(NOTICEBOARD, folder, ignore=ignored)
    return folder


def replace(folder: Path, file: str, old: str, new: str) -> None:
    """Replace a text that is in a file once or more; fails when it is not there."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path}: no {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def append(folder: Path, file: str, text: str) -> None:
    """Append to a file."""
    path = folder / file
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def home(folder: Path, word: str) -> None:
    """Put a word on the home page, by which the version is recognised; the place of an earlier word is taken."""
    path = folder / "board/templates/board/home.html"
    text = re.sub(r"\n?<!-- version: .* -->\n?", "\n", path.read_text(encoding="utf-8")).rstrip("\n")
    path.write_text(f"{text}\n", encoding="utf-8")
    replace(folder, "board/templates/board/home.html", "<h1>What is new</h1>",
            f"<h1>What is new</h1>\n<!-- version: {word} -->")  # fmt: skip


def touch(folder: Path) -> str:
    """Change something harmless, different each time; returns the word that `home` put there."""
    word = uuid.uuid4().hex
    home(folder, word)
    return word


def new_notice(title: str) -> str:
    """Return Python for `manage.py shell -c "…"` that writes a notice."""
    fields = f"title='{title}', body='Written by a test', category=Category.objects.first()"
    return f"from board.models import Category, Notice; Notice.objects.create({fields})"


def migration(folder: Path, name: str, *operations: str, app: str = "board", code: str = "", after: str = "") -> str:
    """Write a migration that follows the app's newest one; returns its full name (app.0004_name).

    `operations` and `code` are Python; `after` is one more dependency as app.name.
    """
    steps = folder / app / "migrations"
    newest = sorted(path.stem for path in steps.glob("0*.py"))
    full = f"{len(newest) + 1:04}_{name}"
    needed = [f'("{app}", "{newest[-1]}")'] if newest else []
    needed += ['("{}", "{}")'.format(*after.split(".", 1))] if after else []
    lines = "\n".join(f"        {operation}," for operation in operations)
    text = MIGRATION.format(
        dependencies=", ".join(needed), operations=lines, code=code.strip() + "\n\n\n" if code else ""
    )
    (steps / f"{full}.py").write_text(text, encoding="utf-8")
    return f"{app}.{full}"


def add_column(folder: Path, name: str = "priority") -> str:
    """Add a column that older code can live with (a default in the database); returns the migration."""
    field = "models.IntegerField(default=0, db_default=0, editable=False)"
    anchor = "    objects = NoticeQuerySet.as_manager()"
    replace(folder, "board/models.py", anchor, f"    {name} = {field}\n\n{anchor}")
    return migration(folder, f"notice_{name}", f'migrations.AddField("notice", "{name}", {field})')


def drop_column(folder: Path) -> str:
    """Drop a column that the version before reads and writes (read_by); returns the migration."""
    field = '    read_by = models.CharField(max_length=100, editable=False, default="", db_default="")\n'
    replace(folder, "board/models.py", field, "")
    for path in sorted((folder / "board").rglob("*")):
        if path.suffix in (".py", ".html") and path.parent.name != "migrations":
            text = path.read_text(encoding="utf-8")
            if "read_by" in text:
                path.write_text(without_read_by(text), encoding="utf-8")
    return migration(folder, "no_read_by", 'migrations.RemoveField("notice", "read_by")')


def stop_using_column(folder: Path) -> str:
    """Take the same field out of the code alone: the first of two releases that drop it; returns the migration."""
    full = drop_column(folder)
    file = folder / "board/migrations" / f"{full.split('.')[1]}.py"
    field = "models.CharField(max_length=100, null=True)"
    replace(folder, f"board/migrations/{file.name}", 'migrations.RemoveField("notice", "read_by")',
            f'migrations.AlterField("notice", "read_by", {field}), migrations.SeparateDatabaseAndState('
            'state_operations=[migrations.RemoveField("notice", "read_by")])')  # fmt: skip
    return full


def drop_unused_column(folder: Path) -> str:
    """Drop it from the database: the second of the two; returns the migration."""
    there = f"ALTER TABLE board_notice ADD COLUMN {DROPPED_COLUMN} varchar(100)"
    gone = f"ALTER TABLE board_notice DROP COLUMN {DROPPED_COLUMN}"
    return migration(folder, "drop_unused", f'migrations.RunSQL("{gone}", "{there}")')


def without_read_by(text: str) -> str:
    """Return code or a page without its uses of the field read_by."""
    text = re.sub(r',\s*"read_by"', "", text)
    text = re.sub(r",?\s*\bread_by=[^,()]*(\([^()]*\))?", "", text)
    return re.sub(r"\{\{[^}]*read_by[^}]*\}\}", "", text)


def other_app(folder: Path, name: str = "archive") -> str:
    """Add a second app whose table points at the board's newest migration; returns its migration."""
    newest = max(path.stem for path in (folder / "board/migrations").glob("0*.py"))
    steps = folder / name / "migrations"
    steps.mkdir(parents=True)
    for init in (folder / name / "__init__.py", steps / "__init__.py"):
        init.write_text("", encoding="utf-8")
    table = 'models.ForeignKey("board.Notice", on_delete=models.CASCADE)'
    model = (
        f'"""Made by a test."""\n\nfrom django.db import models\n\n\nclass Copy(models.Model):\n    notice = {table}\n'
    )
    (folder / name / "models.py").write_text(model, encoding="utf-8")
    replace(folder, "noticeboard/settings.py", '    "board",\n', f'    "board",\n    "{name}",\n')
    key = 'models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")'
    fields = f'[("id", {key}), ("notice", {table})]'
    return migration(folder, "initial", f'migrations.CreateModel("Copy", {fields})', app=name, after=f"board.{newest}")


def fail_halfway(folder: Path) -> list[str]:
    """Two migrations: the first succeeds, the second changes something and then raises; returns both."""
    first = add_column(folder, "halfway")
    code = 'def stop(apps, schema_editor):\n    raise ValueError("this migration fails on purpose")'
    field = "models.IntegerField(default=0, db_default=0)"
    operations = (f'migrations.AddField("notice", "never", {field})', "migrations.RunPython(stop)")
    return [first, migration(folder, "fails", *operations, code=code)]


def irreversible(folder: Path) -> str:
    """Add a data migration that nothing reverses; returns it."""
    code = (
        "def shout(apps, schema_editor):\n"
        '    for category in apps.get_model("board", "Category").objects.all():\n'
        "        category.name = category.name.upper()\n"
        "        category.save()"
    )
    return migration(folder, "shout", "migrations.RunPython(shout)", code=code)


def syntax_error(folder: Path) -> None:
    """Break the views: Django's checks import them."""
    append(folder, "board/views.py", "\ndef broken(:\n")


def broken_settings(folder: Path) -> None:
    """Settings that import what does not exist."""
    append(folder, "noticeboard/settings.py", "\nimport no_such_module\n")


def missing_env_key(folder: Path, name: str = "PAYMENT_KEY") -> None:
    """Settings that insist on an environment variable."""
    append(folder, "noticeboard/settings.py", f'\n{name} = env.str("{name}")\n')


def broken_static(folder: Path) -> None:
    """A style sheet that refers to a picture that is not there: collectstatic with hashed names fails."""
    append(folder, "board/static/board/board.css", '\n.missing { background: url("not-there.png"); }\n')


def slow_build(folder: Path, seconds: int = 10) -> None:
    """Static files that take their time to be collected."""
    command = (
        '"""Made by a test."""\n\nimport time\n\n'
        "from django.contrib.staticfiles.management.commands import collectstatic\n\n\n"
        "class Command(collectstatic.Command):\n    def handle(self, **options):\n"
        f"        time.sleep({seconds})\n        return super().handle(**options)\n"
    )
    (folder / "board/management/commands/collectstatic.py").write_text(command, encoding="utf-8")


def answers_500(folder: Path) -> None:
    """Pages that all fail; checks, migrations and static files are well."""
    middleware = (
        '"""Made by a test."""\n\n\ndef fail(get_response):\n    def answer(request):\n'
        '        raise RuntimeError("every page fails on purpose")\n\n    return answer\n'
    )
    (folder / "board/fail.py").write_text(middleware, encoding="utf-8")
    replace(folder, "noticeboard/settings.py", "MIDDLEWARE = [", 'MIDDLEWARE = [\n    "board.fail.fail",')


def never_ready(folder: Path) -> None:
    """A web server that never answers: the entry point waits for longer than any start may take."""
    append(folder, "noticeboard/wsgi.py", "\nimport time\n\ntime.sleep(3600)\n")


def slow_view(folder: Path, seconds: float = 2) -> None:
    """Add a page, /slow/, that takes its time: a request that is in flight while something else happens."""
    view = f"\n\ndef slow(request):\n    time.sleep({seconds})\n    return HttpResponse('slow')\n"
    replace(folder, "board/views.py", "import logging\n", "import logging\nimport time\n")
    append(folder, "board/views.py", view)
    replace(folder, "board/urls.py", "urlpatterns = [\n", 'urlpatterns = [\n    path("slow/", views.slow),\n')
