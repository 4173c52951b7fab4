"""The board in Django's admin."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from .models import Category, Notice, TimerRun

admin.site.site_header = "Notice board"
admin.site.site_title = "Notice board"
admin.site.index_title = "What hangs on the board"


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    """Categories with the number of their notices."""

    list_display = ("name", "slug", "notice_count")
    prepopulated_fields = {"slug": ("name",)}
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        """Count the notices in the same query."""
        return super().get_queryset(request).annotate(notice_count=Count("notices"))

    @admin.display(description="notices", ordering="notice_count")
    def notice_count(self, category: Any) -> int:
        """How many notices the category has."""
        return category.notice_count


@admin.register(Notice)
class NoticeAdmin(admin.ModelAdmin):
    """Notices, with the worker's result to read."""

    date_hierarchy = "published_at"
    list_display = ("title", "category", "published_at", "expires_at", "has_attachment", "word_count", "read_at")
    list_filter = ("category", "archived", "published_at")
    list_select_related = ("category",)
    readonly_fields = ("author", "archived", "word_count", "checksum", "read_at", "read_by")
    search_fields = ("title", "body")
    fieldsets = (
        (None, {"fields": ("title", "category", "body", "attachment")}),
        ("Time", {"fields": ("published_at", "expires_at", "archived")}),
        ("Found by the worker", {"fields": ("word_count", "checksum", "read_at", "read_by", "author")}),
    )

    @admin.display(boolean=True, description="file")
    def has_attachment(self, notice: Notice) -> bool:
        """Whether the notice has a file."""
        return bool(notice.attachment)

    def save_model(self, request: HttpRequest, obj: Notice, form: Any, change: bool) -> None:
        """Note who wrote a new notice."""
        if not change:
            obj.author = request.user
        super().save_model(request, obj, form, change)


@admin.register(TimerRun)
class TimerRunAdmin(admin.ModelAdmin):
    """The last run of each timer, to look at only."""

    list_display = ("name", "finished_at", "outcome")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only a timer records a run."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: TimerRun | None = None) -> bool:
        """A run cannot be rewritten."""
        return False
