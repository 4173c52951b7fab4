"""What is refused, and what is advised, of how a site gets its certificate."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from plugins.plugin_utils.inventory.certificates import (
    certificate_advice,
    certificate_problems,
    certificates_of,
    trusted_roots,
)
from plugins.plugin_utils.secrets.authority import authority_pem, issue, new_authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ["www.shop.test", "shop.test"]
DAY = datetime.timedelta(days=1)
OURS, OTHERS = new_authority("Ours"), new_authority("Others")


def place(name: str, path: tuple[str | int, ...]) -> str:
    return ".".join(["file", name, *map(str, path)])


def parts(pem: str) -> list[str]:
    return [f"-----BEGIN{part}" for part in pem.split("-----BEGIN")[1:]]


@pytest.fixture
def problems(tmp_path: Path) -> Callable[..., list[str]]:
    """Return what is wrong with a certificate and its key."""

    def found(certificate: str, key: str, names: list[str] = NAMES, **values: Any) -> list[str]:
        (tmp_path / "site.pem").write_text(certificate, encoding="ascii")
        (tmp_path / "site.key").write_text(key, encoding="ascii")
        tls = {"provider": "provided", "certificate": "site.pem", "key": "site.key"}
        given = {"web_tls": tls, "app_domains": names, **values}
        return [str(problem) for problem in certificate_problems(given, place, tmp_path)]

    return found


def test_what_belongs_together_is_good(problems: Callable[..., list[str]]) -> None:
    pair = issue(NAMES, OURS)
    assert problems(**pair) == []
    assert problems(**issue(["*.shop.test", "shop.test"], OURS)) == []


def case(what: str) -> tuple[dict[str, str], str, str]:
    """Return a pair that is wrong, the file that is named, and what is said."""
    good, other = issue(NAMES, OURS), issue(NAMES, OURS)
    own, root = parts(good["certificate"])
    return {
        "ended": (issue(NAMES, OURS, -DAY / 48), "certificate", "it ended at"),
        "another's key": (good | {"key": other["key"]}, "key", "does not belong to the certificate in site.pem"),
        "no key": (good | {"key": "nothing"}, "key", "holds no private key"),
        "no certificate": (good | {"certificate": "nothing"}, "certificate", "holds no certificate"),
        "wrong order": (good | {"certificate": root + own}, "certificate", "is not the first in the file"),
        "foreign chain": (
            good | {"certificate": own + authority_pem(OTHERS)["certificate"]}, "certificate", "which did not sign it",
        ),
        "no chain": (good | {"certificate": own}, "certificate", "is no known authority"),
        "names": (issue(NAMES[:1], OURS), "certificate", "and not for shop.test"),
    }[what]  # fmt: skip


@pytest.mark.parametrize(
    "what", ["ended", "another's key", "no key", "no certificate", "wrong order", "foreign chain", "no chain", "names"]
)
def test_each_fault_has_one_error(problems: Callable[..., list[str]], what: str) -> None:
    pair, part, said = case(what)
    found = problems(**pair)
    assert len(found) == 1, found
    assert found[0].startswith(f"web_tls.{part} = site.")
    assert f"(in file.web_tls.{part})" in found[0]
    assert said in found[0]


def made(key: Any, issuer: x509.Name, signer: Any, *extensions: x509.ExtensionType) -> x509.Certificate:
    """Return a certificate that is good but for what is to be tried."""
    own, now = (
        x509.NameAttribute(x509.NameOID.COMMON_NAME, f"with {len(extensions)}"),
        datetime.datetime.now(datetime.UTC),
    )
    builder = (
        x509.CertificateBuilder().subject_name(x509.Name([own])).issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY).not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES]), critical=False)
    )  # fmt: skip
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.mark.parametrize(("what", "bits"), [("for clients", 2048), ("no authority", 2048), ("weak key", 1024)])
def test_what_visitors_would_refuse_is_refused_here(problems: Callable[..., list[str]], what: str, bits: int) -> None:
    authority, signer = OURS
    key = rsa.generate_private_key(65537, bits)
    chain = [authority]
    extensions: list[x509.ExtensionType] = []
    if what == "for clients":
        extensions = [x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH])]
    if what == "no authority":
        signer = ec.generate_private_key(ec.SECP256R1())
        between = made(signer, authority.subject, OURS[1], x509.BasicConstraints(ca=False, path_length=None))
        chain.insert(0, between)
    own = made(key, chain[0].subject, signer, *extensions)
    pem = [one.public_bytes(serialization.Encoding.PEM).decode() for one in (own, *chain)]
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    found = problems("".join(pem), key.private_bytes(*form).decode())
    said = {"for clients": "unsuitable certificate purpose", "no authority": "invalid CA", "weak key": "key too small"}
    assert len(found) == 1, found
    assert "whoever visits www.shop.test is shown an error" in found[0]
    assert said[what] in found[0]


def test_an_authority_of_ones_own_may_be_trusted_by_name(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "own.crt").write_text(authority_pem(OURS)["certificate"], encoding="ascii")
    pair = issue(NAMES, OURS)
    assert problems(parts(pair["certificate"])[0], pair["key"], machine_trusted_ca_files=["own.crt"]) == []
    assert certificates_of(tmp_path / "own.crt")[0] in trusted_roots(
        {"machine_trusted_ca_files": ["own.crt"]}, tmp_path
    )


def test_the_second_domain_is_covered_too(problems: Callable[..., list[str]]) -> None:
    assert "static.test" in problems(**issue(NAMES, OURS), app_static_domain="static.test")[0]


def acme(names: list[str], root: Path, **tls: Any) -> list[str]:
    values = {"web_tls": {"provider": "acme", **tls}, "app_domains": names}
    return [str(problem) for problem in certificate_problems(values, place, root)]


def test_a_wildcard_is_proven_by_dns(tmp_path: Path) -> None:
    assert "rfc2136 or hook" in acme(["shop.test", "*.shop.test"], tmp_path)[0]
    assert acme(["shop.test", "*.shop.test"], tmp_path, challenge="hook") == []
    assert "Write a whole name before it" in acme(["*.shop.test"], tmp_path, challenge="hook")[0]


def test_what_works_today_and_not_for_long_is_advised(tmp_path: Path) -> None:
    pair = issue(NAMES, OURS, datetime.timedelta(minutes=10))
    (tmp_path / "site.pem").write_text(pair["certificate"], encoding="ascii")
    provided = {"provider": "provided", "certificate": "site.pem", "key": "site.key"}
    advice = [str(one) for one in certificate_advice({"web_tls": provided}, place, tmp_path, 1)]
    assert len(advice) == 1
    assert "it ends at" in advice[0]
    many = [str(one) for one in certificate_advice({"web_tls": {"provider": "acme"}}, place, tmp_path, 2)]
    assert "2 web servers" in many[0]
    assert not list(certificate_advice({"web_tls": {"provider": "acme"}}, place, tmp_path, 1))
