"""The life of a certificate, in order: none, the first, others, renewals, and an authority that fails in each way."""

from __future__ import annotations

import datetime
import re
import time
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from plugins.plugin_utils.secrets.authority import issue, new_authority
from tests.acme.conftest import NAME, Visitor, certificate, is_trusted, names, site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acme.conftest import Story
    from tests.support.machines import Machine

#: Ports of the authorities: one as they are today, one whose certificates end soon, one that refuses each nonce
LONG, SHORT, NONCES = 14000, 14001, 14002
#: Seconds; the thresholds are those of any lifetime
LIFETIME = 90
RENEWED, TOLD = LIFETIME // 2, LIFETIME // 4
ONLY_NGINX = ("--", "--tags", "nginx")
FIRST = [f"www.{NAME}"]
HOOK = """#!/bin/sh
set -eu
cd "$(dirname "$0")"
printf 'server %s\\nupdate {} _acme-challenge.%s 1 TXT "%s"\\nsend\\n' {} "$CERTBOT_DOMAIN" "$CERTBOT_VALIDATION" |
    nsupdate -y "hmac-sha512:acme.:$(cat credentials)"
"""


def wanted(directory: str, **more: Any) -> dict[str, Any]:
    return {"provider": "acme", "email": "people@example.org", "directory": directory, **more}


def serial(machine: Machine) -> int:
    return certificate(machine).serial_number


def left(machine: Machine) -> float:
    return (certificate(machine).not_valid_after_utc - datetime.datetime.now(datetime.UTC)).total_seconds()


def starts(machine: Machine, unit: str) -> bool:
    """Tell whether a unit that does one thing did it."""
    return bool(machine.host.run(f"systemctl start {unit}").rc == 0)


def until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def waited(story: Story, count: int) -> list[dict[str, str]]:
    """Return what people were told, when that is so many times."""
    deadline = time.monotonic() + 20
    while len(story.chat.got) < count and time.monotonic() < deadline:
        time.sleep(0.2)
    return story.chat.got


def test_without_an_answer_a_fresh_machine_serves_all_the_same(story: Story) -> None:
    directory = story.authority.directory(LONG)
    story.decide(wanted(directory), *FIRST)
    for said in story.refused():
        assert directory in said
        assert "docs/certificates.md" in said
    for machine in story.machines:
        assert "Samestack local authority" in certificate(machine).issuer.rfc4514_string()
        assert names(machine) == sorted([site(machine), f"www.{site(machine)}"])
    assert not any(story.each(lambda machine: starts(machine, "samestack-certificates.service")))
    assert {one["type"] for one in waited(story, 2)} == {"failure"}
    assert all("stands in" in one["message"] for one in story.chat.got)


def test_the_first_certificate_closes_nothing(story: Story) -> None:
    story.starting.result()
    story.authority.authority(LONG)
    story.chat.got.clear()
    visitors = [Visitor(machine) for machine in story.machines]
    with visitors[0], visitors[1]:
        story.provisioned()
    root = story.authority.root(LONG)
    for machine, visitor in zip(story.machines, visitors, strict=True):
        assert visitor.asked > 20
        assert not visitor.lost
        for name in (site(machine), f"www.{site(machine)}"):
            assert is_trusted(machine, root, name)
        assert isinstance(certificate(machine).public_key(), ec.EllipticCurvePublicKey)
        kept = machine.run("cat /etc/letsencrypt/renewal/noticeboard.conf")
        days = int(re.findall(r"^renew_before_expiry = (\d+) seconds$", kept, re.MULTILINE)[0]) / 86400
        assert 29 < days <= 30
        # The timer of the package; the same by cron steps back where there is systemd.
        assert machine.host.service("certbot.timer").is_running
        assert "! -d /run/systemd/system" in machine.run("cat /etc/cron.d/certbot").replace("\\", "")
    # All is well again, and people hear of it.
    assert [one["type"] for one in waited(story, 2)] == ["success", "success"]


def test_then_nothing_changes(story: Story) -> None:
    before = story.each(serial)
    for said in story.provisioned():
        assert "Nothing changed on " in said, said[-2000:]
    assert story.each(serial) == before


def test_names_and_the_kind_of_key_are_asked_for_anew(story: Story) -> None:
    directory = story.authority.directory(LONG)
    more = [*FIRST, f"new.{NAME}"]
    story.decide(wanted(directory), *more)
    story.provisioned(*ONLY_NGINX)
    for machine in story.machines:
        assert len(names(machine)) == 3
    story.decide(wanted(directory, key_type="rsa"))
    story.provisioned(*ONLY_NGINX)
    for machine in story.machines:
        assert len(names(machine)) == 1
        assert isinstance(certificate(machine).public_key(), rsa.RSAPublicKey)


def test_a_rebuilt_machine_keeps_its_account(story: Story) -> None:
    account = "cat /etc/letsencrypt/accounts/*/dir/*/regr.json"
    before = story.each(lambda machine: machine.run(account))
    assert before[0] != before[1], "each environment has its own"
    story.each(lambda machine: machine.run("rm -r /etc/letsencrypt/*"))
    story.provisioned(*ONLY_NGINX)
    assert story.each(lambda machine: machine.run(account)) == before
    for machine in story.machines:
        assert is_trusted(machine, story.authority.root(LONG))
        # Nobody reads the key but root, and nobody but root ever could.
        assert machine.run("find /etc/letsencrypt/accounts -name private_key.json ! -perm 0400 ! -perm 0600") == ""


def test_another_authority_is_asked_anew_and_its_certificates_are_renewed_in_time(story: Story) -> None:
    story.decide(wanted(story.authority.authority(SHORT, LIFETIME)))
    story.provisioned(*ONLY_NGINX)
    root, first = story.authority.root(SHORT), story.each(serial)
    for machine in story.machines:
        assert is_trusted(machine, root)
        kept = machine.run("cat /etc/letsencrypt/renewal/noticeboard.conf")
        assert re.search(r"^renew_before_expiry = (44|45) seconds$", kept, re.MULTILINE)
    ends = [time.time() + seconds for seconds in story.each(left)]
    assert all(story.each(lambda machine: starts(machine, "certbot.service")))
    assert story.each(serial) == first, "half of its life it is left alone"
    story.chat.got.clear()

    until(max(ends) - RENEWED + 2)
    story.authority.full(SHORT)
    assert not any(story.each(lambda machine: starts(machine, "certbot.service")))
    story.authority.down()
    until(max(ends) - TOLD + 1)
    assert not any(story.each(lambda machine: starts(machine, "certbot.service")))
    assert not any(story.each(lambda machine: starts(machine, "samestack-certificates.service")))
    assert not any(story.each(lambda machine: starts(machine, "samestack-certificates.service")))
    assert [one["type"] for one in waited(story, 2)] == ["failure", "failure"], "once a machine"
    assert all("ends in" in one["message"] for one in story.chat.got)
    assert story.each(serial) == first
    assert all(is_trusted(machine, root) for machine in story.machines), "the old one serves on"

    story.authority.full(SHORT, full=False)
    story.authority.up()
    assert all(story.each(lambda machine: starts(machine, "certbot.service")))
    assert not set(story.each(serial)) & set(first), "shown without anybody's doing"
    assert all(is_trusted(machine, root) for machine in story.machines)
    assert [one["type"] for one in waited(story, 4)[2:]] == ["success", "success"]


def test_an_authority_that_refuses_leaves_what_serves(story: Story) -> None:
    story.decide(wanted(story.authority.authority(NONCES, refused_nonces=100)))
    before = story.each(serial)
    # As an earlier version left machines, whose Nginx read certbot's own folder
    left_behind = "rm /etc/nginx/tls/noticeboard.* /usr/local/lib/samestack/certificates.py"
    story.each(lambda machine: machine.run(left_behind))
    for said in story.refused(*ONLY_NGINX):
        assert "nonce" in said
        assert "goes on with the certificate that it has" in said
    assert story.each(serial) == before


def test_a_wildcard_is_proven_in_the_zone(story: Story, tmp_path: Path) -> None:
    directory = story.authority.directory(LONG)
    server = {
        "server": story.authority.address,
        "key_name": "acme.",
        "key_secret": story.authority.secret,
        "wait": "1s",
    }
    story.decide(wanted(directory, challenge="rfc2136", rfc2136=server), f"*.{NAME}")
    story.provisioned()
    root, first = story.authority.root(LONG), story.each(serial)
    for machine in story.machines:
        name = site(machine)
        assert names(machine) == sorted([name, f"*.{name}"])
        assert is_trusted(machine, root, f"shop.{name}"), "Nginx knows the names below"
        assert f'ALLOWED_HOSTS="{name},.{name}"' in machine.run("cat /etc/noticeboard/env"), "and so does Django"

    for name, verb in (("auth", "add"), ("cleanup", "delete")):
        (tmp_path / name).write_text(HOOK.format(verb, story.authority.address), encoding="utf-8")
    hook = {"auth": str(tmp_path / "auth"), "cleanup": str(tmp_path / "cleanup"), "credentials": story.authority.secret}
    story.decide(wanted(directory, challenge="hook", hook=hook), f"*.{NAME}")
    story.provisioned(*ONLY_NGINX)
    assert not set(story.each(serial)) & set(first)
    for machine in story.machines:
        assert is_trusted(machine, root, f"shop.{site(machine)}")
        assert "manual_auth_hook" in machine.run("cat /etc/letsencrypt/renewal/noticeboard.conf")


def test_from_files_and_back_to_the_authority(story: Story, tmp_path: Path) -> None:
    directory = story.authority.directory(LONG)
    pair = issue(["staging.noticeboard.test", "production.noticeboard.test"], new_authority())
    for name, text in pair.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    files = {name: str(tmp_path / name) for name in pair}
    visitors = [Visitor(machine) for machine in story.machines]
    with visitors[0], visitors[1]:
        story.decide({"provider": "provided", **files})
        story.provisioned(*ONLY_NGINX)
        assert len(set(story.each(serial))) == 1
        story.decide(wanted(directory))
        story.provisioned(*ONLY_NGINX)
    assert not [visitor.lost for visitor in visitors if visitor.lost]
    assert all(is_trusted(machine, story.authority.root(LONG)) for machine in story.machines)
    assert all("noticeboard-0001" not in machine.run("ls /etc/letsencrypt/live") for machine in story.machines)
