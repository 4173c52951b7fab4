"""Packages and apt's sources, by what dpkg and apt print on several releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.manifest.reading.cache import Cache
from plugins.module_utils.manifest.sections.packages import UNKNOWN, archives, collect, installed, origins
from plugins.module_utils.manifest.sections.sources import collect as sources
from plugins.module_utils.manifest.sections.sources import deb822, one_line, pins, settings
from tests.support.paper_host import PaperHost

if TYPE_CHECKING:
    from pathlib import Path

# `apt-cache policy` of a Debian 13 and of an Ubuntu 24.04 with a third party's archive
TRIXIE = """Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 http://deb.debian.org/debian-security trixie-security/main amd64 Packages
     release v=13,o=Debian,a=stable-security,n=trixie-security,l=Debian-Security,c=main,b=amd64
     origin deb.debian.org
 500 http://deb.debian.org/debian trixie-updates/main amd64 Packages
     release v=13-updates,o=Debian,a=stable-updates,n=trixie-updates,l=Debian,c=main,b=amd64
     origin deb.debian.org
 500 http://deb.debian.org/debian trixie/main amd64 Packages
     release v=13.8,o=Debian,a=stable,n=trixie,l=Debian,c=main,b=amd64
     origin deb.debian.org
Pinned packages:
"""
NOBLE = """Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 https://packages.redis.io/deb noble/main amd64 Packages
     release v=24.04,o=packages.redis.io,a=noble,n=noble,l=packages.redis.io,c=main,b=amd64
     origin packages.redis.io
 500 http://archive.ubuntu.com/ubuntu noble-updates/universe amd64 Packages
     release v=24.04,o=Ubuntu,a=noble-updates,n=noble,l=Ubuntu,c=universe,b=amd64
     origin archive.ubuntu.com
Pinned packages:
"""
NGINX = """nginx:
  Installed: 1.26.3-3+deb13u11
  Candidate: 1.26.3-3+deb13u11
  Version table:
 *** 1.26.3-3+deb13u11 500
        500 http://deb.debian.org/debian-security trixie-security/main amd64 Packages
        100 /var/lib/dpkg/status
     1.26.3-3+deb13u10 500
        500 http://deb.debian.org/debian trixie/main amd64 Packages
libc6:
  Installed: 2.41-12+deb13u5
  Candidate: 2.41-12+deb13u6
  Version table:
     2.41-12+deb13u6 500
        500 http://deb.debian.org/debian trixie/main amd64 Packages
 *** 2.41-12+deb13u5 100
        100 /var/lib/dpkg/status
"""
DPKG = "\n".join(
    "\t".join(row)
    for row in (
        ("nginx", "amd64", "1.26.3-3+deb13u11", "ii "),
        ("libc6", "amd64", "2.41-12+deb13u5", "ii "),
        ("libc6", "i386", "2.41-12+deb13u5", "ii "),
        ("tzdata", "all", "2026a-0+deb13u1", "hi "),
        ("old", "amd64", "1.0", "rc "),
        ("half", "amd64", "1.0", "iF "),
    )
)


def test_installed_packages_and_their_states() -> None:
    found = installed(DPKG, "amd64")
    assert found["nginx"] == ("1.26.3-3+deb13u11", "ii")
    assert found["libc6:i386"] == ("2.41-12+deb13u5", "ii")
    assert found["tzdata"] == ("2026a-0+deb13u1", "hi")
    assert found["half"] == ("1.0", "iF")
    assert "old" not in found


@pytest.mark.parametrize(
    ("policy", "source", "archive"),
    [
        (TRIXIE, "http://deb.debian.org/debian-security trixie-security/main amd64 Packages", "Debian trixie main"),
        (TRIXIE, "http://deb.debian.org/debian trixie-updates/main amd64 Packages", "Debian trixie main"),
        (TRIXIE, "http://deb.debian.org/debian trixie/main amd64 Packages", "Debian trixie main"),
        (NOBLE, "https://packages.redis.io/deb noble/main amd64 Packages", "packages.redis.io noble main"),
        (NOBLE, "http://archive.ubuntu.com/ubuntu noble-updates/universe amd64 Packages", "Ubuntu noble universe"),
    ],
)
def test_pockets_of_an_archive_are_one(policy: str, source: str, archive: str) -> None:
    assert archives(policy)[source] == archive


def test_only_the_installed_version_says_where_it_is_from() -> None:
    assert origins(NGINX, archives(TRIXIE)) == {"nginx": "Debian trixie main"}


def host_with_packages(tmp_path: Path) -> PaperHost:
    host = PaperHost(tmp_path)
    host.answers = {
        "dpkg --print-architecture": "amd64\n",
        "dpkg-query": DPKG,
        "apt-cache policy": TRIXIE,
        "apt-cache policy nginx": NGINX,
    }
    return host


def test_an_archive_that_has_moved_on_is_remembered(tmp_path: Path) -> None:
    host = host_with_packages(tmp_path)
    assert collect(host)["libc6"] == f"2.41-12+deb13u5 [{UNKNOWN}]"
    host.cache = Cache()
    host.cache._findings["packages"] = ["earlier", {"libc6": "2.41-12+deb13u5 [Debian trixie main]"}]
    assert collect(host)["libc6"] == "2.41-12+deb13u5 [Debian trixie main]"
    assert collect(host)["tzdata"].endswith("(hi)")


def test_a_host_without_apt_says_so(tmp_path: Path) -> None:
    host = host_with_packages(tmp_path)
    del host.answers["apt-cache policy"], host.answers["apt-cache policy nginx"]
    assert collect(host)["nginx"] == f"1.26.3-3+deb13u11 [{UNKNOWN}]"
    assert "apt-cache" in host.missing["packages/origin"]


def test_one_line_sources() -> None:
    text = "# deb x\ndeb [signed-by=/k.gpg arch=amd64] http://deb.debian.org/debian/ trixie main contrib # why\n\n"
    assert list(one_line(text)) == [
        ("deb http://deb.debian.org/debian trixie", "main contrib [arch=amd64] [signed-by=/k.gpg]")
    ]


def test_deb822_sources_of_ubuntu() -> None:
    text = (
        "## See the manual\nTypes: deb\nURIs: http://archive.ubuntu.com/ubuntu/\nSuites: noble noble-updates\n"
        "Components: main universe\nSigned-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n\n"
        "Types: deb\nURIs: http://security.ubuntu.com/ubuntu/\nSuites: noble-security\nComponents: main\nEnabled: no\n"
    )
    options = "[signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg]"
    assert list(deb822(text)) == [
        ("deb http://archive.ubuntu.com/ubuntu noble", f"main universe {options}"),
        ("deb http://archive.ubuntu.com/ubuntu noble-updates", f"main universe {options}"),
    ]


def test_a_key_inside_of_a_source_stays_whole() -> None:
    text = "Types: deb\nURIs: http://x\nSuites: y\nSigned-By:\n -----BEGIN\n .\n abc\n"
    assert list(deb822(text)) == [("deb http://x y", "[signed-by=-----BEGIN . abc]")]


def test_pins() -> None:
    assert list(pins("Package: *\nPin: release n=sid\nPin-Priority: 50\n")) == [("pin:*", "release n=sid = 50")]


def test_settings_that_decide_what_is_installed() -> None:
    dump = (
        'APT "";\nAPT::Architecture "amd64";\nAPT::Install-Recommends "false";\n'
        'Unattended-Upgrade::Origins-Pattern:: "origin=Debian";\n'
        'Unattended-Upgrade::Origins-Pattern:: "origin=Ubuntu";\n'
    )
    assert settings(dump) == {
        "setting:APT::Install-Recommends": ["false"],
        "setting:Unattended-Upgrade::Origins-Pattern": ["origin=Debian", "origin=Ubuntu"],
    }


def test_the_same_source_in_another_file_is_the_same(tmp_path: Path) -> None:
    one, other = PaperHost(tmp_path / "a"), PaperHost(tmp_path / "b")
    one.write("/etc/apt/sources.list", "deb http://deb.debian.org/debian trixie main\n")
    other.write("/etc/apt/sources.list.d/debian.list", "deb http://deb.debian.org/debian trixie main\n")
    one.answers = other.answers = {"apt-config dump": ""}
    assert sources(one) == sources(other) == {"deb http://deb.debian.org/debian trixie": "main"}


def test_passwords_of_archives_and_proxies_are_no_text(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.write("/etc/apt/sources.list", "deb https://me:planted@apt.example.com/debian trixie main\n")
    host.answers = {"apt-config dump": 'Acquire::http::Proxy "http://me:planted@proxy:3128/";\n'}
    assert "planted" not in str(sources(host))
