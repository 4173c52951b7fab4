"""What never leaves production, whatever sanitise.yml says or does not say: Django's own tables and well-known apps'.

By table. Tables of the first two lists are left out with all their rows; `SECRET` ones let whoever has them in,
and no statement of the project's keeps those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .catalogue import Column, Table

KEEP: dict[str, Any] = {"kind": "keep"}
EMAIL: dict[str, Any] = {"kind": "fake e-mail"}
BLANK: dict[str, Any] = {"kind": "empty"}
HASH: dict[str, Any] = {"kind": "hash"}
UNUSABLE: dict[str, Any] = {"kind": "unusable password"}

#: Let whoever has their rows in
SECRET = (
    "django_session", "authtoken_token", "knox_authtoken",
    "token_blacklist_outstandingtoken", "token_blacklist_blacklistedtoken",
    "account_emailconfirmation", "socialaccount_socialtoken", "socialaccount_socialapp", "mfa_authenticator",
    "usersessions_usersession", "user_sessions_session",
    "oauth2_provider_accesstoken", "oauth2_provider_refreshtoken", "oauth2_provider_grant", "oauth2_provider_idtoken",
    "oauth2_provider_application", "oidc_provider_token", "oidc_provider_code", "oidc_provider_rsakey",
    "social_auth_nonce", "social_auth_association", "social_auth_code", "social_auth_partial",
    "social_auth_usersocialauth",
    "otp_totp_totpdevice", "otp_hotp_hotpdevice", "otp_static_staticdevice", "otp_static_statictoken",
    "otp_email_emaildevice", "otp_webauthn_webauthncredential", "two_factor_phonedevice", "otp_twilio_twiliosmsdevice",
    "django_rest_passwordreset_resetpasswordtoken", "rest_framework_api_key_apikey", "passkeys_userpasskey",
    "loginas_loginas", "sesame_token", "magic_link_magiclink", "drf_api_key_apikey",
)  # fmt: skip
#: Say who did what, or wait to be sent, run or shown once more
TRACES = (
    "django_admin_log", "django_dramatiq_task", "django_apscheduler_djangojobexecution", "django_apscheduler_djangojob",
    "mailer_message", "mailer_messagelog", "mailer_dontsendentry",
    "post_office_email", "post_office_attachment", "post_office_attachment_emails", "post_office_log",
    "django_mail_admin_outgoingemail", "django_mail_admin_incomingemail", "djmail_message", "mailqueue_mailermessage",
    "mailqueue_attachment", "django_yubin_message", "django_yubin_queuedmessage", "django_yubin_log",
    "django_q_task", "django_q_ormq", "django_q_schedule", "background_task", "background_task_completedtask",
    "django_celery_results_taskresult", "django_celery_results_groupresult", "django_celery_results_chordcounter",
    "django_tasks_database_dbtaskresult", "procrastinate_jobs", "procrastinate_events",
    "procrastinate_periodic_defers", "procrastinate_workers",
    "axes_accessattempt", "axes_accessattemptexpiration", "axes_accesslog", "axes_accessfailurelog",
    "defender_accessattempt", "reversion_revision", "reversion_version", "auditlog_logentry",
    "easyaudit_crudevent", "easyaudit_loginevent", "easyaudit_requestevent",
    "silk_request", "silk_response", "silk_sqlquery", "silk_profile", "silk_profile_queries", "request_request",
    "easy_thumbnails_source", "easy_thumbnails_thumbnail", "easy_thumbnails_thumbnaildimensions", "thumbnail_kvstore",
    "captcha_captchastore", "push_notifications_gcmdevice", "push_notifications_apnsdevice",
    "push_notifications_wnsdevice", "push_notifications_webpushdevice", "fcm_django_fcmdevice",
    "webpush_pushinformation", "webpush_subscriptioninfo", "explorer_querylog", "watson_searchentry",
    "wagtailcore_revision", "wagtailcore_pagelogentry", "wagtailcore_modellogentry", "wagtailcore_comment",
    "wagtailcore_commentreply", "wagtailcore_taskstate", "wagtailcore_workflowstate",
    "wagtailcore_uploadedfile", "wagtailusers_userprofile", "wagtailimages_rendition", "wagtailimages_uploadedimage",
    "wagtaildocs_uploadeddocument", "wagtailsearch_indexentry", "wagtailsearch_query", "wagtailsearch_querydailyhits",
    "wagtailforms_formsubmission", "wagtail_localize_translationlog",
)  # fmt: skip
#: What Django and such apps need to work, and what has nothing of people's in it; a statement of the project's wins.
COLUMNS: dict[str, dict[str, Any]] = {
    "django_migrations": {"app": KEEP, "name": KEEP},
    "django_content_type": {"app_label": KEEP, "model": KEEP, "name": KEEP},
    "auth_permission": {"name": KEEP, "codename": KEEP},
    "auth_group": {"name": KEEP},
    "django_site": {"domain": KEEP, "name": KEEP},
    "account_emailaddress": {"email": EMAIL},
    "socialaccount_socialaccount": {"provider": KEEP, "uid": HASH, "extra_data": BLANK},
    "wagtailcore_locale": {"language_code": KEEP},
    "wagtailcore_site": {"hostname": KEEP, "site_name": KEEP},
    "wagtailcore_collection": {"path": KEEP, "name": KEEP},
    "wagtailcore_pageviewrestriction": {"restriction_type": KEEP, "password": BLANK},
    "wagtailcore_collectionviewrestriction": {"restriction_type": KEEP, "password": BLANK},
    "django_celery_beat_crontabschedule": dict.fromkeys(
        ("minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone"), KEEP
    ),
    "django_celery_beat_intervalschedule": {"period": KEEP},
    "django_celery_beat_solarschedule": {"event": KEEP},
    "waffle_switch": {"name": KEEP, "note": BLANK},
}
#: A cache of Django's has these columns and no others; what django-simple-history keeps of a table has these, too.
CACHE = {"cache_key", "value", "expires"}
HISTORY = {"history_id", "history_date", "history_type"}
#: Where Django's own user has the hash; of others the models say so.
HASHES = {"auth_user": "password"}


def is_secret(table: Table) -> bool:
    """Return whether a table's rows let somebody in."""
    return table.bare in SECRET


def left_out(table: Table) -> str:
    """Return why a table is left out by a rule of ours, "" for those that no rule is about."""
    if table.bare in SECRET:
        return "it lets whoever has it in"
    if table.bare in TRACES:
        return "it says who did what, or what is to be sent or run"
    names = set(table.columns)
    if names == CACHE:
        return "it is a cache"
    return "it is the history of another table" if names > HISTORY else ""


def of_columns(table: Table, passwords: Mapping[str, set[str]]) -> Iterator[tuple[Column, dict[str, Any], bool]]:
    """Yield (column, statement, whether it lets somebody in) for what rules say of a table's columns.

    `passwords` are the columns of password hashes by table, as the models say.
    """
    hashes = set(passwords.get(table.name, ())) | set(passwords.get(table.bare, ()))
    if table.bare in HASHES:
        hashes.add(HASHES[table.bare])
    for name in sorted(hashes):
        if name in table.columns:
            yield table.columns[name], UNUSABLE, True
    for name, statement in COLUMNS.get(table.bare, {}).items():
        if name in table.columns:
            yield table.columns[name], statement, False
