"""X.509 for the project's own authority: local sites, and the traffic between an environment's machines."""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..computer import alone_in
from ..files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]

AUTHORITY_LIFE = datetime.timedelta(days=3650)
# Mozilla's "Server Side TLS" (intermediate, 5.7) allows 366 days; Apple's platforms refuse more than 825.
LIFE = datetime.timedelta(days=365)
# A machine gets the new one with the next provision: it is due long before anybody must think of it.
RENEW_BEFORE = datetime.timedelta(days=120)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, life: datetime.timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Machines' clocks differ a little.
        .not_valid_before(_now() - datetime.timedelta(hours=1))
        .not_valid_after(_now() + life)
    )


def parse_authority(certificate: str, key: str) -> Authority:
    """Return an authority from two PEM texts; raises ValueError when they are not what `new_authority` made."""
    private = serialization.load_pem_private_key(key.encode(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not an elliptic-curve key")
    return x509.load_pem_x509_certificate(certificate.encode()), private


def new_authority(name_prefix: str = "Samestack local authority") -> Authority:
    """Return a new authority; the number in its name tells two of them apart in a browser's list."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number() % 10**6
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name_prefix} {serial:06d}")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def authority_pem(authority: Authority) -> dict[str, str]:
    """Return an authority as two PEM texts, `certificate` and `key`."""
    return {"certificate": _certificate_pem(authority[0]), "key": _key_pem(authority[1])}


def kept_authority(state: Path, computer: Path) -> Authority:
    """Return the authority of this computer, made on first use: whoever trusts it trusts every project here.

    Args:
        state: a project's folder; the certificate alone is copied there, for people to find. One that the project has
            made for itself (an earlier version did) becomes the computer's, where that has none.
        computer: the folder that keeps it.
    """
    with alone_in(computer):
        certificate_file, key_file = computer / "ca.crt", computer / "ca.key"
        if not (certificate_file.exists() and key_file.exists()):
            own = [state / "ca.crt", state / "ca.key"]
            pem = (
                {"certificate": own[0].read_text(), "key": own[1].read_text()}
                if all(file.exists() for file in own)
                else authority_pem(new_authority())
            )
            write_whole(key_file, pem["key"], 0o600)
            write_whole(certificate_file, pem["certificate"], 0o644)
        authority = parse_authority(certificate_file.read_text(), key_file.read_text())
    shown = state / "ca.crt"
    if not shown.exists() or shown.read_bytes() != certificate_file.read_bytes():
        write_whole(shown, certificate_file.read_bytes(), 0o644)
    # It signs nothing any more.
    (state / "ca.key").unlink(missing_ok=True)
    return authority


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _still_good(file: Path, names: list[x509.GeneralName], issuer: x509.Certificate) -> bool:
    if not file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    held = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    fresh = certificate.not_valid_after_utc - _now() > RENEW_BEFORE
    # An earlier version's live longer than browsers and policies take.
    allowed = certificate.not_valid_after_utc - certificate.not_valid_before_utc <= LIFE + datetime.timedelta(hours=1)
    return fresh and allowed and held == names and certificate.issuer == issuer.subject


def issue(
    names: list[str], authority: Authority, life: datetime.timedelta = LIFE, *, client: bool = False
) -> dict[str, str]:
    """Return `certificate` (with its chain) and `key` for domain names or IP addresses, each PEM.

    A certificate is good for a server, or for a client that servers ask who it is, and never for both.
    """
    issuer, issuer_key = authority
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    certificate = (
        _builder(subject, issuer.subject, key, life)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(authority_key, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return {"certificate": _certificate_pem(certificate) + _certificate_pem(issuer), "key": _key_pem(key)}


def kept_pair(names: list[str], state: Path, computer: Path) -> dict[str, str]:
    """Return what `issue` returns, kept in a project's folder; made anew only when it must be.

    Two web servers of a site ask at the same moment, each in a process of its own: one makes the pair.
    """
    (state / "certificates").mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "certificates" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _kept_pair(names, state, computer)


def _kept_pair(names: list[str], state: Path, computer: Path) -> dict[str, str]:
    authority = kept_authority(state, computer)
    stem = state / "certificates" / names[0].replace("*", "_")
    certificate_file, key_file = stem.with_name(f"{stem.name}.crt"), stem.with_name(f"{stem.name}.key")
    general = [_general_name(name) for name in names]
    if not (key_file.exists() and _still_good(certificate_file, general, authority[0])):
        made = issue(names, authority)
        write_whole(key_file, made["key"], 0o600)
        write_whole(certificate_file, made["certificate"], 0o644)
    return {"certificate": certificate_file.read_text(), "key": key_file.read_text()}
