"""Section `certificates` in comparisons: what is shown and trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 150, "crt"
RULES = """
certificates/*:{fingerprint,ends} | expected                 | each certificate has its own
certificates/*/internal-ca.crt:*  | expected                 | each environment has its own authority
certificates/trusted otherwise    | topology                 | the database server's packages bring one
certificates/trusted*             | machine_trusted_ca_files | authorities that are trusted
certificates/*/nginx/tls/*:names  | app_live_path web_tls    | caught mail is read by who develops
certificates/*                    | web_tls topology         | where the certificate comes from
"""


def remedy(case: Case) -> str:
    """Ours come back by a provision; an authority that somebody trusts goes with its file."""
    if case.is_extra and case.key.startswith("trusted:"):
        return case.by_hand(
            "remove its file from /usr/local/share/ca-certificates, then: sudo update-ca-certificates --fresh"
        )
    return case.provision
