"""What has to be asked of an ACME authority: nothing, as long as what is there is what is wanted."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import ssl
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..standalone.certificates import (
    BELOW,
    LETSENCRYPT,
    Certificate,
    deployed,
    ends_soon,
    links,
    read,
    renew_before,
    settings,
    shown,
    span,
    with_setting,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .account import Account

#: The program that certbot runs after each renewal (roles/nginx)
HOOK = "/usr/bin/python3 -I /usr/local/lib/samestack/certificates.py deployed"
LOG = "/var/log/letsencrypt/letsencrypt.log"
#: Seconds. An authority that is slow asks to wait; one that is silent has to end some time.
PATIENCE = 600
#: What certbot says while its timer has it ask already, and the seconds until it is tried again
BUSY, PAUSE = "Another instance of Certbot is already running", 5
#: Seconds that certbot's plugin waits for the other name servers; what is so by itself is not in certbot's file
DNS_WAIT = "60"
ALGORITHMS = {"ecdsa": "id-ecPublicKey", "rsa": "rsaEncryption"}
AUTHENTICATORS = {"http": "webroot", "rfc2136": "dns-rfc2136", "hook": "manual"}


def text_of(path: str) -> str:
    """Return a file's text, "" where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def cause(output: str) -> str:
    """Return what is to be known of certbot's output: what the authority or the network said, in one line."""
    lines = [line.strip() for line in output.splitlines()]
    routine = re.compile(
        r"^(|Saving debug log.*|Ask for help.*|See the logfile.*|- - .*|Some challenges have failed\.?"
        r"|(Requesting|Renewing) .*|An unexpected error occurred:|Simulating .*|Plugins selected.*)$"
    )
    said = [line for line in lines if not routine.match(line)]
    return " ".join(said)[-1500:] or "certbot said nothing"


class Order:
    """One certificate: what is wanted of it, what there is, and how it is asked for."""

    def __init__(
        self, name: str, names: Sequence[str], account: Account, key_type: str, challenge: Mapping[str, Any]
    ) -> None:
        """Take certbot's name of the certificate, the domains, who asks, `ecdsa` or `rsa`, and how names are proven.

        `challenge`: `kind` (http, rfc2136, hook), and what that needs (`arguments`).
        """
        self.name = name
        self.names = tuple(sorted(set(names)))
        self.account = account
        self.key_type = key_type
        self.challenge = challenge
        self.lineage = f"{LETSENCRYPT}/live/{name}"
        self.conf = f"{LETSENCRYPT}/renewal/{name}.conf"

    def certificate(self) -> Certificate | None:
        """Return the certificate that certbot has, None where it has none or cannot renew it."""
        if not os.path.exists(self.conf) or not os.path.exists(f"{self.lineage}/privkey.pem"):
            return None
        try:
            return read(text_of(f"{self.lineage}/cert.pem"))
        except ValueError:
            return None

    def reasons(self, now: float) -> list[str]:
        """Return why the authority has to be asked, each as a clause; none where all is as it is wanted."""
        there = self.certificate()
        if there is None:
            return ["there is no certificate yet"]
        kept = settings(text_of(self.conf))
        found = []
        if missing := sorted(set(self.names) - set(there.names)):
            found.append(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in it")
        if extra := sorted(set(there.names) - set(self.names)):
            found.append(f"{', '.join(extra)} {'is' if len(extra) == 1 else 'are'} no name of the site any more")
        if there.algorithm != ALGORITHMS[self.key_type]:
            found.append(f"its key is not {self.key_type}")
        if kept.get("server") != self.account.directory:
            found.append(f"it is from {kept.get('server', 'another authority')}")
        elif kept.get("account") != self.account.name:
            found.append("it is another account's")
        if kept.get("authenticator") != AUTHENTICATORS[self.challenge["kind"]]:
            found.append(f"it was proven by {kept.get('authenticator', 'other means')}")
        if there.left(now) <= 0:
            found.append("it has ended")
        return found

    def parameters(self) -> dict[str, str]:
        """Return what certbot's file for the certificate has to say, and no reason to ask for another."""
        wait = {"dns_rfc2136_propagation_seconds": str(self.challenge["wait"])} if "wait" in self.challenge else {}
        return {"renew_hook": HOOK, **wait}

    def untidy(self) -> bool:
        """Tell whether what is there, as it is wanted, would not be renewed in time, or is not what Nginx shows."""
        there = self.certificate()
        kept = {"dns_rfc2136_propagation_seconds": DNS_WAIT, **settings(text_of(self.conf))}
        return there is not None and (
            any(kept.get(name) != value for name, value in self.parameters().items())
            or kept.get("renew_before_expiry") != renew_before(there.lifetime)
            or any(not leads(link, target) for link, target in links(self.lineage).items())
            or not self.is_shown()
        )

    def is_shown(self) -> bool:
        """Tell whether visitors see it, or nothing; a renewal that was cut off leaves Nginx with the one before."""
        try:
            seen = shown(self.names[-1].replace("*", BELOW, 1))
        except OSError:
            return True
        return ssl.PEM_cert_to_DER_cert(seen) == ssl.PEM_cert_to_DER_cert(text_of(f"{self.lineage}/cert.pem"))

    def tidy(self) -> None:
        """Let it be renewed in time, and Nginx show it; raises HostError."""
        text = text_of(self.conf)
        for name, value in self.parameters().items():
            text = with_setting(text, name, value, "renewalparams")
        write(self.conf, text)
        try:
            deployed(self.lineage)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise HostError(f"Nginx does not take up the certificate in {self.lineage}: {error}") from error

    def command(self) -> list[str]:
        """Return how certbot is asked."""
        return [
            "certbot", "certonly", "--non-interactive", "--agree-tos", "--cert-name", self.name,
            "--server", self.account.directory, "--account", self.account.name, "--key-type", self.key_type,
            # Whatever the reason is: certbot would keep what has the same names.
            "--force-renewal", "--renew-with-new-domains", "--deploy-hook", HOOK, *arguments(self.challenge),
            *(word for name in self.names for word in ("--domain", name)),
        ]  # fmt: skip

    def ask(self) -> None:
        """Ask, and let Nginx show what came; raises HostError."""
        try:
            self.account.register()
            self.clear_the_way()
            done = certbot(self.command())
        except subprocess.TimeoutExpired as error:
            raise self.failed(f"no end after {PATIENCE} seconds") from error
        except HostError as error:
            raise self.failed(str(error)) from error
        there = self.certificate()
        if done.returncode or there is None or set(there.names) != set(self.names):
            raise self.failed(cause(done.stdout))
        # certbot says nothing of a hook that failed.
        if self.untidy():
            self.tidy()

    def failed(self, why: str) -> HostError:
        """Return the error: what the authority said, what serves meanwhile, what to do."""
        return HostError(
            f"{self.account.directory} gave no certificate for {', '.join(self.names)}: {why}",
            f"The site goes on with the certificate that it has. Mend the cause ({LOG} on the host has the whole "
            "conversation; docs/certificates.md names the usual ones) and run `./samestack provision` again.",
        )

    def clear_the_way(self) -> None:
        """Remove what is left of a certificate that certbot does not know any more: it would take another name.

        What Nginx still reads there is copied to where it looks.
        """
        if os.path.exists(self.conf):
            return
        for link, target in links(self.lineage).items():
            if leads(link, target):
                keep(link, target)
        for folder in ("live", "archive"):
            shutil.rmtree(f"{LETSENCRYPT}/{folder}/{self.name}", ignore_errors=True)

    def warning(self, now: float) -> str:
        """Return what people should know of a certificate that is as it is wanted: it should have been renewed."""
        there = self.certificate()
        if there is None or not ends_soon(there, now):
            return ""
        return (
            f"The certificate of {', '.join(self.names)} ends in {span(there.left(now))} and should have been renewed: "
            "systemctl status certbot.service says why it was not (docs/certificates.md)."
        )


def certbot(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Return what came of a command of certbot's; waits while another is at work. Raises TimeoutExpired."""
    end = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", check=False, timeout=PATIENCE, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        if BUSY not in done.stdout or time.monotonic() + PAUSE > end:
            return done
        time.sleep(PAUSE)


def leads(link: str, target: str) -> bool:
    """Tell whether a path is a link to a target."""
    return os.path.islink(link) and os.readlink(link) == target


def keep(link: str, target: str) -> None:
    """Put a copy of a link's target in its place."""
    unfinished = f"{link}.samestack"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text_of(target))
    os.replace(unfinished, link)


def arguments(challenge: Mapping[str, Any]) -> list[str]:
    """Return certbot's arguments for a way of proving names."""
    kind = challenge["kind"]
    if kind == "rfc2136":
        plugin = "--dns-rfc2136"
        return [
            plugin, f"{plugin}-credentials", challenge["credentials"],
            f"{plugin}-propagation-seconds", str(challenge["wait"]),
        ]  # fmt: skip
    if kind == "hook":
        hooks = ("--manual-auth-hook", shlex.quote(challenge["auth"]),
                 "--manual-cleanup-hook", shlex.quote(challenge["cleanup"]))  # fmt: skip
        return ["--manual", "--preferred-challenges", "dns", *hooks]
    return ["--webroot", "--webroot-path", challenge["webroot"]]


def settle(order: Order, *, check: bool) -> dict[str, Any]:
    """Bring the certificate to what is wanted of it; returns `changed`, `reasons` and `warnings`. Raises HostError."""
    now = time.time()
    reasons = order.reasons(now)
    untidy = not reasons and order.untidy()
    if not check:
        if reasons:
            order.ask()
        else:
            if untidy:
                order.tidy()
            if not order.account.known:
                order.account.register()
                untidy = True
    warning = "" if reasons else order.warning(now)
    return {"changed": bool(reasons) or untidy, "reasons": reasons, "warnings": [warning] if warning else []}
