"""The authority of local sites and of connections between machines."""

from __future__ import annotations

import datetime
import stat
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from plugins.plugin_utils.secrets import authority as local_authority
from plugins.plugin_utils.secrets.authority import (
    authority_pem,
    issue,
    kept_authority,
    kept_pair,
    new_authority,
    parse_authority,
)

if TYPE_CHECKING:
    from pathlib import Path


def pair_for(asked: list[str], project: Path) -> dict[str, str]:
    return kept_pair(asked, project, project / "computer")


def certificates(pem: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem.encode())


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def test_a_pair_is_signed_by_the_authority_and_fits_its_key(tmp_path: Path) -> None:
    pair = pair_for(["site.test", "www.site.test"], tmp_path)
    leaf, authority = certificates(pair["certificate"])
    leaf.verify_directly_issued_by(authority)
    assert authority == certificates((tmp_path / "ca.crt").read_text())[0]
    key = serialization.load_pem_private_key(pair["key"].encode(), None)
    assert key.public_key() == leaf.public_key()
    assert names(leaf) == ["site.test", "www.site.test"]


def test_browsers_take_it(tmp_path: Path) -> None:
    leaf, authority = certificates(pair_for(["site.test"], tmp_path)["certificate"])
    # Mozilla's "Server Side TLS", intermediate
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= datetime.timedelta(days=366)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH in usage
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert authority.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_a_client_is_no_server_and_no_server_a_client() -> None:
    for client, wanted in ((True, ExtendedKeyUsageOID.CLIENT_AUTH), (False, ExtendedKeyUsageOID.SERVER_AUTH)):
        leaf, _ = certificates(issue(["10.0.0.5"], new_authority(), client=client)["certificate"])
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [wanted]


def test_addresses_are_addresses(tmp_path: Path) -> None:
    (leaf, _authority) = certificates(pair_for(["10.0.3.30", "fd00::1"], tmp_path)["certificate"])
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(value) for value in found.get_values_for_type(x509.IPAddress)] == ["10.0.3.30", "fd00::1"]


def test_a_kept_pair_stays(tmp_path: Path) -> None:
    assert pair_for(["site.test"], tmp_path) == kept_pair(["site.test"], tmp_path, tmp_path / "computer")


def test_new_names_make_a_new_certificate_of_the_same_authority(tmp_path: Path) -> None:
    pair_for(["site.test"], tmp_path)
    authority = (tmp_path / "ca.crt").read_text()
    second = pair_for(["site.test", "static.site.test"], tmp_path)
    assert (tmp_path / "ca.crt").read_text() == authority
    assert names(certificates(second["certificate"])[0]) == ["site.test", "static.site.test"]


def test_a_certificate_that_soon_ends_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pair_for(["site.test"], tmp_path)
    authority = (tmp_path / "ca.crt").read_text()
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=780)
    monkeypatch.setattr(local_authority, "_now", lambda: later)
    second = pair_for(["site.test"], tmp_path)
    assert first["certificate"] != second["certificate"]
    assert (tmp_path / "ca.crt").read_text() == authority


def test_one_that_lives_longer_than_browsers_take_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_authority.issue, "__defaults__", (datetime.timedelta(days=800),))
    first = pair_for(["site.test"], tmp_path)
    monkeypatch.setattr(local_authority.issue, "__defaults__", (local_authority.LIFE,))
    second = pair_for(["site.test"], tmp_path)
    assert first["certificate"] != second["certificate"]
    assert pair_for(["site.test"], tmp_path) == second


def test_another_authority_makes_new_certificates(tmp_path: Path) -> None:
    pair_for(["site.test"], tmp_path)
    authority = (tmp_path / "ca.crt").read_text()
    (tmp_path / "computer" / "ca.crt").unlink()
    second = pair_for(["site.test"], tmp_path)
    leaf, signer = certificates(second["certificate"])
    leaf.verify_directly_issued_by(signer)
    assert (tmp_path / "ca.crt").read_text() != authority


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    pair_for(["site.test"], tmp_path)
    keys = list(tmp_path.rglob("*.key"))
    assert len(keys) == 2
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_an_authority_from_the_vault(tmp_path: Path) -> None:
    pem = authority_pem(new_authority())
    leaf, authority = certificates(issue(["10.0.3.30"], parse_authority(pem["certificate"], pem["key"]))["certificate"])
    leaf.verify_directly_issued_by(authority)
    assert not list(tmp_path.iterdir())


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    certificate, _key = kept_authority(tmp_path, tmp_path / "computer")
    with pytest.raises(ValueError, match=r"."):
        parse_authority(certificate.public_bytes(serialization.Encoding.PEM).decode(), "not a key")


def test_keys_are_elliptic(tmp_path: Path) -> None:
    assert isinstance(kept_authority(tmp_path, tmp_path / "computer")[1].curve, ec.SECP256R1)


def test_two_web_servers_that_ask_at_once_get_one_pair(tmp_path: Path) -> None:
    for turn in range(10):
        with ProcessPoolExecutor(2) as pool:
            one, two = pool.map(kept_pair, [[f"{turn}.shop.test"]] * 2, [tmp_path] * 2, [tmp_path / "computer"] * 2)
        assert one == two


def test_two_projects_have_one_authority(tmp_path: Path) -> None:
    """Trusted once, it is trusted for all."""
    computer = tmp_path / "computer"
    for name in ("one", "two"):
        kept_pair([f"{name}.test"], tmp_path / name, computer)
    assert (tmp_path / "one/ca.crt").read_bytes() == (tmp_path / "two/ca.crt").read_bytes()
    assert (computer / "ca.crt").read_bytes() == (tmp_path / "two/ca.crt").read_bytes()
    # Its key is with the computer alone.
    assert [file.parent.name for file in tmp_path.rglob("ca.key")] == ["computer"]


def test_the_authority_of_an_earlier_version_becomes_the_computers(tmp_path: Path) -> None:
    """Whoever trusts it already need not do so again; a second project's own gives way."""
    for name in ("one", "two"):
        pem = authority_pem(new_authority())
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.crt").write_text(pem["certificate"])
        (tmp_path / name / "ca.key").write_text(pem["key"])
    trusted = (tmp_path / "one/ca.crt").read_text()
    for name in ("one", "two"):
        leaf, signer = certificates(kept_pair([f"{name}.test"], tmp_path / name, tmp_path / "computer")["certificate"])
        leaf.verify_directly_issued_by(signer)
        assert (tmp_path / name / "ca.crt").read_text() == trusted
        assert not (tmp_path / name / "ca.key").exists()
