"""The environment of a build (no secret, no domain), and the part of it that a release brings to its processes."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from .fetching import CERTIFICATES
from .sandbox import INSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .building import Building

# What stands in for values that only an environment has
STAND_INS = {
    "SECRET_KEY": "build-only-not-a-secret",
    "DEBUG": "False",
    "ALLOWED_HOSTS": "localhost",
    "CSRF_TRUSTED_ORIGINS": "https://localhost",
}
ANYTHING = "build"
#: The same for names that nobody has told more about, by how they end
BY_NAME = (
    (r"DSN", "https://build@localhost/1"),
    (r"(URLS?|URI|ENDPOINT|WEBHOOK|ORIGINS?)", "https://localhost"),
    (r"(HOSTS?|HOSTNAME|DOMAINS?|SERVER)", "localhost"),
    (r"(IP|ADDR)", "127.0.0.1"),
    (r"(EMAIL|EMAIL_ADDRESS|MAIL_FROM|FROM_EMAIL)", "build@localhost"),
    (
        r"(PORT|ID|TIMEOUT|SECONDS|MINUTES|HOURS|DAYS|AGE|TTL|COUNT|SIZE|LIMIT|MAX|MIN|NUM|NUMBER|INTERVAL|RATE|WORKERS"
        r"|THREADS|RETRIES|DB|VERSION)",
        "1",
    ),
    (r"(ENABLED?|DISABLED?|USE_TLS|USE_SSL|USE_TZ|SECURE|DEBUG|VERIFY)", "False"),
    (r"(PATH|DIR|DIRECTORY|FOLDER|ROOT)", "/srv"),
    (r"(FILE|FILENAME|CERT|CA)", "/dev/null"),
    (r"JSON", "{}"),
    (r"LOG_?LEVEL", "INFO"),
    (r"(TZ|TIME_?ZONE)", "UTC"),
    (r"(LANGUAGE|LANGUAGE_CODE|LOCALE)", "en"),
    (r"FERNET_KEYS?", "YnVpbGQtb25seS1idWlsZC1vbmx5LWJ1aWxkLW9ubHk="),
)
#: Begins what is no variable, but how names of variables end
ANY = "*"


def of_build(builder: Building) -> dict[str, str]:
    """Return the environment of the build: no secret, no domain; placeholders for what the settings insist on."""
    services: dict[str, str] = builder.params["stand_ins"]
    values = STAND_INS | {name: value for name, value in services.items() if not name.startswith(ANY)}
    suiting: dict[str, str] = builder.release.get("stand_ins") or {}
    for name in insisted_on(builder):
        values.setdefault(name, suiting.get(name) or stand_in(name, services))
    values.update(of_release(builder))
    values["MEDIA_ROOT"] = media(builder)
    # A Node that npm brings knows its own authorities alone, where the system's one knows the machine's.
    values["NODE_EXTRA_CA_CERTS"] = CERTIFICATES
    values.update({name: str(value) for name, value in builder.params["build_env"].items()})
    # Byte-code is made once, at the end, and checked by the source's digest: a time says nothing on another host.
    values |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
    return {**values, **own_folders()}


def insisted_on(builder: Building) -> list[str]:
    """Return the variables that the settings insist on: as their text says, and as a step of the build has said."""
    said = [name for name, required in builder.release["environment"].items() if required]
    return [*said, *builder.demanded]


def standing_in(builder: Building) -> dict[str, str]:
    """Return the variables that something stands in for which only an environment has, by guess."""
    values, given = of_build(builder), builder.params["build_env"]
    return {
        name: values[name] for name in insisted_on(builder) if name not in {*STAND_INS, *given, *of_release(builder)}
    }


def media(builder: Building) -> str:
    """Return the folder of what people upload."""
    return os.path.join(builder.params["root"], "shared", "media")


def own_folders() -> dict[str, str]:
    """Return where a step of a build keeps what it needs for itself."""
    return dict.fromkeys(("HOME", "TMPDIR", "APP_DATA_PATH"), os.path.join(INSIDE, "home"))


def of_release(builder: Building) -> dict[str, str]:
    """Return what release.env holds."""
    place, release = builder.place, builder.release
    # What runs live code keeps the environment that it began with, whichever the next one has.
    venv = builder.venv if builder.live_path else place.path("venv")
    paths = [builder.params["overlay_path"], place.path("app")]
    paths += [place.path("source", *path.split("/")) for path in release["python_path"]]
    values = {
        "DJANGO_SETTINGS_MODULE": "samestack_settings" if builder.params["overlay"] else release["settings"],
        "SAMESTACK_BASE_SETTINGS": release["settings"],
        "SAMESTACK_APPLICATION": "samestack_live:application" if builder.live_path else release["application"],
        "SAMESTACK_BASE_APPLICATION": release["application"],
        "SAMESTACK_INTERFACE": release["interface"],
        # Django speaks no lifespan protocol: granian's `nl`.
        "SAMESTACK_GRANIAN_INTERFACE": {"asgi": "asginl"}.get(release["interface"], "wsgi"),
        "SAMESTACK_SERVER": release["server"],
        "SAMESTACK_RELEASE": place.id,
        "SAMESTACK_DEBUG_VARIABLE": release.get("debug_variable") or "",
        "PYTHONPATH": ":".join(paths),
        "STATIC_ROOT": place.path("static"),
        "VIRTUAL_ENV": venv,
        "PATH": os.path.join(venv, "bin") + ":/usr/local/bin:/usr/bin:/bin",
    }
    if builder.live_path:
        values["PYTHONDONTWRITEBYTECODE"] = "1"
    return values


def file_text(builder: Building) -> str:
    """Return the text of release.env."""
    return "".join(f'{name}="{value}"\n' for name, value in of_release(builder).items())


def stand_in(name: str, services: Mapping[str, str]) -> str:
    """Return a harmless value for a variable, by how its name ends; `services`: what their roles say to that."""
    for ending, value in {**STAND_INS, **services}.items():
        if name.endswith(ending.removeprefix(ANY)):
            return value
    return next((value for ending, value in BY_NAME if re.search(rf"(^|_){ending}$", name)), ANYTHING)
