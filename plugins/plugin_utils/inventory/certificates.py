"""What is wrong with how the site gets its certificate: names that nobody can prove, files that do not belong together.

Runs on the control node: Nginx would refuse some of it, take the rest, and browsers would refuse the site.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import itertools
import ssl
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from ...module_utils.standalone.certificates import BELOW, WARN_AT, WARN_AT_MOST, covers
from ..errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from .laws import Place

TLS, DOMAINS, STATIC, TRUSTED = "web_tls", "app_domains", "app_static_domain", "machine_trusted_ca_files"
#: What the advice is about
READ = (TLS, DOMAINS, STATIC)
WILDCARD = "*."
#: Messages from one side to the other: a handshake of TLS 1.3 takes two, one of TLS 1.2 four.
FLIGHTS = 6


def certificate_problems(values: Mapping[str, Any], place: Place, root: Path) -> Iterator[Problem]:
    """Yield what is wrong with the names of the site and with where its certificate comes from."""
    tls = values.get(TLS)
    names = site_names(values)
    if not isinstance(tls, dict) or not names:
        return
    if names[0].startswith(WILDCARD):
        what = "the first name is the one that links and checks use, and a wildcard is none"
        yield Problem(f"{DOMAINS}[0]", place(DOMAINS, (0,)), what, "Write a whole name before it", names[0])
    if tls.get("provider") == "acme" and tls.get("challenge", "http") == "http":
        for index, name in enumerate(values[DOMAINS]):
            if str(name).startswith(WILDCARD):
                what = "an ACME authority gives a wildcard only to whom the zone belongs"
                fix = (
                    f"Prove it in the zone: {TLS}.challenge: rfc2136 or hook (docs/certificates.md), or name each name"
                )
                yield Problem(f"{DOMAINS}[{index}]", place(DOMAINS, (index,)), what, fix, str(name))
    if tls.get("provider") == "provided" and all(isinstance(tls.get(part), str) for part in ("certificate", "key")):
        yield from Provided(tls, place, root).problems(names, trusted_roots(values, root))


def certificate_advice(values: Mapping[str, Any], place: Place, root: Path, web_hosts: int) -> Iterator[Problem]:
    """Yield what works today, and will not for long or not always."""
    tls = values.get(TLS)
    if not isinstance(tls, dict):
        return
    if tls.get("provider") == "acme" and tls.get("challenge", "http") == "http" and web_hosts > 1:
        what = f"{web_hosts} web servers share the names, and the authority's question reaches any one of them"
        fix = "Prove the names by DNS (challenge: rfc2136 or hook), or give the servers one certificate (provided)"
        yield Problem(f"{TLS}.challenge", place(TLS, ()), what, fix, "http")
    if tls.get("provider") == "provided" and all(isinstance(tls.get(part), str) for part in ("certificate", "key")):
        yield from Provided(tls, place, root).advice()


def site_names(values: Mapping[str, Any]) -> list[str]:
    """Return the names that the certificate has to be for."""
    domains = values.get(DOMAINS)
    names = [str(name) for name in domains] if isinstance(domains, list) else []
    static = values.get(STATIC)
    return [name for name in [*names, *([str(static)] if static and names else [])] if "{{" not in name]


def example_of(name: str) -> str:
    """Return a name that a visitor may ask for, where a name of the site is a wildcard."""
    return name.replace("*", BELOW, 1)


def common_name(name: x509.Name) -> str:
    """Return how people call the owner of a certificate."""
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    """Tell whether a certificate was signed with another one's key."""
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def certificates_of(file: Path) -> list[x509.Certificate]:
    """Return the certificates in a PEM file; raises ValueError."""
    return x509.load_pem_x509_certificates(file.read_bytes())


@functools.cache
def roots_of_this_computer() -> tuple[x509.Certificate, ...]:
    """Return the authorities that this computer trusts; none where its store cannot be read."""
    found = []
    with warnings.catch_warnings():
        # Old roots have numbers that the library takes with a warning, and some day not any more.
        warnings.simplefilter("ignore")
        for der in ssl.create_default_context().get_ca_certs(binary_form=True):
            with contextlib.suppress(ValueError):
                found.append(x509.load_der_x509_certificate(der))
    return tuple(found)


def trusted_roots(values: Mapping[str, Any], root: Path) -> list[x509.Certificate]:
    """Return the authorities that this computer trusts, and those that the machines do."""
    given = values.get(TRUSTED)
    found = list(roots_of_this_computer())
    for path in given if isinstance(given, list) else []:
        try:
            found += certificates_of(root / Path(str(path)).expanduser())
        except (OSError, ValueError):
            continue
    return found


class Provided:
    """A certificate and its key in files of the control node."""

    def __init__(self, tls: Mapping[str, Any], place: Place, root: Path) -> None:
        """Take `web_tls`, who tells where it was written, and where file names begin."""
        self.place = place
        self.written = {part: str(tls[part]) for part in ("certificate", "key")}
        self.files = {part: root / Path(text).expanduser() for part, text in self.written.items()}

    def problem(self, part: str, what: str, fix: str) -> Problem:
        """Return a problem with one of the files."""
        return Problem(f"{TLS}.{part}", self.place(TLS, (part,)), what, fix, self.written[part])

    def chain(self) -> list[x509.Certificate]:
        """Return the certificates, the site's own first; none where the file is none."""
        try:
            return certificates_of(self.files["certificate"])
        except (OSError, ValueError):
            return []

    def problems(self, names: list[str], roots: list[x509.Certificate]) -> Iterator[Problem]:
        """Yield what is wrong with the files; one that is not there is told of by its format."""
        if not all(file.is_file() for file in self.files.values()):
            return
        chain = self.chain()
        found = list(self._named_problems(chain, names, roots))
        yield from found or self._other_problems(chain, names, roots)

    def _named_problems(
        self, chain: list[x509.Certificate], names: list[str], roots: list[x509.Certificate]
    ) -> Iterator[Problem]:
        if not chain:
            fix = "Write the certificate in PEM (-----BEGIN CERTIFICATE-----), with its chain behind it"
            yield self.problem("certificate", "the file holds no certificate", fix)
            return
        of_the_key = list(self._key_problems(chain))
        yield from of_the_key
        if any(problem.variable == f"{TLS}.certificate" for problem in of_the_key):
            # In another order the rest would be about another certificate.
            return
        yield from self._time_problems(chain)
        held = names_of(chain[0])
        if missing := [name for name in names if not covers(held, name)]:
            what = f"it is for {', '.join(held) or 'no name'}, and not for {', '.join(missing)}"
            yield self.problem("certificate", what, f"Get one for all names, or take {missing[0]} out of {DOMAINS}")
        yield from self._chain_problems(chain, roots)

    def _other_problems(
        self, chain: list[x509.Certificate], names: list[str], roots: list[x509.Certificate]
    ) -> Iterator[Problem]:
        trusted = [*roots, *(one for one in chain[-1:] if signed(one, one))]
        for asked in map(example_of, names if roots else []):
            if why := self.refusal(asked, trusted):
                what = f"whoever visits {asked} is shown an error: {why}"
                yield self.problem("certificate", what, "Have your authority issue it anew, for web servers")
                return

    def refusal(self, name: str, trusted: list[x509.Certificate]) -> str:
        """Return why a visitor of a name refuses the certificate, "" where nobody does.

        Server and visitor are both here: OpenSSL itself decides, which Nginx and many visitors use.
        """
        try:
            own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            own.load_cert_chain(self.files["certificate"], self.files["key"])
            theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            theirs.load_verify_locations(
                cadata=b"".join(one.public_bytes(serialization.Encoding.DER) for one in trusted)
            )
            up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
            server = own.wrap_bio(up, down, server_side=True)
            visitor = theirs.wrap_bio(down, up, server_hostname=name)
            for side in itertools.islice(itertools.cycle((visitor, server)), FLIGHTS):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
        except ssl.SSLCertVerificationError as error:
            return str(error.verify_message)
        except ssl.SSLError as error:
            return (error.reason or str(error)).lower().replace("_", " ")
        return ""

    def _key_problems(self, chain: list[x509.Certificate]) -> Iterator[Problem]:
        try:
            key: PrivateKeyTypes = serialization.load_pem_private_key(self.files["key"].read_bytes(), None)
        except TypeError:
            fix = "Write it without one, `openssl pkey -in … -out …`, in a file that you alone can read"
            yield self.problem("key", "the key is protected by a passphrase, and Nginx cannot ask for it", fix)
            return
        except (OSError, ValueError, UnsupportedAlgorithm):
            yield self.problem("key", "the file holds no private key", "Write the key in PEM")
            return
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        own = key.public_key().public_bytes(*form)
        fitting = [one for one in chain if one.public_key().public_bytes(*form) == own]
        if fitting and fitting[0] is not chain[0]:
            what = f"the site's own certificate ({common_name(fitting[0].subject)}) is not the first in the file"
            yield self.problem("certificate", what, "Put it first, then the one that signed it, and so on")
        elif not fitting:
            what = f"it does not belong to the certificate in {self.written['certificate']}"
            yield self.problem("key", what, "Write the key with which that certificate was asked for")

    def _time_problems(self, chain: list[x509.Certificate]) -> Iterator[Problem]:
        now = datetime.datetime.now(datetime.UTC)
        for number, one in enumerate(chain):
            whose = "it" if number == 0 else f"{common_name(one.subject)}, which is in its chain,"
            if one.not_valid_after_utc <= now:
                what = f"{whose} ended at {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
                yield self.problem("certificate", what, "Write the renewed one there")
            elif one.not_valid_before_utc > now:
                what = f"{whose} is valid from {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on"
                yield self.problem("certificate", what, "Wait until then, or compare this computer's clock")

    def _chain_problems(self, chain: list[x509.Certificate], roots: list[x509.Certificate]) -> Iterator[Problem]:
        for one, following in itertools.pairwise(chain):
            if not signed(one, following):
                what = (
                    f"{common_name(one.subject)} is followed by {common_name(following.subject)}, which did not sign it"
                )
                fix = "Put each certificate before the one that signed it, and nothing else into the file"
                yield self.problem("certificate", what, fix)
                return
        last = chain[-1]
        if signed(last, last) or not roots or any(signed(last, root) for root in roots if root.subject == last.issuer):
            return
        issuer = common_name(last.issuer)
        what = f"the chain ends at {common_name(last.subject)}, and {issuer}, which signed it, is no known authority"
        fix = (
            f"Append the certificate of {issuer}, which your authority hands out (chain, intermediate); where that is "
        )
        yield self.problem("certificate", what, f"{fix}an authority of your own, name its file in {TRUSTED}")

    def advice(self) -> Iterator[Problem]:
        """Yield that it ends soon: nobody renews it but people."""
        chain = self.chain()
        if not chain:
            return
        first = min(chain, key=lambda one: one.not_valid_after_utc)
        left = first.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        lifetime = first.not_valid_after_utc - first.not_valid_before_utc
        if left < min(lifetime / WARN_AT, datetime.timedelta(seconds=WARN_AT_MOST)):
            what = f"it ends at {first.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, in {left.days} days"
            yield self.problem("certificate", what, "Write the renewed one there before, and provision")


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the domain names that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return found.get_values_for_type(x509.DNSName)
