"""Formats of the values that people write into the inventory: parsers that say what is wrong, and how to write it.

Runs on the control node. Every parser takes the value as written and raises ValueError with the rest of a sentence that
begins with the value: "is not a size".
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import yaml

from ..project_root import ENGINE
from .public_keys import check_key
from .reserved import is_account, is_servers, is_systems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Parser = Callable[[object], object]

KIB = 1024
SIZE_UNITS = {"": 1, "k": KIB, "m": KIB**2, "g": KIB**3, "t": KIB**4}
DURATION_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LAST_PORT = 65535
# RFC 1035: 253 characters without the dot at the end, labels of 63. The second label onwards is what makes it a domain.
LONGEST_DOMAIN = 253
DOMAIN_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# useradd's own limit is 32; the longest name that is made of it is `<app>-fetch`, and unit names stay readable.
LONGEST_APP_NAME = 24
# PostgreSQL cuts identifiers at NAMEDATALEN - 1; the longest role that is made of one is `<database_user>_writers`.
LONGEST_IDENTIFIER = 63
LONGEST_ROLE = LONGEST_IDENTIFIER - len("_writers")


class Format(NamedTuple):
    """How a value is parsed, and the sentence that tells a person how to write it."""

    parse: Parser
    advice: str


def _quantity(value: object, units: Mapping[str, int], what: str) -> int:
    match = re.fullmatch(r"(\d+)\s*([a-z]?)b?", str(value).strip().lower())
    if isinstance(value, bool) or not match or match[2] not in units:
        raise ValueError(f"is not a {what}")
    return int(match[1]) * units[match[2]]


def parse_size(value: object) -> int:
    """Return a size such as `25m` or `1g` in bytes (units are powers of 1024, a bare number is bytes)."""
    return _quantity(value, SIZE_UNITS, "size")


def parse_duration(value: object) -> int:
    """Return a duration such as `30s`, `5m` or `365d` in seconds (a bare number is seconds)."""
    if str(value).lower().endswith("b"):
        raise ValueError("is not a duration")
    return _quantity(value, DURATION_UNITS, "duration")


def parse_port(value: object) -> int:
    """Return a TCP port, 1 to 65535."""
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,5}", str(value)) or not 1 <= int(str(value)) <= LAST_PORT:
        raise ValueError("is not a port")
    return int(str(value))


def parse_domain(value: object) -> str:
    """Return a fully qualified domain name: at least two labels of a-z, 0-9 and hyphens, no scheme, port or wildcard.

    Internationalised names are written in their `xn--` form: certificates, Nginx and Django want it so.
    """
    text = str(value)
    if "://" in text:
        raise ValueError("is a URL, not a domain name")
    if ":" in text:
        raise ValueError("has a port, which a domain name has not")
    labels = text.split(".")
    well_formed = all(DOMAIN_LABEL.fullmatch(label) for label in labels)
    if len(labels) == 1 or len(text) > LONGEST_DOMAIN or not well_formed or labels[-1].isdigit():
        raise ValueError("is not a domain name")
    return text


def parse_site_name(value: object) -> str:
    """Return a name of the site: a domain, or a wildcard (`*.`) for one level below one."""
    text = str(value)
    parse_domain(text.removeprefix("*."))
    return text


def parse_address(value: object) -> str:
    """Return an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        raise ValueError("is not an IP address") from None
    return str(value)


def parse_app_name(value: object) -> str:
    """Return a name that serves as user, group, unit, folder and (with underscores) database."""
    text = str(value)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", text):
        raise ValueError("cannot be the name of a user and of systemd units")
    if len(text) > LONGEST_APP_NAME:
        raise ValueError(f"has {len(text)} characters, {LONGEST_APP_NAME} are possible")
    if is_systems(text):
        raise ValueError("is a name of the operating system's own: an account, a unit or a folder of it")
    return text


def parse_login(value: object) -> str:
    """Return the name of a person's account."""
    text = LOGIN(value)
    if is_account(str(text)):
        raise ValueError("is an account of the operating system's own")
    return str(text)


def parse_identifier(value: object) -> str:
    """Return the name of a database or of its role: PostgreSQL takes it without quotes, and it is nobody else's yet."""
    text = str(IDENTIFIER(value))
    if is_servers(text):
        raise ValueError("is a name of PostgreSQL's own")
    if is_account(text):
        raise ValueError("is an account of the operating system's own, which may log in as the role of its name")
    return text


def check_lines(text: str, allowed: str = "\t") -> None:
    """Raise ValueError for a control character that is not allowed (Unicode's Cc, Zl and Zp), line breaks included."""
    for letter in text:
        if letter not in allowed and unicodedata.category(letter) in ("Cc", "Zl", "Zp"):
            what = "a line break" if letter in "\r\n\u2028\u2029" else f"the control character U+{ord(letter):04X}"
            raise ValueError(f"has {what} in it")


def parse_network(value: object) -> str:
    """Return an IPv4 or IPv6 address, or a network with its prefix length."""
    try:
        ipaddress.ip_network(str(value), strict=True)
    except ValueError as error:
        raise ValueError(f"is not an address or a network ({error})") from error
    return str(value)


def parse_host(value: object) -> str:
    """Return an address, or the name of a host (which, unlike a domain, may have one label)."""
    text = str(value)
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if len(text) > LONGEST_DOMAIN or not all(DOMAIN_LABEL.fullmatch(label) for label in text.lower().split(".")):
            raise ValueError("is neither an address nor the name of a host") from None
    return text


CALENDAR_WORDS = re.compile(
    "minutely|hourly|daily|weekly|monthly|quarterly|semiannually|yearly|annually", re.IGNORECASE
)
_DAY = "mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?"
WEEKDAYS = re.compile(rf"({_DAY})((\.\.|,|-)({_DAY}))*,?", re.IGNORECASE)
# Lowest and highest value of each part, in the order in which they are written.
DATE_RANGES = {3: ((1970, 2199), (1, 12), (1, 31)), 2: ((1, 12), (1, 31))}
TIME_RANGES = ((0, 23), (0, 59), (0, 59))


def _calendar_part(part: str, low: int, high: int) -> bool:
    """Tell whether one component (`*`, `5`, `1,15`, `1..5`, `0/15`) is well formed and inside its range."""
    for item in part.split(","):
        match = re.fullmatch(r"(\*|(\d+)(?:\.\.(\d+))?)(?:/(\d+))?", item)
        numbers = [int(number) for number in match.groups()[1:3] if number] if match else []
        if not match or any(not low <= number <= high for number in numbers) or match[4] == "0":
            return False
    return True


def _calendar_date(text: str) -> bool:
    parts = re.split("[-~]", text)
    ranges = DATE_RANGES.get(len(parts), ())
    return bool(ranges) and all(_calendar_part(part, *limits) for part, limits in zip(parts, ranges, strict=True))


def _calendar_time(text: str) -> bool:
    parts = re.sub(r"\.\d+$", "", text).split(":")
    return 1 < len(parts) <= len(TIME_RANGES) and all(
        _calendar_part(part, *limits) for part, limits in zip(parts, TIME_RANGES, strict=False)
    )


def parse_calendar(value: object) -> str:
    """Return a systemd calendar event (systemd.time(7), CALENDAR EVENTS): `hourly`, `*:0/15`, `Mon..Fri 07:30 UTC`.

    systemd-analyze would know best, but a control node need not be Linux.
    """
    words = str(value).split()
    if len(words) == 1 and CALENDAR_WORDS.fullmatch(words[0]):
        return str(value)
    rest = list(words)
    if rest and WEEKDAYS.fullmatch(rest[0]):
        rest.pop(0)
    if rest and _calendar_date(rest[0]):
        rest.pop(0)
    if rest and _calendar_time(rest[0]):
        rest.pop(0)
    if rest and len(rest) < len(words) and re.fullmatch(r"UTC|[A-Z][A-Za-z_]+(/[A-Za-z_+-]+)+", rest[0]):
        rest.pop(0)
    if rest or not words:
        raise ValueError("is not a time that systemd understands (OnCalendar)")
    return str(value)


def _matching(pattern: str, what: str, longest: int = 4096) -> Parser:
    """Return a parser for text that one pattern describes."""
    compiled = re.compile(pattern)

    def parse(value: object) -> str:
        if not compiled.fullmatch(str(value)) or len(str(value)) > longest:
            raise ValueError(f"is not {what}")
        return str(value)

    return parse


LOGIN = _matching(r"[a-z_][a-z0-9_-]{0,31}", "a login name")
IDENTIFIER = _matching(r"[a-z_][a-z0-9_]*", "a name that PostgreSQL takes without quotes", LONGEST_ROLE)


def parse_date(value: object) -> str:
    """Return a date in ISO 8601: 2027-06-30."""
    try:
        return datetime.date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise ValueError("is not a date") from error


def parse_rule(value: object) -> str:
    """Return the name of a rule of hardening."""
    if value not in rule_names():
        raise ValueError("is not the name of a rule of hardening")
    return str(value)


@functools.cache
def rule_names() -> tuple[str, ...]:
    """Return the names of the rules of hardening; the templates in them are role host's."""
    rules = yaml.safe_load((ENGINE / "roles/host/vars/main/rules.yml").read_text(encoding="utf-8"))
    return tuple(rules["__host_rules"])


FORMATS: dict[str, Format] = {
    "date": Format(parse_date, "Write year, month and day, such as 2027-06-30"),
    "clock": Format(
        _matching(r"([01]\d|2[0-3]):[0-5]\d", "a time of day"), 'Write hours and minutes in quotes, such as "03:30"'
    ),
    "rule": Format(parse_rule, "Write one of those that docs/hardening.md lists"),
    "size": Format(parse_size, "Write a whole number with k, m or g, such as 25m or 1g"),
    "duration": Format(parse_duration, "Write a whole number with s, m, h, d or w, such as 30s or 365d"),
    "group": Format(
        _matching(r"[a-z_][a-z0-9_-]{0,31}", "the name of a group"),
        "Use lowercase letters, digits, hyphens and underscores, such as ssh-users",
    ),
    "port": Format(parse_port, "Write a number from 1 to 65535"),
    "domain": Format(
        parse_domain, "Write the bare name in lower case, such as www.noticeboard.net, without https:// and port"
    ),
    "site_name": Format(
        parse_site_name, "Write the bare name in lower case, such as www.noticeboard.net or *.noticeboard.net"
    ),
    "address": Format(parse_address, "Write an address, such as 203.0.113.7"),
    "https_url": Format(_matching(r"https://[^\s/]+/\S*", "an https:// URL"), "Write it whole: https://host/path"),
    "ping_url": Format(
        _matching(r"https?://[^\s/@]+(/\S*)?", "a URL to ask for"),
        'Write it whole, such as https://hc-ping.com/{{ vault_ping_key }}/{{ inventory_hostname }}, or "" for none',
    ),
    "app_name": Format(
        parse_app_name, f"Write at most {LONGEST_APP_NAME} lowercase letters, digits and single hyphens, a letter first"
    ),
    "calendar": Format(parse_calendar, "Write a systemd calendar event, such as hourly, *:0/15 or Mon..Fri 07:30"),
    "network": Format(parse_network, "Write an address or a network, such as 203.0.113.7 or 203.0.113.0/24"),
    "host": Format(parse_host, "Write an address such as 203.0.113.7, or the name of a host"),
    "email": Format(
        _matching(r"[^@\s,;<>]+@[^@\s,;<>]+\.[a-zA-Z0-9-]+", "an e-mail address"), "Write one address, name@domain"
    ),
    "module": Format(
        _matching(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a Python module"),
        "Write the dotted name that Python imports, such as mysite.settings.production, without .py",
    ),
    "entry_point": Format(
        _matching(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", "a module and the object in it"),
        "Write module:object, such as mysite.wsgi:application",
    ),
    "python": Format(
        _matching(r"host|3\.\d{1,2}(\.\d{1,3})?", "a version of Python, or host"),
        'Write a version in quotes, such as "3.13" or "3.13.2", or host for what the hosts have',
    ),
    "download_url": Format(
        _matching(r"(https?|file)://\S+", "a URL"), "Write it whole, such as https://mirror.example.net/python"
    ),
    "env_name": Format(
        _matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable"),
        "Use letters, digits and underscores, no digit first, such as EMAIL_HOST",
    ),
    "unit_word": Format(
        _matching(r"[a-z0-9]+([-_][a-z0-9]+)*", "usable in the name of a systemd unit", 40),
        "Use lowercase letters, digits and single hyphens",
    ),
    "identifier": Format(
        parse_identifier, "Use lowercase letters, digits and underscores, no digit first, such as noticeboard"
    ),
    "extension": Format(
        _matching(r"[a-z_][a-z0-9_-]*", "the name of a PostgreSQL extension", LONGEST_IDENTIFIER),
        "Write the name as CREATE EXTENSION takes it, such as pg_trgm",
    ),
    "url_path": Format(
        _matching(r"""/[^\s?#"$;{}\\]*""", "a path on the site"), "Begin with a slash, such as /health/"
    ),
    "url_folder": Format(
        _matching(r"""/([^\s/?#"$;{}\\]+/)+""", "a folder on the site"), "Begin and end with a slash, such as /static/"
    ),
    "header": Format(
        _matching(r"""[ !#%-\[\]-~]+""", "the value of a header that Nginx sends"),
        "Write one line of plain characters, without double quotes, dollar signs and backslashes",
    ),
    "inside": Format(
        _matching(r"(?!/)(?!(.*/)?\.\.(/|$))[^\s]+", "a path inside the source"),
        "Write it relative to the top of the source, such as src/mysite",
    ),
    "writable_folder": Format(
        _matching(r"(?!(.*/)?\.{1,2}(/|$))[\w.-]+(/[\w.-]+)*", "a folder inside the source"),
        "Write it relative to the top of the source, such as data or var/logs, with letters, digits, dots, - and _",
    ),
    "absolute_path": Format(_matching(r"/[^\s]*[^\s/]", "an absolute path"), "Write a path that begins with a slash"),
    "url": Format(
        _matching(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+|/\S+", "an address of a repository or index"),
        "Write it as git or pip takes it, such as git@github.com:you/yours.git or https://host/path",
    ),
    "ref": Format(
        _matching(r"(?!-)(?!.*\.\.)[^\s~^:?*\[\\]+", "a branch, tag or commit"), "Write a name such as main or v1.2"
    ),
    "percent": Format(_matching(r"[1-9]\d?|100", "a percentage"), "Write a whole number from 1 to 100, such as 90"),
    "batch": Format(
        _matching(r"[1-9]\d*|([1-9]\d?|100)%", "a number of hosts"),
        "Write a whole number or a percentage, such as 2 or 25%",
    ),
    "package": Format(
        _matching(r"[a-z0-9][a-z0-9+.-]+", "the name of an apt package"), "Write a name such as libpq-dev, nothing else"
    ),
    "login": Format(
        parse_login, "Use lowercase letters, digits, hyphens and underscores; a person's name, such as ada"
    ),
    "public_key": Format(
        check_key, "Write the one line of a .pub file (ssh-ed25519 AAAA…), or the path of that file in this project"
    ),
    "timezone": Format(
        _matching(r"[A-Za-z]+([/_+-][A-Za-z0-9_+-]+)*", "a time zone"), "Write its tz name, such as Europe/Vienna"
    ),
    "locale": Format(
        _matching(r"(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)\.(UTF-8|utf8)", "a UTF-8 locale"),
        "Write C.UTF-8, or a name such as de_AT.UTF-8",
    ),
    "setting": Format(
        _matching(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", "the name of a PostgreSQL setting"),
        "Write it as in postgresql.conf, such as work_mem",
    ),
}
