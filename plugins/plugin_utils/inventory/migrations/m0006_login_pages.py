"""The pages where people log in, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .project import CannotRewriteError
from .steps import Reshape

if TYPE_CHECKING:
    from collections.abc import Mapping

SINCE = "0.3.0"
WHAT = "security_login_paths is part of web_login_paths"

#: What each was where nobody said anything
SHUT_OUT, COUNTED = ["/admin/login/", "/accounts/login/"], ["/admin/login/", "/accounts/login/", "/login/"]


def together(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return one list for both."""
    shut_out = values.get("security_login_paths", SHUT_OUT)
    counted = values.get("web_login_paths", COUNTED)
    if not all(isinstance(one, list) for one in (shut_out, counted)):
        raise CannotRewriteError("it is worked out by a template", "Write web_login_paths: […] with the paths of both")
    if bool(shut_out) != bool(counted):
        raise CannotRewriteError(
            "attempts are counted where failures shut out, and one of these lists is empty",
            "Take it out, or write web_login_paths: [] for neither",
        )
    return {"web_login_paths": list(dict.fromkeys([*counted, *shut_out]))}


def apart(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list for each."""
    return {"web_login_paths": values["web_login_paths"], "security_login_paths": values["web_login_paths"]}


STEPS = (Reshape(("security_login_paths", "web_login_paths"), ("web_login_paths",), together, apart),)
