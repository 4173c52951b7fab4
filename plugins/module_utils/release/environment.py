"""The environment of a build (no secret, no domain), and the part of it that a release brings to its processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .sandbox import INSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .building import Building

# What stands in for values that only an environment has
STAND_INS = {
    "SECRET_KEY": "build-only-not-a-secret",
    "DEBUG": "false",
    "ALLOWED_HOSTS": "localhost",
    "CSRF_TRUSTED_ORIGINS": "https://localhost",
}
ANYTHING = "build"
#: Begins what is no variable, but how names of variables end
ANY = "*"


def of_build(builder: Building) -> dict[str, str]:
    """Return the environment of the build: no secret, no domain; placeholders for what the settings insist on."""
    services: dict[str, str] = builder.params["stand_ins"]
    values = STAND_INS | {name: value for name, value in services.items() if not name.startswith(ANY)}
    for name, required in builder.release["environment"].items():
        if required:
            values.setdefault(name, stand_in(name, services))
    values.update(of_release(builder))
    values["MEDIA_ROOT"] = os.path.join(builder.params["root"], "shared", "media")
    values.update({name: text(value) for name, value in builder.params["build_env"].items()})
    # Byte-code is made once, at the end, and checked by the source's digest: a time says nothing on another host.
    values |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
    return {**values, **own_folders()}


def own_folders() -> dict[str, str]:
    """Return where a step of a build keeps what it needs for itself."""
    return {"HOME": os.path.join(INSIDE, "home"), "TMPDIR": os.path.join(INSIDE, "home")}


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


def text(value: object) -> str:
    """Return a value as an environment variable."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def stand_in(name: str, services: Mapping[str, str]) -> str:
    """Return a harmless value for a variable, by how its name ends; `services`: what their roles say to that."""
    for ending, value in {**STAND_INS, **services}.items():
        if name.endswith(ending.removeprefix(ANY)):
            return value
    return "1" if name.endswith("PORT") else ANYTHING
