"""The environment variables that settings insist on: what each is given, and which are secret. Names alone are read.

What Samestack gives every app (SECRET_KEY, DATABASE_URL, …) needs no line. A value that a file of examples has is taken
for what is no secret; `.env` itself is not opened but for its names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..project.variables import GIVEN, WITH_REDIS
from ..text import listing
from . import declared, ours
from .finding import Finding, decisions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source

KEY = "{{ vault_app_secret_key }}"
HOSTS = "{{ app_domains | join(',') }}"
ORIGINS = "{{ app_domains | map('regex_replace', '^', 'https://') | join(',') }}"
DATABASE = r"^(?:\w+_)?(?:DB|DATABASE|POSTGRES|POSTGRESQL|PG|PGSQL|SQL|RDS)_?"
#: By what a name is like: its value, and whether that is a secret. The first that fits.
KNOWN: tuple[tuple[re.Pattern[str], str, bool], ...] = tuple(
    (re.compile(pattern), value, secret)
    for pattern, value, secret in (
        (r"^(?:DJANGO|APP|SITE|WEB)_?SECRET_?KEY$|^DJANGO_SECRET$|^DJANGO_KEY$", KEY, True),
        (r"ALLOWED_?HOSTS?$", HOSTS, False),
        (r"(?:CSRF_)?TRUSTED_ORIGINS$", ORIGINS, False),
        (r"(?:^|_)DEBUG$", "{{ app_debug }}", False),
        (r"(?:DATABASE|DB|POSTGRES|POSTGRESQL)_UR[LI]$", "{{ database_url }}", True),
        (DATABASE + r"(?:HOST|HOSTNAME|SERVER|ADDR)$", "{{ database_host }}", False),
        (DATABASE + r"(?:PORT)$", "{{ database_port }}", False),
        (DATABASE + r"(?:USER|USERNAME|USR)$", "{{ database_login }}", False),
        (DATABASE + r"(?:PASSWORD|PASSWD|PASS|PWD)$", "{{ vault_database_password }}", True),
        (DATABASE + r"(?:NAME|DB|DATABASE|DBNAME)$", "{{ database_name }}", False),
        (DATABASE + r"(?:ENGINE|BACKEND)$", "django.db.backends.postgresql", False),
        *ours.KNOWN,
        (r"(?:EMAIL|SMTP|MAIL)_(?:HOST|SERVER)$", "localhost", False),
        (r"(?:EMAIL|SMTP|MAIL)_PORT$", "587", False),
        (r"(?:FROM_EMAIL|SERVER_EMAIL|EMAIL_FROM|ADMIN_EMAIL|CONTACT_EMAIL|SUPPORT_EMAIL)$",
         "webmaster@{{ app_domains[0] }}", False),
        (r"(?:SITE|BASE|APP|PUBLIC|WEB|WEBSITE|FRONTEND|SERVER|BACKEND|WAGTAILADMIN_BASE|DJANGO_BASE)_URL$",
         "https://{{ app_domains[0] }}", False),
        (r"^(?:\w+_)?(?:DOMAIN|DOMAIN_NAME|HOSTNAME|SITE_DOMAIN|SITE_NAME|HOST_NAME|SERVER_NAME|BASE_DOMAIN)$",
         "{{ app_domains[0] }}", False),
        (r"^(?:DJANGO_|APP_|PYTHON_)?(?:ENV|ENVIRONMENT|STAGE|MODE)$", "production", False),
        (r"^DJANGO_CONFIGURATION$", "Production", False),
        (r"ADMIN_URL(?:_PATH)?$|ADMIN_PATH$", "admin/", False),
        (r"STATIC_ROOT$", "", False),
        (r"MEDIA_ROOT$", "", False),
    )
)  # fmt: skip
#: What the site's own address is called. A frontend, an API or a search may be another program's.
OWN_ADDRESS = re.compile(r"(?:\w+_)?(?:SITE|BASE|PUBLIC|WEBSITE|WAGTAILADMIN_BASE|ROOT)_(?:URL|ROOT)")
#: The same without a scheme, and what such a name has for a default where nobody has given one
OWN_DOMAIN = re.compile(r"(?:\w+_)?(?:MAIN|SITE|BASE|PUBLIC|PRIMARY)_DOMAIN(?:_NAME)?|DOMAIN(?:_NAME)?")
NOBODYS = re.compile(r"(?:localhost|127\.0\.0\.1)(?::\d+)?|(?:[\w-]+\.)*example(?:\.(?:com|org|net))?", re.IGNORECASE)
#: … and what nothing else is called
OWN_ADDRESS_ALONE = re.compile(r"(?:\w+_)?(?:SITE|WAGTAILADMIN_BASE)_URL|BASE_URL")
#: What this file makes of a name; whatever else looks like a template is a stranger's
TEMPLATES = frozenset(value for _pattern, value, _secret in KNOWN)
SECRET = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|(?:^|_)PASS$|(?:^|_)KEYS?$|PRIVATE|CREDENTIAL|DSN$|SALT|API_?KEY|_PWD$"
)
PUBLIC = re.compile(r"PUBLIC|SITE_?KEY|PREFIX|_KEY_NAME$|PUBLISHABLE|KEY_PATH$|KEY_FILE$")
#: Files that say what the environment has to have, for others to copy
EXAMPLES = re.compile(r"(^|/)\.?[\w.\-]*env[\w.\-]*$")
EXAMPLE_WORD = re.compile(r"example|sample|template|dist\b|defaults?\b", re.IGNORECASE)
PAIR = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")
OWN = re.compile(r"(^|/)(\.env(\..*)?|\.envs/.*|env\.sh|\.envrc)$")


def found(source: Source, decided: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is given for each variable that the settings insist on, or that leads to what is decided already."""
    # What serves knows better than what is there to be copied.
    examples = example_values(source) | declared.values(source)
    debug = source.project.debug_variable.partition(":")[0]
    given = GIVEN | (WITH_REDIS if decided.get("app_redis") else set())
    key = ours.read_by(source.settings, "SECRET_KEY")
    for name, one in source.variables.items():
        if name == key and key not in GIVEN and (one.required or not ours.default(source, name)):
            yield Finding("variable", f"{name}: {KEY}", source.variable_place(name), "sure",
                          {"app_secret_env": {name: KEY}}, "the settings take SECRET_KEY from it")  # fmt: skip
        elif one.required and name not in {*given, debug}:
            yield variable(source, name, examples)
    told = [*ours.found(source, decided), *_own_addresses(source)]
    yield from told
    held = [one.get(kind, {}) for one in (decided, decisions_of(told)) for kind in ("app_env", "app_secret_env")]
    known = GIVEN.union(WITH_REDIS, {key}, *held)
    optional = [name for name, one in source.variables.items() if not one.required and name not in known]
    if optional:
        file = source.settings.files[0].relative_to(source.root).as_posix()
        yield Finding("more variables", f"{len(optional)} that have a default: {listing(optional)}", f"{file}:1",
                      note="where a default is not what you want: app_env, app_secret_env")  # fmt: skip
    yield from _own_files(source)


def _own_addresses(source: Source) -> Iterator[Finding]:
    """Yield the variables for the site's own address whose default is none, or one that nobody else can reach."""
    for name, one in source.variables.items():
        default = ours.default(source, name)
        local = isinstance(default, str) and re.match(r"https?://(localhost|127\.0\.0\.1)([:/]|$)", default)
        nowhere = default in (None, "") and OWN_ADDRESS_ALONE.fullmatch(name)
        domain = isinstance(default, str) and NOBODYS.fullmatch(default) and OWN_DOMAIN.fullmatch(name)
        if not one.required and ((local and OWN_ADDRESS.fullmatch(name)) or nowhere or domain):
            value = "{{ app_domains[0] }}" if domain else "https://{{ app_domains[0] }}"
            note = "it has no default" if nowhere else "its default is nobody's, or the computer that one develops on"
            yield Finding("variable", f"{name}: {value}", source.variable_place(name), "likely",
                          {"app_env": {name: value}}, note)  # fmt: skip


def variable(source: Source, name: str, examples: dict[str, tuple[str, str]]) -> Finding:
    """Return what is given for one variable."""
    place = source.variable_place(name)
    for pattern, value, secret in KNOWN:
        if pattern.search(name):
            if not value:
                return Finding("variable", name, place, note="the settings are given this folder anyway")
            kind = "app_secret_env" if secret else "app_env"
            asked = {"app_memcached": True} if "memcached_location" in value else {}
            return Finding("variable", f"{name}: {value}", place, "likely", {kind: {name: value}, **asked})
    if SECRET.search(name) and not PUBLIC.search(name):
        vault = f"vault_{name.lower()}"
        note = f"a secret: `./samestack secrets staging --edit` takes its value ({vault}); dev has a random one"
        decided = {"app_secret_env": {name: f"{{{{ {vault} }}}}"}}
        suiting = source.project.stand_ins.get(name, "")
        if suiting:
            # Somebody takes it apart: a random text would not do.
            decided["dev"] = {vault: suiting}
        return Finding("variable", f"{name}: {{{{ {vault} }}}}", place, "sure", decided, note)
    if name in examples:
        value, where = examples[name]
        return Finding("variable", f"{name}: {value}", place, "likely", {"app_env": {name: value}}, f"as in {where}")
    value = source.project.stand_ins.get(name, "") or "change-me"
    note = "the settings insist on it and nothing says its value: write it into app_env"
    return Finding("variable", f"{name}: {value}", place, "guess", {"app_env": {name: value}}, note)


def is_example(name: str) -> bool:
    """Return whether a file says what an environment has to have, for others to copy."""
    return bool(EXAMPLES.search(name) and EXAMPLE_WORD.search(name.rpartition("/")[2]))


def example_values(source: Source) -> dict[str, tuple[str, str]]:
    """Return the values that files of examples have, and where; none that is empty or asks to be changed."""
    found: dict[str, tuple[str, str]] = {}
    # Without git, nothing tells these from files with values for this computer but their names.
    beside = [path.name for path in sorted(source.root.iterdir()) if path.is_file()]
    for name in (one for one in dict.fromkeys([*source.files, *beside]) if is_example(one)):
        for number, line in enumerate(source.text(name).splitlines(), 1):
            pair = PAIR.match(line)
            value = re.sub(r"\s+#.*$", "", pair[2]).strip("'\"") if pair else ""
            if pair and value and not re.search(r"change|your|xxx|<|\{\{|\$\{", value, re.IGNORECASE):
                found.setdefault(pair[1], (value, f"{name}:{number}"))
    return found


def _own_files(source: Source) -> Iterator[Finding]:
    """Yield the files with values for this computer: they stay where they are, and no value of theirs is taken."""
    for path in sorted(source.root.glob(".env*")):
        if not path.is_file() or is_example(path.name) or not OWN.search(path.name):
            continue
        names = [pair[1] for line in source.text(path.name).splitlines() if (pair := PAIR.match(line))]
        if names:
            tracked = path.name in source.files
            note = "names alone were read; no value goes anywhere"
            if tracked:
                note += ". git has this file: secrets in it are known to everybody who has the repository"
            yield Finding("file of variables", f"{path.name}: {listing(names)}", f"{path.name}:1", note=note)
