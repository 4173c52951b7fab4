"""What a host does by itself about the site's certificate: take up a renewed one, and watch the one that it shows.

It lies on the host as a program. certbot runs `certificates.py deployed` after each renewal; a timer runs
`certificates.py watch NAME…`, which asks port 443 as a visitor does: a file that was renewed helps nobody while the web
server still shows the old one. The same for every provider.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

LETSENCRYPT = "/etc/letsencrypt"
#: Where Nginx reads certificate and key
SHOWN = "/etc/nginx/tls"
WATCH = "samestack-certificates.service"
DAY, HOUR = 86400, 3600
#: certbot's own way from version 4 on, and Let's Encrypt's advice: renew when a third of the lifetime is left, of a
#: short one half.
RENEW_AT, RENEW_SHORT_AT, SHORT = 3, 2, 10 * DAY
#: Whoever renews in time never comes here: the timer tries every day at least. A month is enough for people.
WARN_AT, WARN_AT_MOST = 4, 30 * DAY
TIMEOUT = 15
#: Issuer of what stands in until an ACME authority has answered (plugin_utils/secrets/authority.py)
STAND_IN = "Samestack local authority"
#: A name below a wildcard that nobody uses
BELOW = "samestack-watch"


class Certificate(NamedTuple):
    """What there is to know of a certificate; times are seconds since the epoch."""

    begins: int
    ends: int
    names: tuple[str, ...]
    issuer: str
    algorithm: str

    @property
    def lifetime(self) -> int:
        """Seconds from the first to the last moment."""
        return self.ends - self.begins

    def left(self, now: float) -> float:
        """Return the seconds that are left, negative when it has ended."""
        return self.ends - now


def parse(text: str) -> Certificate:
    """Return what `openssl x509 -startdate -enddate -issuer -text` printed; raises ValueError."""
    found = {
        name: re.search(pattern, text, re.MULTILINE)
        for name, pattern in {
            "begins": r"^notBefore=(.*)$",
            "ends": r"^notAfter=(.*)$",
            "issuer": r"^issuer=(.*)$",
            "algorithm": r"Public Key Algorithm: (\S+)",
        }.items()
    }
    words = {name: match[1].strip() if match else "" for name, match in found.items()}
    if not all(words.values()):
        raise ValueError("is no certificate")
    names = re.findall(r"DNS:([^,\s]+)", text)
    return Certificate(
        int(ssl.cert_time_to_seconds(words["begins"])),
        int(ssl.cert_time_to_seconds(words["ends"])),
        tuple(sorted(set(names))),
        words["issuer"],
        words["algorithm"],
    )


def read(pem: str) -> Certificate:
    """Return what is in a PEM text, of its first certificate; raises ValueError."""
    command = ["openssl", "x509", "-noout", "-startdate", "-enddate", "-issuer", "-text"]
    done = subprocess.run(command, input=pem, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError("is no certificate")
    return parse(done.stdout)


def covers(names: Collection[str], name: str) -> bool:
    """Tell whether a certificate of these names is for a name; a wildcard stands for one label (RFC 6125)."""
    return name in names or f"*.{name.partition('.')[2]}" in names


def with_setting(text: str, name: str, value: str, section: str = "") -> str:
    """Return the text of certbot's file for a certificate with one value set: at its top, or in `[section]`."""
    lines, current = text.splitlines(), ""
    end = None
    for number, line in enumerate(lines):
        head = re.fullmatch(r"\s*\[+\s*(.*?)\s*\]+\s*", line)
        if head:
            if current == section and end is None:
                end = number
            current = head[1]
        elif current == section and re.match(rf"\s*{re.escape(name)}\s*=", line):
            lines[number] = f"{name} = {value}"
            return "\n".join(lines) + "\n"
    if end is None:
        end = len(lines)
        if current != section:
            lines.append(f"[{section}]")
            end += 1
    lines.insert(end, f"{name} = {value}")
    return "\n".join(lines) + "\n"


def settings(text: str) -> dict[str, str]:
    """Return all values in certbot's file for a certificate, whatever section they stand in."""
    return {name: value.strip() for name, value in re.findall(r"^\s*(\w+)\s*=\s*(.*)$", text, re.MULTILINE)}


def renew_before(lifetime: int) -> str:
    """Return how long before its end a certificate is renewed, as certbot writes it.

    certbot before version 4 knows 30 days and nothing else, which is always or never for certificates that live
    6 or 45 days.
    """
    return f"{lifetime // (RENEW_SHORT_AT if lifetime < SHORT else RENEW_AT)} seconds"


def ends_soon(certificate: Certificate, now: float) -> bool:
    """Tell whether people should know that a certificate ends."""
    return certificate.left(now) < min(certificate.lifetime / WARN_AT, WARN_AT_MOST)


def write(path: str, text: str) -> None:
    """Write a file whole or not at all, with the mode of the one before."""
    mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644
    unfinished = f"{path}.samestack"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unfinished)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    os.replace(unfinished, path)


def point(link: str, target: str) -> None:
    """Make a link point at a target, in place of whatever file was there."""
    if os.path.islink(link) and os.readlink(link) == target:
        return
    unfinished = f"{link}.samestack"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unfinished)
    os.symlink(target, unfinished)
    os.replace(unfinished, link)


def links(lineage: str) -> dict[str, str]:
    """Return where Nginx looks, and what of a certificate's folder is there."""
    name = os.path.basename(lineage)
    return {f"{SHOWN}/{name}.crt": f"{lineage}/fullchain.pem", f"{SHOWN}/{name}.key": f"{lineage}/privkey.pem"}


def adopt(name: str) -> None:
    """Let Nginx read what certbot has, where it has nothing yet: an earlier version pointed Nginx there itself."""
    found = links(f"{LETSENCRYPT}/live/{name}")
    if all(os.path.isfile(target) for target in found.values()) and not any(map(os.path.lexists, found)):
        for link, target in found.items():
            point(link, target)


def deployed(lineage: str) -> None:
    """Let Nginx show what certbot has put into a folder, and certbot renew it in time.

    Raises OSError, ValueError, or CalledProcessError where Nginx refuses.
    """
    conf = f"{LETSENCRYPT}/renewal/{os.path.basename(lineage)}.conf"
    with open(f"{lineage}/cert.pem", encoding="ascii") as file:
        wanted = renew_before(read(file.read()).lifetime)
    with open(conf, encoding="utf-8") as file:
        text = file.read()
    if settings(text).get("renew_before_expiry") != wanted:
        write(conf, with_setting(text, "renew_before_expiry", wanted))
    for link, target in links(lineage).items():
        point(link, target)
    subprocess.run(["nginx", "-t", "-q"], check=True)
    subprocess.run(["systemctl", "try-reload-or-restart", "nginx.service"], check=True)
    # Whoever was told that it ends soon is told that all is well.
    subprocess.run(["systemctl", "--no-block", "start", WATCH], check=False)


def shown(name: str, address: str = "127.0.0.1", port: int = 443) -> str:
    """Return the certificate (PEM) that a server shows to whoever asks for a name; raises OSError."""
    context = ssl.create_default_context()
    # What it is worth is looked at afterwards, one thing after the other.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address, port), TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        found = connection.getpeercert(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(found or b"")


def span(seconds: float) -> str:
    """Return a length of time as people say it."""
    for size, word in ((DAY, "day"), (HOUR, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {word}s"
    return f"{int(seconds)} seconds"


def trouble(certificate: Certificate, name: str, now: float, *, acme: bool) -> tuple[str, str]:
    """Return what is wrong with a certificate that is shown for a name: (word, sentence), or nothing twice."""
    left = certificate.left(now)
    ends = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(certificate.ends))
    if left <= 0:
        return "ended", f"has ended, at {ends}"
    if certificate.begins > now:
        return "early", "is not valid yet: compare the host's clock"
    if not covers(certificate.names, name):
        return "names", f"is for {', '.join(certificate.names) or 'no name'}"
    if acme and STAND_IN in certificate.issuer:
        return "stand-in", "is the one that stands in until the authority has answered"
    if ends_soon(certificate, now):
        return "soon", f"ends in {span(left)}, at {ends}"
    return "", ""


def look(names: list[str], *, acme: bool) -> dict[str, str]:
    """Return what is wrong, as {name and word: sentence}."""
    found = {}
    for name in names:
        asked = name.replace("*", BELOW, 1)
        try:
            word, sentence = trouble(read(shown(asked)), asked, time.time(), acme=acme)
        except (OSError, ValueError) as error:
            word, sentence = "unseen", f"cannot be seen: {error}"
        if word:
            found[f"{name} {word}"] = f"The certificate of {name} {sentence}."
    return found


def tell(urls: str, title: str, body: str, kind: str) -> bool:
    """Send a notice to the URLs of a file; returns whether everybody got it. No URL is in an argument or a log."""
    command = ["apprise", f"--config={urls}", f"--title={title}", f"--notification-type={kind}", "--input-format=text"]
    try:
        done = subprocess.run(
            command, input=body, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
            check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def told(path: str) -> dict[str, str]:
    """Return what people know."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def watch(names: list[str], *, acme: bool, urls: str, state: str) -> int:
    """Look at what is shown; tell people when something new is wrong, and when all is well again.

    Returns the exit code: 1 while something is wrong, so that systemd shows the unit as failed.
    """
    found, known = look(names, acme=acme), told(state)
    for line in found.values():
        print(line, file=sys.stderr)
    host = socket.gethostname()
    if set(found) - set(known):
        advice = "systemctl status certbot.service" if acme else "./samestack provision <env>"
        body = "\n".join([*found.values(), f"On {host}. What to do: docs/certificates.md; begin with: {advice}"])
        news = tell(urls, f"{host}: the certificate needs somebody", body, "failure") if urls else True
    elif known and not found:
        body = f"What {host} shows for {', '.join(names)} is well again."
        news = tell(urls, f"{host}: the certificate is well again", body, "success") if urls else True
    else:
        news = True
    if news:
        write(state, json.dumps(found))
    else:
        print("The notice could not be sent; it is tried again.", file=sys.stderr)
    return 1 if found or not news else 0


def main(arguments: list[str]) -> int:
    """Do what was asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="certificates", description="The site's certificate.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("deployed", help="run by certbot, with RENEWED_LINEAGE")
    verbs.add_parser("adopt", help="what certbot has, where Nginx has nothing").add_argument("name")
    watching = verbs.add_parser("watch", help="look at what port 443 shows")
    watching.add_argument("names", nargs="+")
    watching.add_argument("--acme", action="store_true", help="an authority issues it")
    asked = parser.parse_args(arguments)
    if asked.verb == "deployed":
        deployed(os.environ["RENEWED_LINEAGE"])
        return 0
    if asked.verb == "adopt":
        adopt(asked.name)
        return 0
    urls = os.path.join(os.environ["CREDENTIALS_DIRECTORY"], "notices")
    told_to = urls if os.path.getsize(urls) else ""
    state = os.path.join(os.environ["STATE_DIRECTORY"], "told")
    return watch(asked.names, acme=asked.acme, urls=told_to, state=state)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
