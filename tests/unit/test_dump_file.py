"""Somebody's own file: what it is by how it begins, and where one is put that nobody else reads."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import shlex
import shutil
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, cast

import pytest

from plugins.plugin_utils.copies.dump_file import opened
from plugins.plugin_utils.copies.stream import Remote, own_file
from plugins.plugin_utils.copies.uploads import ARRIVE, BACK, Application, command
from plugins.plugin_utils.errors import SamestackError

if TYPE_CHECKING:
    from pathlib import Path

SQL = b"--\n-- PostgreSQL database dump\n--\nSELECT 1;\n"


@pytest.mark.parametrize("content", [SQL, b"PGDMP\x01\x0e\0binary"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_dump_is_read_however_it_is_packed(tmp_path: Path, content: bytes, pack: type[bytes]) -> None:
    file = tmp_path / "any.name"
    file.write_bytes(pack(content))
    with opened(file) as stream:
        assert stream.read() == content


def test_an_archive_of_tars_is_a_dump(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("toc.dat"), io.BytesIO())
    with opened(tmp_path / "x.tar") as stream:
        assert stream.read(7) == b"toc.dat"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"SQLite format 3\0", "pgloader"), (b"-- MySQL dump 10.13\n", "pgloader"), (b"\n[{\"model\":", "loaddata"),
        (b"\x28\xb5\x2f\xfd", "unzstd"), (b"\xfd7zXZ\0", "unxz"), (b"PK\x03\x04", "unzip"), (b"", "empty"),
        (b"\x7fELF\0\0", "no dump of PostgreSQL"), (gzip.compress(b"SQLite format 3\0"), "pgloader"),
        (gzip.compress(SQL)[:-12], ""),
    ],
)  # fmt: skip
def test_what_is_something_else_is_said_with_what_to_do(tmp_path: Path, content: bytes, part: str) -> None:
    file = tmp_path / "x.dump"
    file.write_bytes(content)
    with pytest.raises((SamestackError, EOFError)) as error, opened(file) as stream:
        stream.read()
    assert part in f"{error.value} {getattr(error.value, 'hint', '')}"


def test_a_file_that_is_not_there_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(SamestackError, match="No such file"):
        opened(tmp_path / "none")
    with pytest.raises(SamestackError, match="is a folder"):
        opened(tmp_path)


def test_what_leaves_lies_where_nobody_else_looks_and_is_gone_after_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "copies" / "x"
    with own_file(file) as stream:
        stream.write(b"x")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    with pytest.raises(OSError, match="no"), own_file(file):
        raise OSError("no")
    assert not file.exists()


def test_names_of_folders_are_words_of_a_shell() -> None:
    text = command(ARRIVE, Application("app", "/srv/my app/media", "/srv/my app/data"), ["a b", "c/d"], "x.pgdump")
    assert text.startswith("runuser -u app -- sh -euc ")
    assert "./a b" in text
    assert "/srv/my app/data/replaced-uploads" in text


def test_only_the_copy_that_replaced_uploads_puts_them_back(tmp_path: Path) -> None:
    """One that never got so far leaves what is there, and what an earlier one has replaced."""
    media, data = tmp_path / "media", tmp_path / "data"
    for folder in (media / "a b", data, tmp_path / "new/a b"):
        folder.mkdir(parents=True)
    (media / "a b/file").write_text("first")

    def play(script: str, copy: str, content: str = "") -> str:
        (tmp_path / "new/a b/file").write_text(content)
        packed = subprocess.run(["tar", "-C", tmp_path / "new", "-c", "a b"], check=True, capture_output=True).stdout
        words = shlex.split(command(script, Application("app", str(media), str(data)), ["a b"], copy))
        subprocess.run(words[words.index("sh") :], input=packed, check=True)
        return (media / "a b/file").read_text()

    assert play(ARRIVE, "one.uploads", "second") == "second"
    assert play(BACK, "two.uploads") == "second"
    assert play(ARRIVE, "three.uploads", "third") == "third"
    assert play(BACK, "three.uploads") == "second"
    shutil.rmtree(data / "replaced-uploads")
    assert play(BACK, "four.uploads") == "second"


class Here(Remote):
    """A host that is this one."""

    def argv(self, command: str) -> list[str]:
        return ["sh", "-c", command]


def test_whoever_complains_of_each_file_is_heard_to_the_end(tmp_path: Path) -> None:
    """A disk that is full, for instance: more words than a pipe takes, while as much is still to be sent."""
    here = Here("staging1", cast("Any", None), "root", "")
    loud = "head -c 500000 /dev/zero | tr '\\0' '\\n' >&2; echo 'No space left on device' >&2; cat >/dev/null; exit 2"
    with pytest.raises(SamestackError, match="to or from staging1: No space left on device"):
        here.send(io.BytesIO(b"x" * 500_000), loud)
    with pytest.raises(SamestackError, match="it ended with 3"):
        here.bring("exit 3", tmp_path / "never")
    assert not (tmp_path / "never").exists()
    here.bring("echo brought", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"brought\n"
    sha256 = here.send(io.BytesIO(b"sent"), f"cat > {tmp_path}/sent")
    assert (tmp_path / "sent").read_bytes() == b"sent"
    assert sha256 == hashlib.sha256(b"sent").hexdigest()


class Asked(Here):
    """One whose sudo asks for a password."""

    def argv(self, command: str) -> list[str]:
        return ["sh", "-c", 'read -r word && [ "$word" = "the word" ] && exec sh -c "$1"', "sudo", command]


@pytest.mark.parametrize(("kind", "user"), [(Here, "root"), (Here, "deploy"), (Asked, "deploy")])
def test_a_password_that_sudo_does_not_ask_for_is_in_no_file(tmp_path: Path, kind: type[Here], user: str) -> None:
    host, content = kind("staging1", cast("Any", None), user, "the word"), b"PGDMP\n" * 100_000
    sha256 = host.send(io.BytesIO(content), f"cat > {tmp_path}/sent")
    assert (tmp_path / "sent").read_bytes() == content
    assert sha256 == hashlib.sha256(content).hexdigest()
    host.bring("cat; echo brought", tmp_path / "brought")
    assert (tmp_path / "brought").read_bytes() == b"brought\n"
