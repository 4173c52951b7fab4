"""Categories and notices."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import board.models


class Migration(migrations.Migration):
    """The first tables."""

    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="Category",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=50, unique=True)),
                ("slug", models.SlugField(unique=True)),
            ],
            options={"verbose_name_plural": "categories", "ordering": ("name",)},
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=120)),
                ("body", models.TextField()),
                (
                    "category",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="notices", to="board.category"
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "published_at",
                    models.DateTimeField(
                        db_index=True,
                        default=django.utils.timezone.now,
                        help_text="In UTC. A time to come keeps the notice back until then.",
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, help_text="In UTC. Leave empty to keep the notice up.", null=True),
                ),
                (
                    "attachment",
                    models.FileField(
                        blank=True,
                        help_text="Up to 5 MB: csv, gif, jpeg, jpg, ods, odt, pdf, png, txt, webp.",
                        upload_to="attachments/%Y/%m/",
                        validators=[
                            django.core.validators.FileExtensionValidator(
                                ["csv", "gif", "jpeg", "jpg", "ods", "odt", "pdf", "png", "txt", "webp"]
                            ),
                            board.models.check_size,
                        ],
                    ),
                ),
                ("archived", models.BooleanField(default=False, editable=False)),
            ],
            options={"ordering": ("-published_at", "-pk"), "get_latest_by": "published_at"},
        ),
    ]
