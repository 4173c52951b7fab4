"""Words of others: what a terminal is given, what a host may answer, and texts without secrets."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import tarfile
import textwrap
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest

from plugins.module_utils.common.secrets import HIDDEN, Secrets
from plugins.module_utils.release.files import contents
from plugins.module_utils.release.files.contents import Archive, Contents, DamageError, stays_inside
from plugins.plugin_utils.answers import Each, Names, Number, Record, ShapeError, Text, plain
from plugins.plugin_utils.console.screen import words
from plugins.plugin_utils.errors import DecisionError
from plugins.plugin_utils.parity.answers import FOUND
from plugins.plugin_utils.project.archive import Tree, check_links, is_inside
from plugins.plugin_utils.project.repository import check_submodule
from plugins.plugin_utils.release.answers import STATE, has_shape
from plugins.plugin_utils.release.notifications import addressed_to_nobody
from plugins.plugin_utils.release.transfer import Look
from plugins.plugin_utils.text import json_line, one_line, printable, said

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "a\x1b]0;title\x07b\x1b[31mc\x9b2Jd\u202ee\u200bf\u2028g\ufeffh\udc80i\x7fj\rk"
STAMP = "2026-11-28T00:00:00Z"
SECRETS = ("p@ss/w0rd+é 'x\"y%41-ünicode", "d8f7s9d8f7+/=sdf98sd7f98sdfQQ", "line one of it\nline two of it")


def test_words_are_all_that_a_terminal_gets() -> None:
    assert printable(EVIL) == "abcdefghijk"
    assert printable("ü\t→ 漢字 😀\n") == "ü\t→ 漢字 😀\n"
    assert words(EVIL) == "abcdefghijk"
    assert json.loads(json_line({"a": EVIL})) == {"a": EVIL}
    assert printable(json_line({"ü": EVIL})) == json_line({"ü": EVIL})


def test_a_line_is_no_longer_than_somebody_reads_and_takes_no_time() -> None:
    began = time.monotonic()
    for letter in ("x", "\x1b", "\x1b]", "\x90", "\x9b0", "%41", "\u200b"):
        assert len(one_line(letter * 10_000_000, 100)) <= 100
        assert len(said(letter * 10_000_000)) <= 2000
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_known_in_whatever_form(secret: str) -> None:
    known = Secrets()
    known.learn(secret)
    raw = secret.encode()
    forms = [
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), quote(quote(secret, safe="")),
        json.dumps(secret), repr(secret), repr(raw), html.escape(secret), raw.hex(), f"postgres://u:{quote(secret)}@h/d",
        "\n    ".join(textwrap.wrap(secret, 5)), "'\n '".join(secret[at : at + 7] for at in range(0, len(secret), 7)),
        *(base64.b64encode(before + raw + b"@host").decode() for before in (b"", b"u", b"us", b"user:")),
        base64.urlsafe_b64encode(raw).decode(), base64.encodebytes(b"x" * 50 + raw + b"y" * 50).decode(),
    ]  # fmt: skip
    core = base64.b64encode(raw).decode()[4:-4]
    for form in forms:
        masked = known.masked(f"before {form} after")
        assert HIDDEN in masked, form
        assert "before" in masked and "after" in masked
        for known_form in (secret, quote(secret, safe=""), core):
            assert known_form not in masked.replace("\n", "")
    assert known.masked("nothing of it") == "nothing of it"


def test_variables_that_are_secret_are_known_by_their_names() -> None:
    known = Secrets()
    known.learn_variables(
        {"SECRET_KEY": "k" * 20, "DATABASE_URL": "postgres://u:pass%40word@h/d", "LANG": "C.UTF-8", "OURS": "declared"},
        ["OURS"],
    )
    assert known.masked(f"{'k' * 20} pass@word pass%40word declared C.UTF-8") == f"{' '.join([HIDDEN] * 4)} C.UTF-8"


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (Text(3), "four"), (Text(9, "[a-z]+"), "a\n"), (Text(), 7), (Number(), True), (Number(0, 9), 10),
        (Number(), float("nan")), (Each(Text(), 1), ["a", "b"]), (Each(Text()), "ab"),
        (Names(Text(9, "[a-z]+"), Text()), {"A": ""}), (Record({"a": Text()}), {}), (Record({"a": Text()}), []),
        (FOUND, {"manifest": {"schema": 1, "sections": {}}, "digest": "0" * 12, "time": "../../x"}),
        (FOUND, {"manifest": {"schema": 1, "sections": {}}, "digest": "../x", "time": STAMP}),
        (FOUND, {"manifest": {"schema": 1, "sections": {"<b>": {}}}, "digest": "0" * 12, "time": STAMP}),
        (STATE, {"current": "../../etc"}),
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_is_refused(shape: Any, value: Any) -> None:
    with pytest.raises(ShapeError) as error:
        shape.check(value)
    assert str(error.value).isprintable()


def test_answers_are_neither_endless_nor_bottomless() -> None:
    deep: Any = []
    for _ in range(50):
        deep = [deep]
    for value in (deep, [[0] * 1000] * 3000):
        with pytest.raises(ShapeError):
            plain(value)
    assert plain({"a": [1, {"b": None}]}) == 5


def test_a_look_takes_names_only() -> None:
    look = Look.parse(
        "current ../../../etc/passwd;x\n"
        'release ../../x\nvenv venvs/../../etc.contents 00\nfree 9x\nbuild {"label": [1]}'
    )
    assert (look.current, look.sha256, look.venvs, look.free, look.live) == ("", "", {}, 0, {})
    assert not has_shape(STATE, {"current": "x"})


@pytest.mark.parametrize(
    "line",
    [
        f"venv ../../../etc/x {'0' * 64}", f"venv {'0' * 12} x", f"100644 {'0' * 64} ../x", f"100644 {'0' * 64} /x",
        f"100644 {'0' * 64} a\0b", f"100644 {'0' * 64} a\rb", f"100644 {'0' * 64} {'a' * 5000}", "100644 x a",
        "060000 00 a",
    ],
)  # fmt: skip
def test_a_list_of_contents_leads_nowhere_else(line: str) -> None:
    with pytest.raises(DamageError):
        Contents.parse(line + "\n")


def test_links_stay_inside() -> None:
    for path, target in (("a/b", "c"), ("a/b", "../c"), ("bin/python", "/usr/bin/python3.13"), ("lib64", "lib")):
        assert stays_inside(path, target)
    for path, target in (
        ("a", "/etc"),
        ("a", ".."),
        ("a/b", "../../c"),
        ("a/b", "c/../../.."),
        ("x", "/usr/bin/python3"),
    ):
        assert not stays_inside(path, target)


def release(folder: Path, *members: tarfile.TarInfo, listed: str = "") -> Archive:
    """Write an archive of a release: its list, and whatever else."""
    path = folder / "x.tar.gz"
    with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("contents")
        info.size = len(listed)
        tar.addfile(info, io.BytesIO(listed.encode()))
        for member in members:
            tar.addfile(member, io.BytesIO(b"\0" * min(member.size, 10)))
    return Archive(str(path))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


@pytest.mark.parametrize(
    ("one", "mode"),
    [
        (member("a", tarfile.SYMTYPE, "/etc/passwd"), contents.LINK),
        (member("a", tarfile.LNKTYPE, "b"), contents.FILE),
        (member("a", tarfile.CHRTYPE), contents.FILE), (member("a", tarfile.FIFOTYPE), contents.FILE),
        (member("../a"), contents.FILE), (member("/a"), contents.FILE), (member("b"), contents.FILE),
    ],
)  # fmt: skip
def test_an_archive_has_what_is_listed_and_nothing_else(tmp_path: Path, one: tarfile.TarInfo, mode: str) -> None:
    digest = hashlib.sha256(one.linkname.encode()).hexdigest()
    with pytest.raises(DamageError):
        release(tmp_path, one, listed=f"{mode} {digest} a\n").check()


def test_an_archive_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_BYTES", 1 << 20)
    listed = f"100644 {hashlib.sha256(bytes(2 << 20)).hexdigest()} a\n"
    path = tmp_path / "x.tar.gz"
    with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for name, content in (("contents", listed.encode()), ("a", bytes(2 << 20))):
            info = member(name, size=len(content))
            tar.addfile(info, io.BytesIO(content))
    with pytest.raises(DamageError, match="more than"):
        Archive(str(path)).check()
    monkeypatch.setattr(contents, "MOST_PATHS", 1)
    with pytest.raises(DamageError, match="more than a release can have"):
        Contents.parse("040000 - a\n040000 - b\n")


@pytest.mark.parametrize("name", ["../a", "/etc/a", "link/a", ".git/config", "a/.GIT/hooks/x", "a\nb", "here", ""])
def test_a_repository_is_written_inside(tmp_path: Path, name: str) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    for folder in (target, outside):
        folder.mkdir()
    tree = Tree(target)
    tree.link("link", "../outside")
    tree.file("here", [b"x"], program=False)
    with pytest.raises(DecisionError):
        tree.file(name, [b"x"], program=False)
    with pytest.raises(DecisionError):
        tree.link(name, "x")
    assert not list(outside.iterdir()) and sorted(tree.entries) == ["here", "link"]


def test_a_sources_links_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to("../b")
    check_links(tmp_path)
    assert is_inside(tmp_path, "a/b") and not is_inside(tmp_path, "a/link/x") and not is_inside(tmp_path, "../x")
    # By its text it stays inside; the link on its way leads up.
    (tmp_path / "a" / "up").symlink_to("..")
    for target in ("/etc/passwd", "../../x", "up/../x"):
        (tmp_path / "a" / "out").symlink_to(target)
        with pytest.raises(DecisionError, match="a/out is a link that leads out of it"):
            check_links(tmp_path)
        (tmp_path / "a" / "out").unlink()


def test_a_submodule_is_not_read_from_this_computer() -> None:
    check_submodule("https://example.org/a", "https://example.org/b")
    check_submodule("/srv/a", "/srv/b")
    for url in ("/root/x", "file:///root/x", "../x", "-u", "~/x"):
        with pytest.raises(DecisionError):
            check_submodule("https://example.org/a", url)


def test_a_chat_calls_nobody() -> None:
    for call in ("@channel", "<!here>", "<@U123>", "<https://x|y>", "[x](https://y)"):
        assert call not in addressed_to_nobody(f"a {call} b")
    assert addressed_to_nobody("Eve <eve@example.org>") == "Eve <eve@example.org>"
