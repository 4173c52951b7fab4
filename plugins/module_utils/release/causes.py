"""What commonly goes wrong with an application on a host, by what programs say of it, and what to do about it.

One table for builds, checks, starts and whatever else fails. A remedy names the decision and what to write there;
that the packages of the system have what is missing, a test asks of the archive (tests/soak_apps). What is not in the
table is the project's own, or is not known.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from ..common.errors import DECISIONS_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What 3.x is the oldest Python that can be brought
OLDEST_BROUGHT = 10
THEN = "then `./samestack provision`, and deploy again"
PROJECT = "The release that serves was not touched. Mend this in the project and deploy again."
COMPILER = ("build-essential", "python3-dev")
#: What has to be there to build a package, beside a compiler, by its name: Debian's and Ubuntu's packages. Where both
#: have another name for it, the newer one's, which the older has too.
TO_BUILD = {
    "cffi": ("libffi-dev", "pkg-config"),
    "cryptography": ("libssl-dev", "libffi-dev", "pkg-config", "cargo"),
    "bcrypt": ("cargo",),
    "dbus-python": ("libdbus-1-dev", "libglib2.0-dev", "pkg-config"),
    "fiona": ("libgdal-dev",),
    "gdal": ("libgdal-dev",),
    "h5py": ("libhdf5-dev", "pkg-config"),
    "jq": ("autoconf", "automake", "libtool"),
    "lxml": ("libxml2-dev", "libxslt1-dev", "zlib1g-dev"),
    "m2crypto": ("libssl-dev", "swig"),
    "maxminddb": ("libmaxminddb-dev",),
    "mysqlclient": ("default-libmysqlclient-dev", "pkg-config"),
    "netifaces": (),
    "numpy": ("gfortran", "libopenblas-dev", "pkg-config"),
    "orjson": ("cargo",),
    "pandas": (),
    "pillow": ("libjpeg-dev", "zlib1g-dev", "libfreetype-dev", "libopenjp2-7-dev", "libwebp-dev", "pkg-config"),
    "psycopg-c": ("libpq-dev",),
    "psycopg2": ("libpq-dev",),
    "pycairo": ("libcairo2-dev", "pkg-config"),
    "pycurl": ("libcurl4-openssl-dev", "libssl-dev"),
    "pydantic-core": ("cargo",),
    "pygraphviz": ("libgraphviz-dev", "pkg-config"),
    "pyicu": ("libicu-dev", "pkg-config"),
    "pylibmc": ("libmemcached-dev", "zlib1g-dev", "libsasl2-dev"),
    "pymssql": ("freetds-dev",),
    "pynacl": ("libsodium-dev", "libffi-dev"),
    "pyodbc": ("unixodbc-dev",),
    "pyproj": ("libproj-dev", "proj-bin"),
    "pysqlite3": ("libsqlite3-dev",),
    "python-ldap": ("libldap-dev", "libsasl2-dev"),
    "python-snappy": ("libsnappy-dev",),
    "rcssmin": (),
    "rtree": ("libspatialindex-dev",),
    "rjsmin": (),
    "rpds-py": ("cargo",),
    "scipy": ("gfortran", "libopenblas-dev", "pkg-config"),
    "shapely": ("libgeos-dev",),
    "uwsgi": ("libpcre2-dev",),
    "xmlsec": ("libxml2-dev", "libxmlsec1-dev", "xmlsec1", "pkg-config"),
    "zstandard": (),
}
#: What nobody publishes ready-made, for whatever Python
SOURCES_ONLY = frozenset(
    {"dbus-python", "gdal", "m2crypto", "mysqlclient", "netifaces", "psycopg-c", "psycopg2", "pycairo", "pygraphviz",
     "pyicu", "pysqlite3", "python-ldap", "python-snappy", "uwsgi"}
)  # fmt: skip
#: Of a package that is not listed, by what its build says is missing
HEADERS = {
    r"libpq-fe\.h|pg_config": ("libpq-dev",),
    r"mysql(_config|\.h)|mariadb": ("default-libmysqlclient-dev", "pkg-config"),
    r"libxml/|xml2-config|xslt-config": ("libxml2-dev", "libxslt1-dev"),
    r"jpeglib\.h|headers or library files could not be found for jpeg": ("libjpeg-dev",),
    r"zlib\.h": ("zlib1g-dev",),
    r"ffi\.h|libffi": ("libffi-dev",),
    r"openssl/|libssl": ("libssl-dev", "pkg-config"),
    r"curl-config|curl/curl\.h": ("libcurl4-openssl-dev", "libssl-dev"),
    r"lber\.h|ldap\.h": ("libldap-dev",),
    r"sasl/sasl\.h": ("libsasl2-dev",),
    r"gdal-config|gdal\.h": ("libgdal-dev",),
    r"geos_c\.h|geos-config": ("libgeos-dev",),
    r"xmlsec": ("libxmlsec1-dev", "pkg-config"),
    r"cairo\.h|(?i:dependency) [\"']cairo": ("libcairo2-dev", "pkg-config"),
    r"ft2build\.h": ("libfreetype-dev",),
    r"sqlite3\.h": ("libsqlite3-dev",),
    r"sql\.h": ("unixodbc-dev",),
    r"libmemcached/": ("libmemcached-dev",),
    r"pkg-config|pkgconf": ("pkg-config",),
    r"\bcmake\b": ("cmake",),
    r"\bswig\b": ("swig",),
    r"\bcargo\b|rustc|[Rr]ust (toolchain|compiler)|puccinialin": ("cargo",),
    r"gfortran|Fortran": ("gfortran",),
}
#: What a build says that has no compiler, or no header
NO_COMPILER = re.compile(
    r"command '[^']*(gcc|cc|g\+\+|cc1plus|clang)' failed: No such file|unable to execute '"
    r"|fatal error: \S+\.h(pp)?: No such file"
    r"|Python\.h|(gcc|g\+\+|cc|make|cargo|cmake|swig|pkg-config)(: |')?(: )?(command )?not found"
    r"|Unknown compiler|you need a C compiler|linker `cc` not found|[Rr]ust (toolchain|compiler)|puccinialin"
    r"|[-_]config[^\n]*not found"
    r"|pkg-config[^\n]*(not found|No such)|valid pkg-config name"
    r"|headers or library files could not be found|cannot find -l|C compiler cannot create"
    r"|No such file or directory: '[^']*(gcc|cc|_config|-config|cmake|swig|cargo)'|(?i:dependency) [^\n]* not found"
)
#: What a program says that lacks a library or a program at run time → packages
AT_RUN_TIME = {
    r"failed to find libmagic|libmagic\.so": ("file",),
    r"Could not find the GDAL library|libgdal": ("gdal-bin",),
    r"libgeos_c|Could not find the GEOS library": ("gdal-bin",),
    r"libproj\.so": ("proj-bin",),
    r"Can't find (msgfmt|msgmerge|xgettext|msguniq|msgcat|msgattrib)|GNU gettext tools": ("gettext",),
    r"unsupported locale setting": ("locales-all",),
    r"no library called \"?cairo|libcairo[\w.-]*so": ("libcairo2",),
    r"libgobject-2|libpango|cannot load library '(gobject|pango)": ("libpango-1.0-0", "libpangoft2-1.0-0"),
    r"libGL\.so": ("libgl1",),
    r"libglib-2|libgthread-2": ("libglib2.0-bin",),
    r"Cannot find \['xmlsec1'\]": ("xmlsec1",),
    r"libxmlsec1[\w-]*\.so": ("xmlsec1",),
    r"libmariadb\.so": ("libmariadb3",),
    r"libodbc\.so": ("unixodbc",),
    r"libpq\.so|no pq wrapper available|libpq library not found": ("libpq5",),
    r"libmemcached\.so": ("libmemcached-tools",),
}
#: Commands that a bare machine has not → packages
COMMANDS = {
    "npm": ("npm",), "npx": ("npm",), "node": ("nodejs",), "git": ("git",), "make": ("make",),
    "gcc": ("build-essential",), "msgfmt": ("gettext",), "curl": ("curl",), "wget": ("wget",), "unzip": ("unzip",),
    "ruby": ("ruby",), "sassc": ("sassc",), "pandoc": ("pandoc",), "psql": ("postgresql-client",),
    "pg_dump": ("postgresql-client",), "rsync": ("rsync",), "jq": ("jq",), "xz": ("xz-utils",), "zip": ("zip",),
    "convert": ("imagemagick",), "ffmpeg": ("ffmpeg",), "ffprobe": ("ffmpeg",), "xmlsec1": ("xmlsec1",),
    "pdftotext": ("poppler-utils",), "pdftoppm": ("poppler-utils",), "tesseract": ("tesseract-ocr",),
    "gs": ("ghostscript",), "dot": ("graphviz",), "exiftool": ("libimage-exiftool-perl",),
    "ldapsearch": ("ldap-utils",), "7z": ("7zip",),
}  # fmt: skip
NOT_FOUND = re.compile(
    r"(?:^|\n)(?:/bin/)?(?:sh|bash): (?:line )?(?:\d+: )?([\w.+-]+): (?:command )?not found"
    r"|No such file or directory: b?'([\w.+-]+)'"
)
#: Simple causes: what is said → what to do
REMEDIES = (
    (
        r"UnknownIssuer|self[- ]signed certificate in certificate chain|SELF_SIGNED_CERT_IN_CHAIN"
        r"|unable to get (local )?issuer certificate|UNABLE_TO_GET_ISSUER_CERT|certificate verify failed: unable to get"
        r"|certificate signed by unknown authority|invalid peer certificate",
        "The network there has an authority of its own (an office that looks into TLS): name its certificate in "
        f"machine_trusted_ca_files (in {DECISIONS_FILE}), {THEN}.",
    ),
    (
        r"No module named '?(pkg_resources|distutils|setuptools)\b",
        'Set app_extra_requirements: ["setuptools<81"] '
        f"(in {DECISIONS_FILE}) and deploy again: Python has it no more, and newer ones of setuptools have less.",
    ),
    (
        r"error sending request for url|Failed to fetch: `|client error \(Connect\)|Could not fetch URL",
        "This host does not reach the packages: look at its network, or name a mirror in release_package_indexes "
        f"(in {DECISIONS_FILE}). Running the same command again is safe.",
    ),
    (
        r"Missing staticfiles manifest entry for",
        "collectstatic does not find that file. Where a command of the project makes it, name the command in "
        "app_build_commands; where the source has its static files ready (in STATIC_ROOT), set "
        f"app_collectstatic: false (in {DECISIONS_FILE}). Then deploy again.",
    ),
    (
        r"missing from offline manifest|OfflineGenerationError|/releases/[^/\s]+/static/CACHE\b",
        "Let django-compressor do its work while a release is built, with COMPRESS_OFFLINE = True in the settings. Set "
        f"app_build_commands: [python manage.py compress] (in {DECISIONS_FILE}; beside what is there), and deploy "
        "again.",
    ),
    (
        r"in Vite manifest\b|Vite manifest file|sure webpack has generated the file"
        r"|Webpack(BundleLookup|LoaderBadStats)Error",
        "The browser's part of the project was not built. Where it is not committed, let npm build it: set "
        "app_system_packages: [npm], app_build_network: true and "
        f'app_build_commands: ["npm ci", "npm run build"] (in {DECISIONS_FILE}; beside what is there), {THEN}.',
    ),
    (
        r"The engine \"node\" is incompatible|code EBADENGINE|ERR_PNPM_UNSUPPORTED_ENGINE|requires Node\.js",
        "The machine's Node is older than the project's browser part wants. npm brings another one: in "
        f"app_build_commands (in {DECISIONS_FILE}), write `npx --yes --package node@22 -- env "
        "--unset=npm_config_package npm ci`, with the version that is asked for, or `npx --yes --package node@22 "
        "--package yarn -- env --unset=npm_config_package yarn install`; so before each command that runs Node. "
        "Then deploy again.",
    ),
    (
        r"(?:Read-only file system|Permission denied|\bEROFS\b|\bEACCES\b)[^\n]*?/releases/[^/\s]+/static\b",
        "Static files are a release's own, and are made while it is built: let a command of the project do that "
        f"(app_build_commands in {DECISIONS_FILE}, such as `python manage.py compilescss` of django-sass-processor), "
        "and deploy again.",
    ),
    (
        r"sqlite3\.OperationalError: (unable to open database file|attempt to write a readonly database)",
        "Beside its database the app opens a file of SQLite, in a folder that it may not write to, or that is missing. "
        "Where that is a folder of the source, such as data, set app_writable_paths: [data] "
        f"(in {DECISIONS_FILE}; beside what is there), {THEN}.",
    ),
    (
        r"Model class debug_toolbar\.\S+ doesn't declare an explicit app_label|'djdt' is not a registered namespace",
        "urls.py goes by DEBUG, and INSTALLED_APPS went by another one: the settings do not read it from the variable "
        "DEBUG, and Samestack sets it after them. Let them read it, or set app_debug: false "
        "(in inventories/group_vars/dev/differences.yml), and deploy again.",
    ),
    (
        r"NOAUTH Authentication required|HELLO must be called with the client already authenticated"
        r"|Error (?:111|-[235]) connecting to [\w.-]+:6379\b",
        "The app looks for Redis elsewhere, or knows no password. Set app_redis: true, and name the variable that its "
        'settings read the address from, such as app_secret_env: {CACHE_REDIS: "{{ redis_url }}"}; where they have a '
        f"host and no password, app_redis_open: true (in {DECISIONS_FILE}; beside what is there), {THEN}.",
    ),
    (
        r"was not found in the package registry|not found in the package registry|No matching distribution found",
        "Check the package's name; if it is a private one, name its index in release_package_indexes "
        f"(in {DECISIONS_FILE}).",
    ),
    (
        r"[Hh]ash mismatch|THESE PACKAGES DO NOT MATCH THE HASHES",
        "A package is another one than the lock was made from. Make the lock anew in the project, look at what "
        "changed, and deploy again.",
    ),
)  # fmt: skip
#: SQLSTATE 42501, of which a driver passes on PostgreSQL's words alone
NO_RIGHT = re.compile(r"must be owner of|permission denied for (table|view|sequence|relation|function|schema|type)")
NO_EXTENSION = re.compile(r'permission denied to create extension "([\w-]+)"')
#: What Python's own library has no more since 3.12 and 3.13, and the package that brings it back
TAKEN_OUT = {
    "asynchat": "pyasynchat", "asyncore": "pyasyncore", "audioop": "audioop-lts", "cgi": "legacy-cgi",
    "imghdr": "standard-imghdr", "pipes": "standard-pipes", "telnetlib": "standard-telnetlib",
}  # fmt: skip
#: A file of the release that the application wants to write
WRITES = re.compile(
    r"(?:Read-only file system|Permission denied|\bEROFS\b|\bEACCES\b)[^\n]*?"
    r"/srv/[^/\s]+/releases/[^/\s]+/source/([^\s'\"]+)"
)
#: A log file that cannot be opened, where which one it is was not quoted, and what to do
LOG_FILE = "Unable to configure handler '"
LOGS_ELSEWHERE = (
    "Its LOGGING writes into a file, and a release is nobody's to change: let it write to the console, which "
    "`./samestack logs` shows, or into the folder that the environment has in APP_DATA_PATH."
)
#: An import that failed
NO_MODULE = re.compile(r"No module named '?([A-Za-z_][\w.]*)'?")


def advice(output: str) -> str:
    """Return what to do about a known cause, "" for an unknown one."""
    for pattern, remedy in REMEDIES:
        if re.search(pattern, output):
            return remedy
    if remedy := of_rights(output):
        return remedy
    written = WRITES.search(output)
    if written:
        return writable_folder(written[1])
    needed = [name for pattern, names in AT_RUN_TIME.items() if re.search(pattern, output) for name in names]
    missing = [(said[1], said[2]) for said in NOT_FOUND.finditer(output)]
    # Of a file that is missing, nobody knows whether it is a program but by its name.
    needed += [one for names in missing for name in names if name in COMMANDS for one in COMMANDS[name]]
    if needed:
        return system_packages(needed)
    for shell, _ in missing:
        if shell:
            what = f"add the package that has it to app_system_packages (in {DECISIONS_FILE})"
            return f"This host has no {shell}: {what}, {THEN}."
    return LOGS_ELSEWHERE if LOG_FILE in output else ""


def of_rights(output: str) -> str:
    """Return what to do where the database's owner lacks a right, "" where nothing says so."""
    if extension := NO_EXTENSION.search(output):
        return (
            f"Set database_extensions: [{extension[1]}] (in {DECISIONS_FILE}; beside what is there), {THEN}: this one "
            "PostgreSQL lets nobody make but its superuser."
        )
    if not NO_RIGHT.search(output):
        return ""
    return (
        "It belongs to another role, as what somebody else has loaded does: `./samestack provision` gives it to the "
        "database's owner, unless it may be another application's (docs/move-a-site.md). Then deploy again."
    )


def writable_folder(path: str) -> str:
    """Return what to do about a file of its source that the application wants to write."""
    folder = path.rpartition("/")[0]
    if not folder:
        return (
            f"A release is nobody's to change: let the app write {path} into the folder that the environment has in "
            "APP_DATA_PATH, or into a folder of its own that app_writable_paths names."
        )
    return (
        f"Set app_writable_paths: [{folder}] (in {DECISIONS_FILE}; beside what is there), {THEN}: a release is "
        "nobody's to change."
    )


def of_import(output: str) -> str:
    """Return what to do about a module that is not there, "" where none is missing."""
    module = NO_MODULE.search(output)
    if not module:
        return ""
    if package := TAKEN_OUT.get(module[1]):
        return (
            f"Set app_extra_requirements: [{package}] (in {DECISIONS_FILE}; beside what is there) and deploy again: "
            f"this Python's own library has {module[1]} no more."
        )
    folder, _, file = module[1].replace(".", "/").rpartition("/")
    if folder and re.search(rf"(^|[\s/]){re.escape(folder)}/", output):
        return (
            f"The project itself has {folder}, with no {file}.py in it: git has not got that file, or Git LFS has it. "
            "Commit it, and deploy again."
        )
    return (
        f"The project does not list the package that has {module[1]}: add it to the project's packages, or to "
        f"app_extra_requirements (in {DECISIONS_FILE}), and deploy again."
    )


def system_packages(names: Iterable[str]) -> str:
    """Return the remedy for missing packages of the system."""
    listed = ", ".join(dict.fromkeys(names))
    return f"Set app_system_packages: [{listed}] (in {DECISIONS_FILE}; beside what is there), {THEN}."


def to_build(packages: Iterable[str], output: str) -> list[str]:
    """Return the system's packages that building these needs: all at once, of those that are well known by their names.

    `output` is what the first of them said.
    """
    named = {re.sub(r"[-_.]+", "-", name).lower() for name in packages}
    needed = [*COMPILER, *(one for name in sorted(named) for one in TO_BUILD.get(name, ()))]
    if not named & TO_BUILD.keys() or not set(needed) - set(installed(needed)):
        needed += [one for pattern, names in HEADERS.items() if re.search(pattern, output) for one in names]
    return list(dict.fromkeys(needed))


def older_python(packages: Iterable[str], python: str) -> str:
    """Return the other way out where versions of packages are older than the Python (3.13) that they are built for."""
    named = {re.sub(r"[-_.]+", "-", name).lower() for name in packages}
    minor = int(python.rpartition(".")[2] or 0)
    if minor <= OLDEST_BROUGHT or not named - SOURCES_ONLY:
        return ""
    return f' Or bring an older Python, for which these versions may be ready-made: app_python: "3.{minor - 1}".'


def installed(names: Iterable[str]) -> list[str]:
    """Return which of these packages this host has."""
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n", "--", *names]
    shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    return [line.split()[1] for line in shown.splitlines() if line.startswith("installed ")]
