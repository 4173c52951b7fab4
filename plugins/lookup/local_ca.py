"""Certificates of a local authority, for development and rehearsal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: local_ca
short_description: A certificate of this project's own authority
description:
  - Returns a certificate and its key for the given names, signed by an authority that is made on first use.
  - Everything is kept on the control node in C(.samestack/), keys readable by their owner only, so that repeated runs
    return the same. A certificate is made anew when its names change or less than 30 days of it are left.
options:
  _terms:
    description: Domain names or IP addresses; the first names the certificate.
    required: true
"""

EXAMPLES = r"""
- name: A pair for a site
  ansible.builtin.set_fact:
    pair: "{{ lookup('local_ca', 'example.test') }}"
"""

RETURN = r"""
_raw:
  description: C(certificate) with its chain, C(key) and C(authority), each PEM.
  type: dict
"""

import datetime
import ipaddress
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

STATE = Path(__file__).resolve().parents[2] / ".samestack"
AUTHORITY_LIFE = datetime.timedelta(days=3650)
# Apple's platforms refuse certificates that live longer than 825 days, from whatever authority.
LIFE = datetime.timedelta(days=800)
RENEW_BEFORE = datetime.timedelta(days=30)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _write(path: Path, text: str, mode: int) -> None:
    """Write atomically, with the mode from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)
    staged.rename(path)


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


def authority(state: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the authority's certificate and key, made on first use."""
    certificate_file, key_file = state / "ca.crt", state / "ca.key"
    if certificate_file.exists() and key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AnsibleError(f"{key_file} is not the key that samestack made; remove it and {certificate_file}")
        return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number() % 10**6
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Samestack local authority {serial:06d}")])
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
    _write(key_file, _key_pem(key), 0o600)
    _write(certificate_file, _certificate_pem(certificate), 0o644)
    return certificate, key


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
    return fresh and held == names and certificate.issuer == issuer.subject


def pair(names: list[str], state: Path) -> dict[str, str]:
    """Return certificate chain, key and authority (PEM) for the names, made anew only when they must be."""
    issuer, issuer_key = authority(state)
    stem = state / "certificates" / names[0].replace("*", "_")
    certificate_file, key_file = stem.with_name(f"{stem.name}.crt"), stem.with_name(f"{stem.name}.key")
    general = [_general_name(name) for name in names]
    if not (key_file.exists() and _still_good(certificate_file, general, issuer)):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        certificate = (
            _builder(subject, issuer.subject, key, LIFE)
            .add_extension(x509.SubjectAlternativeName(general), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            )
            .sign(issuer_key, hashes.SHA256())
        )
        _write(key_file, _key_pem(key), 0o600)
        _write(certificate_file, _certificate_pem(certificate) + _certificate_pem(issuer), 0o644)
    return {
        "certificate": certificate_file.read_text(),
        "key": key_file.read_text(),
        "authority": (state / "ca.crt").read_text(),
    }


class LookupModule(LookupBase):
    """`lookup('local_ca', name, …)`."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        """Return one pair for all the names; raises AnsibleError without a name."""
        if not terms:
            raise AnsibleError("local_ca: at least one name is needed")
        return [pair([str(term) for term in terms], STATE)]
