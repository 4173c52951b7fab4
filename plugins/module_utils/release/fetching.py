"""Who fetches packages on a host, and where they are kept between builds."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON = "/usr/bin/python3"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def fetch_account(params: Mapping[str, Any]) -> pwd.struct_passwd:
    """Return the entry of the user that fetches, whose cache is there then; raises HostError without that user."""
    try:
        account = pwd.getpwnam(params["fetch_user"])
    except KeyError:
        raise HostError(f"this host has no user {params['fetch_user']}", "Run `./samestack provision` first.") from None
    own_cache(params["uv_cache"], account)
    return account


def own_cache(cache: str, account: pwd.struct_passwd) -> None:
    """See to it that the cache is the fetching account's: what somebody else could write to is thrown away."""
    os.makedirs(os.path.dirname(cache), exist_ok=True)
    if os.path.lexists(cache) and os.lstat(cache).st_uid != account.pw_uid:
        subprocess.run(["rm", "-rf", "--one-file-system", cache], check=True, capture_output=True)
    if not os.path.isdir(cache):
        os.mkdir(cache, 0o755)
        os.chown(cache, account.pw_uid, account.pw_gid)
