"""Accounts, the application's variables, certificates: what is told, and what never is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.filter.systemd import systemd_environment
from plugins.module_utils.common.secrets import assignments, is_secret_name
from plugins.module_utils.manifest.reading.key import derived_key, keyed
from plugins.module_utils.manifest.reading.machine import MissingError
from plugins.module_utils.manifest.sections.accounts import collect, keys, password_of, rules
from plugins.module_utils.manifest.sections.certificates import collect as certificates
from plugins.module_utils.manifest.sections.certificates import facts
from plugins.module_utils.manifest.sections.environment import collect as environment
from plugins.module_utils.manifest.sections.environment import learn
from tests.support.paper_host import KEY, PaperHost

if TYPE_CHECKING:
    from pathlib import Path

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ5 ada@laptop"


def host_with_people(tmp_path: Path) -> PaperHost:
    host = PaperHost(tmp_path)
    host.write(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
        "eve:x:1001:1001::/home/eve:/bin/bash\nmallory:x:0:0::/root2:/bin/sh\n",
    )
    host.write("/etc/group", "root:x:0:\nsudo:x:27:eve\nwww-data:x:33:\neve:x:1001:\n")
    host.write("/etc/shadow", "root:*:1:0:99999:7:::\neve:$y$j9T$plantedhash:1:0:99999:7::20000:\nmallory::1:::::\n")
    host.write("/home/eve/.ssh/authorized_keys", f'# x\nfrom="10.0.0.1" {ED25519}\n')
    host.write("/etc/sudoers", "# x\nDefaults env_reset\n%sudo ALL=(ALL:ALL) \\\n   ALL\n#includedir /etc/sudoers.d\n")
    host.write("/etc/sudoers.d/eve", "eve ALL=(ALL) NOPASSWD: ALL\n")
    host.write("/var/lib/systemd/linger/eve", "")
    host.answers = {"sshd -T": "port 22\nlistenaddress [::]:22\nlistenaddress 0.0.0.0:22\nmaxauthtries 6\n"}
    return host


def test_who_may_log_in_and_become_root(tmp_path: Path) -> None:
    section = collect(host_with_people(tmp_path))
    assert section["user:eve"] == "home /home/eve, shell /bin/bash, a password, expires 20000, in sudo"
    assert section["user:mallory"] == "home /root2, shell /bin/sh, no password needed, the same as root"
    assert section["user:www-data"] == "home /var/www, shell /usr/sbin/nologin, no password"
    assert section["group:sudo"] == ["eve"]
    assert section["linger:eve"] is True
    assert section["sudo:/etc/sudoers"] == [
        "Defaults env_reset",
        "%sudo ALL=(ALL:ALL) ALL",
        "#includedir /etc/sudoers.d",
    ]
    assert section["sudo:/etc/sudoers.d/eve"] == ["eve ALL=(ALL) NOPASSWD: ALL"]
    assert [key for key in section if key.startswith("key:eve:SHA256:")]
    assert section["sshd:listenaddress"] == ["[::]:22", "0.0.0.0:22"]
    assert section["sshd:maxauthtries"] == "6"


def test_a_changed_password_is_seen_and_its_hash_is_not(tmp_path: Path) -> None:
    host = host_with_people(tmp_path)
    before = collect(host)["password:eve"]
    host.write("/etc/shadow", "eve:$y$j9T$otherhash:1:0:99999:7:::\n")
    after = collect(host)
    assert str(before).startswith("hmac:")
    assert after["password:eve"] != before
    assert "hash" not in str(after)


def test_keys_with_options_and_comments() -> None:
    ((fingerprint, text),) = keys(f'restrict,command="a b" {ED25519}\n\n# {ED25519}\n')
    assert fingerprint.startswith("SHA256:")
    assert text == 'ssh-ed25519 (restrict,command="a b") ada@laptop'
    assert [kind for _, kind in keys("ecdsa-sha2-nistp256 AAAA\nsk-ssh-ed25519@openssh.com AAAB\nnonsense\n")] == [
        "ecdsa-sha2-nistp256",
        "sk-ssh-ed25519@openssh.com",
    ]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("", "no password needed"),
        ("*", "no password"),
        ("!", "no password"),
        ("!$6$x", "no password"),
        ("$6$x", "a password"),
    ],
)
def test_passwords_in_words(field: str, words: str) -> None:
    assert password_of(field) == words


def test_includes_of_sudo_count() -> None:
    assert rules("@includedir /etc/sudoers.d\n#include x\n# y\n") == ["@includedir /etc/sudoers.d", "#include x"]


def test_an_environment_file_is_read_as_it_was_written() -> None:
    values = {"A": 'a "b" $c `d` \\e\nsecond line', "EMPTY": "", "FLAG": "true", "LAST": "x"}
    assert assignments(systemd_environment(values) + "# end\nBARE=1 \nSINGLE='a \"b\"'\n") == {
        **values,
        "BARE": "1",
        "SINGLE": 'a "b"',
    }


def host_with_variables(tmp_path: Path) -> PaperHost:
    host = PaperHost(tmp_path)
    values = {
        "DEBUG": "false",
        "SECRET_KEY": "planted-secret-key",
        "DATABASE_URL": "postgresql://app:planted%2Fpassword@db/app",
        "API_TOKEN": "planted-token",
        "FEED": "https://me:planted-feed@example.com/",
        "DEFAULT_KEY_PREFIX": "abc",
    }
    host.write("/etc/noticeboard/env", systemd_environment(values), 0o640)
    host.answers = {"systemctl show": "Id=noticeboard-web@abc.service\nMainPID=77\n"}
    host.write(
        "/proc/77/environ",
        "DEBUG=true\0SECRET_KEY=planted-secret-key\0API_TOKEN=planted-token\0FEED=https://me:planted-feed@example.com/\0",
    )
    return host


def test_variables_without_their_secrets(tmp_path: Path) -> None:
    section = environment(host_with_variables(tmp_path))
    assert "planted" not in str(section)
    assert (section["DEBUG"], section["DEFAULT_KEY_PREFIX"]) == ("false", "abc")
    assert section["SECRET_KEY"] == keyed(KEY, "planted-secret-key")
    assert section["(not taken up yet)"] == ["DATABASE_URL", "DEBUG", "DEFAULT_KEY_PREFIX"]


def test_a_known_secret_is_named_wherever_it_stands(tmp_path: Path) -> None:
    host = host_with_variables(tmp_path)
    learn(host)
    masked = host.secrets.masked
    assert masked("x planted-secret-key y") == "x <SECRET_KEY> y"
    assert masked("planted/password") == "<password of DATABASE_URL>"
    assert masked("redis://:planted-unknown@h/0") == "redis://:" + keyed(KEY, "planted-unknown") + "@h/0"
    assert host.secrets.value("EMAIL_HOST_PASSWORD", "planted-mail") == keyed(KEY, "planted-mail")
    assert host.secrets.value("EMAIL_HOST_PASSWORD", "") == ""
    assert host.secrets.value("EMAIL_HOST", "mail") == "mail"


@pytest.mark.parametrize(
    "name",
    ["SECRET_KEY", "EMAIL_HOST_PASSWORD", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "SENTRY_DSN", "STRIPE_API_KEY",
     "DATABASES.default.PASSWORD", "SOCIAL_AUTH_CREDENTIALS", "JWT_PRIVATE_KEY", "db_passwd"],
)  # fmt: skip
def test_names_that_say_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["AUTH_PASSWORD_VALIDATORS", "PASSWORD_RESET_TIMEOUT", "CSRF_COOKIE_NAME", "CACHES.default.KEY_PREFIX", "DEBUG",
     "PASSWORD_HASHERS", "MONKEY", "SESSION_COOKIE_AGE", "KEYBOARD_LAYOUT", "TLS_KEY_FILE", "TOKEN_TYPE"],
)  # fmt: skip
def test_names_that_only_sound_so(name: str) -> None:
    assert not is_secret_name(name)


def test_the_key_follows_from_the_secret_and_only_one_way() -> None:
    one, other = derived_key("a secret"), derived_key("another secret")
    assert one != other
    assert len(bytes.fromhex(one)) == 32
    assert keyed(one, "x") == keyed(one, b"x") != keyed(other, "x")
    assert "a secret" not in one


def test_a_machine_without_the_application_has_no_variables(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="does not run"):
        environment(PaperHost(tmp_path, functions=["db"]))


EC = """subject=CN=staging.noticeboard.test
issuer=CN=Samestack local authority 046378
notAfter=Feb  2 15:39:06 2029 GMT
sha256 Fingerprint=9A:5C:96
Certificate:
        Signature Algorithm: ecdsa-with-SHA256
        Subject Public Key Info:
            Public Key Algorithm: id-ecPublicKey
                Public-Key: (256 bit)
                ASN1 OID: prime256v1
                NIST CURVE: P-256
            X509v3 Subject Alternative Name:
                DNS:staging.noticeboard.test, IP Address:10.0.3.31
"""
# OpenSSL 3.0 writes the fingerprint's name otherwise.
RSA = """subject=C=US,O=Let's Encrypt,CN=R11
issuer=C=US,O=Internet Security Research Group,CN=ISRG Root X1
notAfter=Mar 12 23:59:59 2027 GMT
SHA256 Fingerprint=59:1E
    Signature Algorithm: sha256WithRSAEncryption
            Public Key Algorithm: rsaEncryption
                RSA Public-Key: (2048 bit)
"""


def test_facts_of_certificates() -> None:
    assert facts(EC) == {
        "subject": "CN=staging.noticeboard.test",
        "issuer": "CN=Samestack local authority 046378",
        "ends": "Feb  2 15:39:06 2029 GMT",
        "fingerprint": "9A:5C:96",
        "signed by": "ecdsa-with-SHA256",
        "key": "id-ecPublicKey 256 prime256v1",
        "names": ["10.0.3.31", "staging.noticeboard.test"],
    }
    found = facts(RSA)
    assert (found["key"], found["fingerprint"], found["names"]) == ("rsaEncryption 2048", "59:1E", [])


def test_what_is_trusted_beside_the_distributions(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.write("/etc/nginx/tls/noticeboard.crt", "x")
    host.write("/etc/postgresql/17/main/server-0a1b2c3d.pem", "x")
    host.write("/usr/local/share/ca-certificates/office.crt", "y")
    host.write("/etc/ssl/certs/ca-certificates.crt", "-----BEGIN CERTIFICATE-----\n" * 2)
    host.write("/etc/ssl/certs/planted.pem", "z")
    certs = tmp_path / "etc/ssl/certs"
    (certs / "Mozilla.pem").symlink_to("/usr/share/ca-certificates/mozilla/x.crt")
    (certs / "0a1b.0").symlink_to("Mozilla.pem")
    host.answers = {"openssl x509": EC, f"openssl x509 -in {tmp_path}/usr/local": RSA}
    section = certificates(host)
    assert section["/etc/nginx/tls/noticeboard.crt:issuer"] == "CN=Samestack local authority 046378"
    assert section["/etc/postgresql/17/main/server-….pem:ends"] == "Feb  2 15:39:06 2029 GMT"
    assert section["trusted:C=US,O=Let's Encrypt,CN=R11"] == "59:1E, ends Mar 12 23:59:59 2027 GMT"
    assert str(section["trusted bundle"]).startswith("2 authorities, sha256:")
    assert section["trusted otherwise"] == ["planted.pem"]
