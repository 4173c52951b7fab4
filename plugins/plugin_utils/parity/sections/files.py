"""Section `files` in comparisons: what is not as its package brought it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 220, "etc"
RULES = """
files/*/{server.pem,server-….pem,internal-ca.crt} | topology machine_address | traffic between its machines
files/*/ca-certificates*                          | machine_trusted_ca_files | authorities that are trusted
files/*certbot*                                   | web_tls                  | renews what comes from ACME
files/*letsencrypt*                               | web_tls                  | where certificates come from
"""
#: What the record says of a file that a package brought, and how that brings it again
PACKAGED = "not as its package brought it"
AGAIN = (
    "sudo apt-get install --reinstall -o Dpkg::Options::=--force-confask,confnew,confmiss "
    '"$(dpkg-query -S {} | cut -d: -f1)"'
)


def remedy(case: Case) -> str:
    """A file of nobody's goes; one of ours is written again; one of a package's is taken from the package."""
    path = shlex.quote(case.key.removeprefix("setuid:"))
    if case.ours:
        return case.provision
    if case.key.startswith("setuid:"):
        return case.by_hand(f"sudo chmod u-s,g-s {path}")
    if case.is_extra and PACKAGED in case.value_text:
        return case.by_hand(AGAIN.format(path))
    if case.is_extra:
        return case.by_hand(f"sudo rm {path}")
    return case.by_hand(f"put {path} {f'as it is on {case.model}' if case.model else 'back as it was'}")
