"""What a host knows of its certificate, and what has to be asked of an authority."""

from __future__ import annotations

import datetime
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from plugins.module_utils.certificates import order as orders
from plugins.module_utils.certificates.account import Account
from plugins.module_utils.certificates.order import HOOK, Order, cause, settle
from plugins.module_utils.common.errors import HostError
from plugins.module_utils.standalone import certificates
from plugins.plugin_utils.secrets.acme_account import account_of, new_account_key
from plugins.plugin_utils.secrets.authority import issue, new_authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = datetime.timedelta(days=1)
DIRECTORY = "https://authority.test/dir"
NAMES = ["www.shop.test", "shop.test"]
HTTP = {"kind": "http", "webroot": "/var/lib/samestack/acme"}
CONF = """# renew_before_expiry = 30 days
version = 2.1.0
archive_dir = /etc/letsencrypt/archive/shop
cert = /etc/letsencrypt/live/shop/cert.pem

# Options used in the renewal process
[renewalparams]
account = {account}
authenticator = webroot
server = https://authority.test/dir
[[webroot_map]]
www.shop.test = /var/lib/samestack/acme
"""


@pytest.mark.parametrize(("days", "seconds"), [(90, 30 * 86400), (45, 15 * 86400), (6, 3 * 86400)])
def test_a_third_of_a_lifetime_is_left_at_the_renewal_half_of_a_short_one(days: int, seconds: int) -> None:
    found = certificates.read(issue(NAMES, new_authority(), days * DAY)["certificate"])
    # An hour of it lies before now.
    assert abs(int(certificates.renew_before(found.lifetime).split()[0]) - seconds) <= 1800
    assert found.names == tuple(sorted(NAMES))
    assert found.algorithm == "id-ecPublicKey"


def test_values_go_where_certbot_looks() -> None:
    text = CONF.format(account="x")
    text = certificates.with_setting(text, "renew_before_expiry", "40 seconds")
    text = certificates.with_setting(text, "renew_hook", HOOK, "renewalparams")
    assert text.index("\nrenew_before_expiry = 40 seconds") < text.index("[renewalparams]")
    assert text.index("[renewalparams]") < text.index("\nrenew_hook") < text.index("[[webroot_map]]")
    again = certificates.with_setting(text, "renew_before_expiry", "50 seconds")
    assert again == text.replace("40 seconds", "50 seconds")
    assert certificates.with_setting("a = 1\n", "b", "2", "renewalparams") == "a = 1\n[renewalparams]\nb = 2\n"
    assert certificates.settings(text)["renew_hook"] == HOOK


def test_a_wildcard_stands_for_one_label() -> None:
    held = ("*.shop.test",)
    assert certificates.covers(held, "www.shop.test")
    assert not certificates.covers(held, "shop.test")
    assert not certificates.covers(held, "a.b.shop.test")


@pytest.mark.parametrize(
    ("name", "left", "lifetime", "acme", "word"),
    [
        ("www.shop.test", 30, 90, True, ""),
        ("www.shop.test", 22, 90, True, "soon"),
        ("www.shop.test", 31, 365, False, ""),
        ("www.shop.test", 29, 365, False, "soon"),
        ("www.shop.test", 12, 45, True, ""),
        ("www.shop.test", 11, 45, True, "soon"),
        ("www.shop.test", 2, 6, True, ""),
        ("www.shop.test", 1.4, 6, True, "soon"),
        ("www.shop.test", -0.1, 6, False, "ended"),
        ("other.test", 30, 90, False, "names"),
    ],
)
def test_people_hear_of_the_last_quarter(name: str, left: float, lifetime: int, acme: bool, word: str) -> None:
    now = 1_800_000_000
    ends = int(now + left * 86400)
    found = certificates.Certificate(ends - lifetime * 86400, ends, tuple(NAMES), "issuer=CN = R1", "id-ecPublicKey")
    assert certificates.trouble(found, name, now, acme=acme)[0] == word


def test_what_stands_in_is_no_answer_of_an_authority() -> None:
    found = certificates.read(issue(NAMES, new_authority())["certificate"])
    assert certificates.trouble(found, NAMES[0], time.time(), acme=True)[0] == "stand-in"
    assert certificates.trouble(found, NAMES[0], time.time(), acme=False)[0] == ""


class Told:
    """Who is told, and whether it arrives."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.works = True

    def __call__(self, _urls: str, title: str, _body: str, kind: str) -> bool:
        self.got += [(kind, title)] if self.works else []
        return self.works


def test_one_incident_is_one_notice_and_one_all_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, wrong = Told(), {"a soon": "The certificate of a ends soon."}
    monkeypatch.setattr(certificates, "tell", told)

    def watch(found: dict[str, str]) -> int:
        monkeypatch.setattr(certificates, "look", lambda _names, *, acme: found)
        return certificates.watch(["a"], acme=False, urls="urls", state=str(tmp_path / "told"))

    assert watch({}) == 0
    told.works = False
    assert watch(wrong) == 1
    assert not told.got
    told.works = True
    assert [watch(wrong), watch(wrong)] == [1, 1], "tried again, and then once"
    assert [watch(wrong | {"a ended": "…"}), watch(wrong), watch({}), watch({})] == [1, 1, 0, 0]
    assert [kind for kind, _ in told.got] == ["failure", "failure", "success"]


def test_no_url_is_in_an_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apprise = tmp_path / "apprise"
    apprise.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments; cat > {tmp_path}/body\n', encoding="utf-8"
    )
    apprise.chmod(0o755)
    urls = tmp_path / "notices"
    urls.write_text("json://chat/very-secret\n", encoding="utf-8")
    real = certificates.subprocess.run

    def here(command: list[str], **options: Any) -> Any:
        return real([str(apprise), *command[1:]], **options)

    monkeypatch.setattr(certificates.subprocess, "run", here)
    assert certificates.tell(str(urls), "title", "body", "failure")
    assert "very-secret" not in (tmp_path / "arguments").read_text(encoding="utf-8")
    assert (tmp_path / "body").read_text(encoding="utf-8") == "body"


@pytest.fixture(scope="module")
def account_key() -> str:
    return new_account_key()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of certbot and Nginx."""
    for module in (certificates, orders):
        monkeypatch.setattr(module, "LETSENCRYPT", str(tmp_path / "letsencrypt"))
    monkeypatch.setattr(certificates, "SHOWN", str(tmp_path / "tls"))
    monkeypatch.setattr("plugins.module_utils.certificates.account.LETSENCRYPT", str(tmp_path / "letsencrypt"))
    (tmp_path / "tls").mkdir()
    return tmp_path / "letsencrypt"


def first(chain: str) -> str:
    """Return the first certificate of a chain, as certbot keeps it beside the chain."""
    end = "-----END CERTIFICATE-----\n"
    return chain[: chain.index(end) + len(end)]


def keep(place: Path, names: list[str], account: str, pair: dict[str, str] | None = None) -> None:
    """Write what certbot would have kept."""
    pair = pair or issue(names, new_authority(), 90 * DAY)
    live = place / "live" / "shop"
    live.mkdir(parents=True, exist_ok=True)
    (live / "cert.pem").write_text(first(pair["certificate"]), encoding="ascii")
    (live / "fullchain.pem").write_text(pair["certificate"], encoding="ascii")
    (live / "privkey.pem").write_text(pair["key"], encoding="ascii")
    (place / "renewal").mkdir(exist_ok=True)
    (place / "renewal" / "shop.conf").write_text(CONF.format(account=account), encoding="utf-8")


@pytest.fixture
def make(place: Path, account_key: str) -> Callable[..., Order]:
    """Make an order; what is said differs from what there is."""
    given = account_of(account_key)
    keep(place, NAMES, given["name"])

    def order(**other: Any) -> Order:
        account = Account(other.get("account", given["name"]), given["key"], other.get("directory", DIRECTORY), "")
        return Order(
            "shop", other.get("names", NAMES), account, other.get("key_type", "ecdsa"), other.get("challenge", HTTP)
        )

    return order


def test_nothing_is_asked_where_all_is_as_it_is_wanted(make: Callable[..., Order]) -> None:
    assert make().reasons(time.time()) == []


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"names": [*NAMES, "new.shop.test"]}, "new.shop.test is not in it"),
        ({"names": NAMES[:1]}, "shop.test is no name of the site any more"),
        ({"key_type": "rsa"}, "its key is not rsa"),
        ({"directory": "https://other.test/dir"}, "it is from https://authority.test/dir"),
        ({"account": "another"}, "it is another account's"),
        ({"challenge": {"kind": "rfc2136", "credentials": "/x", "wait": 1}}, "it was proven by webroot"),
    ],
)
def test_whatever_differs_is_a_reason(make: Callable[..., Order], other: dict[str, Any], reason: str) -> None:
    assert make(**other).reasons(time.time()) == [reason]


def test_what_has_ended_or_cannot_be_renewed_is_a_reason(make: Callable[..., Order], place: Path) -> None:
    assert make().reasons(time.time() + 91 * 86400) == ["it has ended"]
    (place / "renewal" / "shop.conf").unlink()
    assert make().reasons(time.time()) == ["there is no certificate yet"]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Keep what is run, and run nothing but OpenSSL."""
    kept: list[list[str]] = []
    real = certificates.subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        kept.append(command)
        return real(command if command[0] == "openssl" else ["true"], **options)

    monkeypatch.setattr(certificates.subprocess, "run", run)
    return kept


def test_a_certificate_from_before_gets_its_hook_and_its_time(
    make: Callable[..., Order], place: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = make()
    monkeypatch.setattr(Account, "known", True)
    assert settle(order, check=True)["changed"]
    assert settle(order, check=False)["changed"]
    assert ["systemctl", "try-reload-or-restart", "nginx.service"] in commands
    kept = (place / "renewal" / "shop.conf").read_text(encoding="utf-8")
    assert re.search(r"^renew_before_expiry = \d+ seconds$", kept, re.MULTILINE)
    assert not settle(order, check=False)["changed"]


def test_what_nginx_does_not_show_is_taken_up(
    make: Callable[..., Order], commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal was cut off before Nginx was reloaded: certbot itself has nothing more to do."""
    monkeypatch.setattr(Account, "known", True)
    order, reload = make(), ["systemctl", "try-reload-or-restart", "nginx.service"]
    there = orders.text_of(f"{order.lineage}/cert.pem")
    asked: list[str] = []
    seen = {"pem": there}
    monkeypatch.setattr(orders, "shown", lambda name: asked.append(name) or seen["pem"])
    settle(order, check=False)
    commands.clear()
    assert not settle(order, check=False)["changed"]
    assert reload not in commands
    seen["pem"] = first(issue(NAMES, new_authority())["certificate"])
    assert settle(order, check=False)["changed"]
    assert reload in commands
    assert set(asked) == {"www.shop.test"}


def test_how_long_other_name_servers_take_is_kept_without_asking_again(
    make: Callable[..., Order], place: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = place / "renewal" / "shop.conf"
    conf.write_text(conf.read_text(encoding="utf-8").replace("webroot\n", "dns-rfc2136\n", 1), encoding="utf-8")
    monkeypatch.setattr(Account, "known", True)

    def changed(wait: int) -> bool:
        found = settle(make(challenge={"kind": "rfc2136", "credentials": "/x", "wait": wait}), check=False)
        assert not found["reasons"]
        return bool(found["changed"])

    # certbot writes nothing of what is so by itself.
    assert [changed(60), changed(60), changed(5), changed(5), changed(60)] == [True, False, True, False, True]
    assert "certbot" not in {command[0] for command in commands}


def test_another_certbot_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(orders, "PAUSE", 0.01)
    program = tmp_path / "certbot"
    program.write_text(
        f'#!/bin/sh\n[ -e {tmp_path}/free ] && exit 0\ntouch {tmp_path}/free\necho "{orders.BUSY}."; exit 1\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    assert orders.certbot([str(program)]).returncode == 0
    (tmp_path / "free").unlink()
    monkeypatch.setattr(orders, "PATIENCE", 0.5)
    monkeypatch.setattr(orders, "PAUSE", 1)
    assert cause(orders.certbot([str(program)]).stdout) == f"{orders.BUSY}."


def test_what_nginx_reads_survives_the_clearing(make: Callable[..., Order], place: Path) -> None:
    order = make()
    for link, target in certificates.links(order.lineage).items():
        certificates.point(link, target)
    (place / "renewal" / "shop.conf").unlink()
    order.clear_the_way()
    assert not (place / "live" / "shop").exists()
    shown = place.parent / "tls" / "shop.crt"
    assert "BEGIN CERTIFICATE" in shown.read_text(encoding="ascii")
    assert not shown.is_symlink()
    assert (place.parent / "tls" / "shop.key").stat().st_mode & 0o777 == 0o600


def test_a_machine_of_an_earlier_version_goes_on(make: Callable[..., Order], place: Path) -> None:
    make()
    certificates.adopt("other")
    assert not list((place.parent / "tls").iterdir())
    certificates.adopt("shop")
    assert "BEGIN CERTIFICATE" in (place.parent / "tls" / "shop.crt").read_text(encoding="ascii")
    (place.parent / "tls" / "shop.key").unlink()
    (place.parent / "tls" / "shop.key").write_text("mine", encoding="ascii")
    certificates.adopt("shop")
    assert (place.parent / "tls" / "shop.key").read_text(encoding="ascii") == "mine"


def test_people_hear_what_the_authority_said(make: Callable[..., Order], monkeypatch: pytest.MonkeyPatch) -> None:
    output = (
        "Saving debug log to /var/log/letsencrypt/letsencrypt.log\nRequesting a certificate for shop.test\n"
        "An unexpected error occurred:\nToo many new orders recently\nAsk for help or search for solutions at "
        "https://community.letsencrypt.org. See the logfile …\n"
    )
    assert cause(output) == "Too many new orders recently"
    monkeypatch.setattr(Account, "register", lambda _self: (_ for _ in ()).throw(HostError("the account: no route")))
    with pytest.raises(HostError, match=r"gave no certificate for .*no route") as failed:
        make().ask()
    assert "goes on" in failed.value.hint


def test_the_account_is_named_as_certbot_names_it(account_key: str) -> None:
    found = account_of(account_key)
    assert re.fullmatch(r"[0-9a-f]{32}", found["name"])
    assert json.loads(json.dumps(found["key"])).keys() == {"kty", "n", "e", "d", "p", "q", "dp", "dq", "qi"}
    with pytest.raises(ValueError, match="RSA"):
        account_of(issue(["a.test"], new_authority())["key"])


def test_a_certificate_of_rsa_is_told(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + DAY).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    assert certificates.read(pem).algorithm == "rsaEncryption"
    with pytest.raises(ValueError, match="no certificate"):
        certificates.read("nothing")
