"""What live code ran with before: kept until something newer serves, and put back where that does not work."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from ...common.files import point, read_json, write_atomic
from ...common.folders import remove
from ..place import LIVE_CODE
from . import contents

if TYPE_CHECKING:
    from ..place import Place

#: What names the packages, and is read by every process that starts
FILES = ("release.env", contents.BUILD, "release.json")
KEPT = "before.json"


def keep(place: Place) -> None:
    """Note what it runs with; what was noted before and did not come to serve anything newer, stays."""
    if place.finished and not os.path.exists(place.path(KEPT)) and os.path.islink(place.path("venv")):
        texts = {name: text(place.path(name)) for name in FILES}
        noted = {"venv": os.readlink(place.path("venv")), "files": texts}
        write_atomic(place.path(KEPT), json.dumps(noted) + "\n", 0o600)


def text(path: str) -> str:
    """Return a file's text."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def put_back(place: Place) -> bool:
    """Let new processes of live code run with what the present ones have; returns whether there is something newer."""
    noted = read_json(place.path(KEPT)) if place.id == LIVE_CODE else None
    if not noted:
        return False
    point(place.path("venv"), noted["venv"])
    for name in FILES:
        write_atomic(place.path(name), noted["files"][name])
    remove(place.path(KEPT))
    return True


def settle(place: Place) -> None:
    """Forget what was before: the newer serves."""
    if place.id == LIVE_CODE:
        for name in (KEPT, "venv.old"):
            remove(place.path(name))
