"""Packages of the system that a message names have what is missing: by the archive's own list of its files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from plugins.module_utils.release import causes

if TYPE_CHECKING:
    from tests.support.apps import App

LIBRARIES, BIN, INCLUDE = (
    r"^(usr/)?lib/(x86_64|aarch64)-linux-gnu/",
    r"^usr/(s?bin/|lib/jvm/)",
    r"^usr/(include|lib)/(\S+/)?",
)
#: What programs say, and the file that they lack (a regular expression)
AT_RUN_TIME = {
    "ImportError: failed to find libmagic.  Check your installation": rf"{LIBRARIES}libmagic\.so\.1$",
    "OSError: libmagic.so.1: cannot open shared object file": rf"{LIBRARIES}libmagic\.so\.1$",
    'ImproperlyConfigured: Could not find the GDAL library (tried "gdal")': rf"{LIBRARIES}libgdal\.so\.\d+$",
    "OSError: libgdal.so.36: cannot open shared object file": rf"{LIBRARIES}libgdal\.so\.\d+$",
    'ImproperlyConfigured: Could not find the GEOS library (tried "geos_c")': rf"{LIBRARIES}libgeos_c\.so\.1$",
    "OSError: libgeos_c.so.1: cannot open shared object file": rf"{LIBRARIES}libgeos_c\.so\.1$",
    "ImportError: libproj.so.25: cannot open shared object file": rf"{LIBRARIES}libproj\.so\.25$",
    "CommandError: Can't find msgfmt. Make sure you have GNU gettext tools 0.15 or newer": rf"{BIN}msgfmt$",
    "CommandError: Can't find xgettext. Make sure you have GNU gettext tools 0.15 or newer": rf"{BIN}xgettext$",
    "locale.Error: unsupported locale setting": r"^usr/lib/locale/de_AT\.utf8/LC_CTYPE$",
    'OSError: no library called "cairo-2" was found': rf"{LIBRARIES}libcairo\.so\.2$",
    "OSError: libcairo.so.2: cannot open shared object file": rf"{LIBRARIES}libcairo\.so\.2$",
    "OSError: cannot load library 'libgobject-2.0-0': libgobject-2.0-0: cannot": rf"{LIBRARIES}libgobject-2\.0\.so\.0$",
    "OSError: cannot load library 'libpango-1.0-0': libpango-1.0-0: cannot": rf"{LIBRARIES}libpango-1\.0\.so\.0$",
    "OSError: cannot load library 'pangoft2-1.0-0': pangoft2-1.0-0: cannot": rf"{LIBRARIES}libpangoft2-1\.0\.so\.0$",
    "ImportError: libGL.so.1: cannot open shared object file": rf"{LIBRARIES}libGL\.so\.1$",
    "ImportError: libgthread-2.0.so.0: cannot open shared object file": rf"{LIBRARIES}libgthread-2\.0\.so\.0$",
    "ImportError: libglib-2.0.so.0: cannot open shared object file": rf"{LIBRARIES}libglib-2\.0\.so\.0$",
    "saml2.sigver.SigverError: Cannot find ['xmlsec1']": rf"{BIN}xmlsec1$",
    "FileNotFoundError: [Errno 2] No such file or directory: 'xmlsec1'": rf"{BIN}xmlsec1$",
    "ImportError: libxmlsec1-openssl.so.1: cannot open shared object file": rf"{LIBRARIES}libxmlsec1-openssl\.so\.1$",
    "ImportError: libmariadb.so.3: cannot open shared object file": rf"{LIBRARIES}libmariadb\.so\.3$",
    "ImportError: libodbc.so.2: cannot open shared object file": rf"{LIBRARIES}libodbc\.so\.2$",
    "ImportError: libpq.so.5: cannot open shared object file": rf"{LIBRARIES}libpq\.so\.5$",
    "ImportError: no pq wrapper available.\nAttempts made:": rf"{LIBRARIES}libpq\.so\.5$",
    "ImportError: libmemcached.so.11: cannot open shared object file": rf"{LIBRARIES}libmemcached\.so\.11$",
    "FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'": rf"{BIN}ffmpeg$",
    "/bin/sh: 1: ffmpeg: not found": rf"{BIN}ffmpeg$",
}
#: What builds say, and the file that they lack
HEADERS = {
    "fatal error: libpq-fe.h: No such file or directory": rf"{INCLUDE}libpq-fe\.h$",
    "Error: pg_config executable not found.": rf"{BIN}pg_config$",
    "/bin/sh: 1: mysql_config: not found": rf"{BIN}(mysql|mariadb)_config$",
    "fatal error: mysql.h: No such file or directory": rf"{INCLUDE}mysql\.h$",
    "fatal error: libxml/xmlversion.h: No such file or directory": rf"{INCLUDE}libxml/xmlversion\.h$",
    "/bin/sh: 1: xslt-config: not found": rf"{BIN}xslt-config$",
    "The headers or library files could not be found for jpeg,": rf"{INCLUDE}jpeglib\.h$",
    "fatal error: zlib.h: No such file or directory": rf"{INCLUDE}zlib\.h$",
    "fatal error: ffi.h: No such file or directory": rf"{INCLUDE}ffi\.h$",
    "fatal error: openssl/opensslv.h: No such file or directory": rf"{INCLUDE}openssl/opensslv\.h$",
    "No such file or directory: 'curl-config'": rf"{BIN}curl-config$",
    "fatal error: lber.h: No such file or directory": rf"{INCLUDE}lber\.h$",
    "fatal error: sasl/sasl.h: No such file or directory": rf"{INCLUDE}sasl/sasl\.h$",
    "No such file or directory: 'gdal-config'": rf"{BIN}gdal-config$",
    "fatal error: geos_c.h: No such file or directory": rf"{INCLUDE}geos_c\.h$",
    "/bin/sh: 1: geos-config: not found": rf"{BIN}geos-config$",
    "fatal error: xmlsec/xmlsec.h: No such file or directory": rf"{INCLUDE}xmlsec/xmlsec\.h$",
    "../meson.build:31:12: ERROR: Dependency 'cairo' not found, tried pkgconfig": rf"{INCLUDE}cairo\.h$",
    "fatal error: ft2build.h: No such file or directory": rf"{INCLUDE}ft2build\.h$",
    "fatal error: sqlite3.h: No such file or directory": rf"{INCLUDE}sqlite3\.h$",
    "fatal error: sql.h: No such file or directory": rf"{INCLUDE}sql\.h$",
    "fatal error: libmemcached/memcached.h: No such file or directory": rf"{INCLUDE}libmemcached/memcached\.h$",
    "/bin/sh: 1: pkg-config: not found": rf"{BIN}pkg-config$",
    "No such file or directory: 'cmake'": rf"{BIN}cmake$",
    "error: command 'swig' failed: No such file or directory; swig: not found": rf"{BIN}swig[\d.]*$",
    "cargo: command not found": rf"{BIN}cargo$",
    "error: can't find Rust compiler; rustc: rust compiler": rf"{BIN}rustc$",
    "Unknown compiler(s): [['gfortran'], ['flang']]": rf"{BIN}[\w-]*gfortran[\w-]*$",
}
#: Where the file of a command is called otherwise
COMMANDS = {"convert": r"^usr/bin/convert(-im.*)?$"}


#: Prints the lines of the archive's own list of its files that match
SEARCH = """
cd "$(mktemp -d)"
apt-get -q update >/dev/null
base=$(apt-get indextargets --format '$(SUITE) $(BASE_URI)' 'Component: main' 'Created-By: Packages' | sort | head -n 1)
for kind in $(dpkg --print-architecture) all; do
    /usr/lib/apt/apt-helper download-file "${base#* }main/Contents-$kind.gz" "$kind.gz" >/dev/null
done
cat >patterns <<'END'
%s
END
zcat *.gz | LC_ALL=C grep -P -f patterns
"""


def owners(app: App, paths: set[str]) -> dict[str, set[str]]:
    """Return which packages have files, by the pattern of each."""
    joined = "|".join(path.replace("$", r"\s") for path in sorted(paths))
    found: dict[str, set[str]] = {path: set() for path in paths}
    for line in app.machine.run(SEARCH % joined).splitlines():
        file, _, listed = line.rpartition(" ")
        for path in paths:
            if re.search(path, file.strip()):
                found[path] |= {name.rpartition("/")[2] for name in listed.split(",")}
    return found


def dependencies(app: App, names: set[str]) -> dict[str, set[str]]:
    """Return what each package of the archive depends on, directly, of these and of all that comes with them."""
    found: dict[str, set[str]] = {}
    package = ""
    said = app.machine.run(f"apt-cache depends --recurse --important {' '.join(sorted(names))}")
    for line in said.splitlines():
        if not line.startswith((" ", "|")):
            package = line.strip("<>")
        found.setdefault(package, set()).add(line.rpartition(" ")[2].strip("<>"))
    assert names <= found.keys(), f"{names - found.keys()} are not in the archive"
    return found


def brought(names: list[str], depends: dict[str, set[str]]) -> set[str]:
    """Return these packages and all that comes with them."""
    found: set[str] = set()
    rest = set(names)
    while rest:
        found |= rest
        rest = {one for name in rest for one in depends.get(name, ())} - found
    return found


def lacking(app: App, wanted: list[tuple[str, list[str], str]]) -> list[str]:
    """Return what the archive's packages (what, their names, the file) do not bring, with what they depend on."""
    have = owners(app, {path for _, _, path in wanted})
    depends = dependencies(app, {name for _, names, _ in wanted for name in names})
    return [
        f"{what}: {path} is in {sorted(have[path])[:9]}, not in {names}"
        for what, names, path in wanted
        if not brought(names, depends) & have[path]
    ]


def test_what_is_named_has_what_is_missing(app: App) -> None:
    wanted = []
    for said, path in AT_RUN_TIME.items():
        found = re.search(r"Set app_system_packages: (\[[^\]]*\])", causes.advice(said))
        assert found, said
        wanted.append((said, yaml.safe_load(found[1]), path))
    for said, path in HEADERS.items():
        assert causes.NO_COMPILER.search(said), said
        wanted.append((said, causes.to_build(["of-ours"], said), path))
    wanted += [(name, list(more), COMMANDS.get(name, f"^usr/s?bin/{name}$")) for name, more in causes.COMMANDS.items()]
    wanted += [(name, [*more, *causes.COMPILER], r"^usr/bin/gcc$") for name, more in causes.TO_BUILD.items()]
    assert lacking(app, wanted) == []
    samples = "\n".join([*AT_RUN_TIME, *HEADERS])
    for pattern in [*causes.AT_RUN_TIME, *causes.HEADERS]:
        assert re.search(pattern, samples), f"{pattern} is tried by nothing"
