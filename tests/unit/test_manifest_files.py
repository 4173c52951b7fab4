"""Files that are not as their packages brought them, and digests that are kept."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.manifest.reading.cache import RACY_NS, Cache
from plugins.module_utils.manifest.reading.dpkg import conffiles, merged, programs, ucf_files
from plugins.module_utils.manifest.sections.files import collect
from tests.support.paper_host import PaperHost

if TYPE_CHECKING:
    from pathlib import Path

STATUS = """Package: nginx-common
Status: install ok installed
Conffiles:
 /etc/nginx/mime.types {mime}
 /etc/nginx/removed.conf 0123456789abcdef0123456789abcdef
 /etc/nginx/old.conf 0123456789abcdef0123456789abcdef obsolete
Description: x

"""


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def host(tmp_path: Path) -> PaperHost:
    host = PaperHost(tmp_path)
    host.write("/var/lib/dpkg/status", STATUS.format(mime=md5("types\n")))
    host.write("/var/lib/dpkg/info/nginx-common.list", "/.\n/etc/nginx\n/etc/init.d/nginx\n/bin/tac\n")
    host.write("/var/lib/dpkg/info/nginx-common.md5sums", f"{md5('program')}  bin/tac\n{md5('x')}  usr/share/doc/x\n")
    host.write("/var/lib/ucf/hashfile", f"{md5('ucf')}  /etc/ucf.conf\n")
    host.write("/etc/nginx/mime.types", "types\n")
    host.write("/etc/init.d/nginx", "script\n", 0o755)
    host.write("/etc/ucf.conf", "ucf")
    host.write("/usr/bin/tac", "program", 0o755)
    return host


def digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:32]


def test_what_packages_brought_is_no_news(host: PaperHost) -> None:
    section = collect(host)
    section.pop("/etc/nginx/removed.conf")
    # Tests need not be root; on a host these are root's.
    assert {key for key, value in section.items() if not str(value).startswith("as its package brought it")} == set()


def test_changed_added_removed_and_linked(host: PaperHost) -> None:
    host.write("/etc/nginx/mime.types", "other\n")
    host.write("/etc/profile.d/planted.sh", "x\n")
    host.write("/usr/bin/tac", "planted", 0o755)
    host.write("/usr/bin/planted", "x", 0o755)
    (host.folder / "etc/link").symlink_to("/dev/null")
    section = collect(host)
    assert str(section["/etc/nginx/mime.types"]).startswith(digest("other\n"))
    assert str(section["/etc/profile.d/planted.sh"]).startswith(digest("x\n"))
    assert str(section["/usr/bin/tac"]).startswith(digest("planted"))
    assert "/usr/bin/planted" in section
    assert section["/etc/nginx/removed.conf"] == "removed"
    assert section["/etc/link"] == "link to /dev/null"
    assert "/etc/nginx/old.conf" not in section


def test_rights_that_say_something(host: PaperHost) -> None:
    host.write("/etc/nginx/mime.types", "types\n", 0o666)
    host.write("/usr/local/bin/sh", "x", 0o755)
    (host.folder / "usr/local/bin/sh").chmod(0o4755)
    section = collect(host)
    assert str(section["/etc/nginx/mime.types"]).endswith("0666")
    assert str(section["setuid:/usr/local/bin/sh"]).endswith("4755")


def test_a_file_that_not_everybody_may_read_is_told_by_a_key(host: PaperHost) -> None:
    host.write("/etc/planted-secret", "planted", 0o600)
    host.write("/etc/ssh/ssh_host_rsa_key", "planted", 0o600)
    host.write("/etc/sudoers.d/eve", "eve ALL=(ALL) ALL\n", 0o440)
    section = collect(host)
    assert str(section["/etc/planted-secret"]).startswith("hmac:")
    assert str(section["/etc/ssh/ssh_host_rsa_key"]).startswith("this machine's own hmac:")
    assert str(section["/etc/sudoers.d/eve"]).startswith(digest("eve ALL=(ALL) ALL\n"))


def test_the_password_of_redis_is_told_apart(host: PaperHost) -> None:
    text = "port 0\nrequirepass {}\n"
    host.write("/etc/redis/redis.conf", text.format("planted-one"), 0o640)
    before = collect(host)
    host.write("/etc/redis/redis.conf", text.format("planted-two"), 0o640)
    after = collect(host)
    assert {key for key in after if after[key] != before[key]} == {"/etc/redis/redis.conf:secret"}


def test_names_of_an_environment_are_no_difference(host: PaperHost) -> None:
    host.write("/etc/nginx/conf.d/samestack.conf", "server_name staging.noticeboard.test;\n")
    staging = collect(host)
    host.config = {**host.config, "names": {"www.example.com": "app_domains"}}
    host.write("/etc/nginx/conf.d/samestack.conf", "server_name www.example.com;\n")
    assert collect(host) == staging
    host.write("/etc/nginx/conf.d/samestack.conf", "server_name xwww.example.com;\n")
    assert collect(host) != staging


def test_the_name_of_a_pair_is_no_difference(host: PaperHost) -> None:
    host.write("/etc/redis/server-0a1b2c3d.pem", "x", 0o600)
    assert str(collect(host)["/etc/redis/server-….pem"]).startswith("this machine's own hmac:")


def test_the_recorder_is_one_line(host: PaperHost) -> None:
    host.write("/usr/local/lib/samestack/recorder/a.py", "1\n")
    host.write("/usr/local/lib/samestack/recorder/__pycache__/a.pyc", "1\n")
    before = collect(host)["/usr/local/lib/samestack/recorder"]
    host.write("/usr/local/lib/samestack/recorder/a.py", "2\n")
    assert str(before).endswith("(1 files)")
    assert collect(host)["/usr/local/lib/samestack/recorder"] != before


def test_lists_of_dpkg() -> None:
    assert conffiles(STATUS.format(mime="a" * 32))["/etc/nginx/mime.types"] == "a" * 32
    assert ucf_files("abc  /x\n" + "f" * 32 + "  /etc/a b\n" + "f" * 32 + "  /etc/y\n") == {"/etc/y": "f" * 32}
    assert programs(["aa  bin/tac\nbb  usr/lib/x/libc.so\ncc  usr/sbin/diverted\n"], "/usr/sbin/diverted\n:\n") == {
        "/usr/bin/tac": "aa"
    }
    assert merged("/lib/systemd/x") == "/usr/lib/systemd/x"


def test_a_digest_is_kept_while_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    cache = Cache(str(tmp_path / "cache" / "cache.json"))
    # Attributes have a time of their own, which nobody can set back: the clock goes on instead.
    cache._now += 10 * RACY_NS
    first = cache.digest(str(file))
    cache.save()
    again = Cache(cache.path)
    monkeypatch.setattr("builtins.open", None)
    assert again.digest(str(file)) == first


def test_a_byte_that_changed_with_its_time_kept_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    cache = Cache()
    cache._now += 10 * RACY_NS
    before = cache.digest(str(file))
    status = file.stat()
    file.write_text("two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    cache._files = cache._used_files
    assert cache.digest(str(file)) != before


def test_a_file_of_the_last_moments_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    cache = Cache()
    cache.digest(str(file))
    assert cache._used_files == {}


def test_a_finding_holds_as_long_as_what_it_follows_from(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache.json"))
    assert cache.finding("a", "1", lambda: ["x"]) == ["x"]
    cache.save()
    cache = Cache(cache.path)
    assert cache.finding("a", "1", lambda: ["y"]) == ["x"]
    assert cache.finding("a", "2", lambda: ["y"]) == ["y"]


def test_a_broken_cache_is_none(tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text("{")
    assert Cache(str(tmp_path / "cache.json")).remembered("a") is None


def test_only_what_was_used_is_kept(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache.json"))
    cache.finding("a", "1", lambda: 1)
    cache.finding("b", "1", lambda: 1)
    cache.save()
    cache = Cache(cache.path)
    cache.finding("b", "1", lambda: 1)
    cache.save()
    assert Cache(cache.path).remembered("a") is None


def test_a_finding_is_looked_for_once_a_recording(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache.json"))
    cache.finding("a", "before", lambda: "old")
    cache.save()
    cache = Cache(cache.path)
    asked: list[int] = []
    for _ in range(2):
        assert cache.finding("a", "now", lambda: asked.append(1) or "new") == "new"
    assert asked == [1]
