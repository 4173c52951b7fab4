"""What the worker finds out about a notice, and the last run of the timer."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Only additions that the release before can live with."""

    dependencies = [("board", "0002_first_notices")]
    operations = [
        migrations.AddField("notice", "word_count", models.PositiveIntegerField(editable=False, null=True)),
        migrations.AddField(
            "notice",
            "checksum",
            models.CharField(
                db_default="", default="", editable=False, max_length=64, verbose_name="SHA-256 of the text"
            ),
        ),
        migrations.AddField("notice", "read_at", models.DateTimeField(editable=False, null=True)),
        migrations.AddField(
            "notice", "read_by", models.CharField(db_default="", default="", editable=False, max_length=100)
        ),
        migrations.CreateModel(
            name="TimerRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=50, unique=True)),
                ("finished_at", models.DateTimeField()),
                ("outcome", models.CharField(max_length=200)),
            ],
        ),
    ]
