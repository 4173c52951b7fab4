"""Section `certificate`: the one that is shown. Who watches its end and tells of it is samestack-certificates."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from ...standalone import certificates
from ..check import RED, Check, Facts, Finding, Look
from ..metrics import Metric
from ..spans import day, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Seconds for which what was read of one that is still shown counts; and until one is looked at that no visit showed
READ, SHOWN = 86400, 600


def gather(look: Look) -> Facts | None:
    """Return the facts of each name; raises nothing."""
    site = look.settings.site
    if not site:
        return None
    seen = look.shared.get("certificate", {})
    return {
        "now": look.now,
        "acme": site["acme"],
        "names": {name: one(look, name, seen.get(name)) for name in site["names"]},
    }


def one(look: Look, name: str, seen: bytes | None) -> Facts:
    """Return what is shown for a name: what a visit has shown, or what is asked for now and then."""
    asked = name.replace("*", certificates.BELOW, 1)
    try:
        if seen:
            pem = ssl.DER_cert_to_PEM_cert(seen)
        else:
            pem = look.seldom(f"shown {name}", SHOWN, lambda: certificates.shown(asked))
        # Reading it takes a program; the same text says the same.
        found = look.seldom(f"certificate {name}", READ, lambda: list(certificates.read(pem)), stamp=pem)
    except (OSError, ValueError) as error:
        return {"error": str(error)}
    return {"error": "", "read": found, "name": asked}


def judge(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what is wrong with each."""
    for name, about in facts["names"].items():
        if about["error"]:
            yield Finding(
                f"{name} unseen", RED, f"the certificate of {name} cannot be seen: {about['error']}", "provision"
            )
            continue
        found = known(about)
        word, sentence = certificates.trouble(found, about["name"], facts["now"], acme=facts["acme"])
        if word:
            yield Finding(f"{name} {word}", RED, f"the certificate of {name} {sentence}", "provision")


def known(about: Facts) -> certificates.Certificate:
    """Return what was read, as it was before it was JSON."""
    begins, ends, names, issuer, algorithm = about["read"]
    return certificates.Certificate(begins, ends, tuple(names), issuer, algorithm)


def words(facts: Facts) -> str:
    """Return until when the one holds that ends first."""
    ends = [known(about).ends for about in facts["names"].values() if not about["error"]]
    return f"{span(min(ends) - facts['now'])} left, until {day(min(ends))}" if ends else "none is shown"


def metrics(facts: Facts) -> Iterator[Metric]:
    """Yield when each ends; what cannot be seen has none."""
    for name, about in facts["names"].items():
        if not about["error"]:
            yield Metric("samestack_certificate_ends_seconds", known(about).ends, {"name": name})


CHECK = Check("certificate", 100, gather, judge, words, metrics, tells=False)
