"""Exceptions in the journal: what is one, what tells two apart, and who is told of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.common import secrets
from plugins.module_utils.watch import journal
from plugins.module_utils.watch.check import Look
from plugins.module_utils.watch.checks import errors
from plugins.module_utils.watch.memory import Memory
from plugins.module_utils.watch.settings import Settings
from plugins.module_utils.watch.tracebacks import Entry, Kind, found, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NOW = 1_795_000_000.0
OLD, NEW = "a" * 12, "b" * 12
WEB = f"shop-web@{OLD}.service"


def raised(source: str, folder: Path, name: str = "shop/views.py") -> str:
    """What Python writes when a program of the application's fails."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(source), encoding="utf-8")
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode
    return done.stderr


def logged(text: str, unit: str = WEB, process: str = "7", when: float = NOW) -> list[Entry]:
    """The journal's entries of a text, one a line."""
    return [Entry(when, unit, process, line) for line in text.splitlines()]


def forged(count: int) -> str:
    """What somebody writes into the log who can: any number of kinds."""
    return "".join(
        f'Traceback (most recent call last):\n  File "x{number}", line 1, in f\nE{number}: x\n'
        for number in range(count)
    )


def kinds(entries: Iterable[Entry]) -> list[Kind]:
    return [kind_of(one) for one in found(entries)]


PAY = """
def pay(basket):
    return basket["total"]

pay({})
"""

GROUP = """
def a():
    raise ValueError(1)

try:
    a()
except ValueError as error:
    group = ExceptionGroup("x", [error, error])
raise group
"""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return tmp_path / f"srv/shop/releases/{OLD}/source"


class TestKinds:
    def test_a_traceback(self, release: Path) -> None:
        text = f"Internal Server Error: /pay/\n{raised(PAY, release)}GET /other"
        (one,) = kinds(logged(text))
        assert one == ("KeyError", "shop/views.py, pay", 'return basket["total"]')

    def test_another_release_and_another_line_are_the_same(self, release: Path, tmp_path: Path) -> None:
        before = kinds(logged(raised(PAY, release)))
        after = kinds(logged(raised("\n\n# a comment\n" + PAY, tmp_path / f"srv/shop/releases/{NEW}/source")))
        assert before[0].fingerprint == after[0].fingerprint
        other = kinds(logged(raised(PAY.replace('["total"]', '["sum"]'), release)))
        assert other[0].fingerprint != before[0].fingerprint
        assert len(before[0].fingerprint) == 12

    def test_processes_that_write_at_the_same_time(self, release: Path) -> None:
        one, other = raised(PAY, release), raised("1 / 0\n", release, "shop/jobs.py")
        pairs = zip(logged(one + "\n" * 4), logged(other + "\n" * 8, process="8"), strict=False)
        mixed = [entry for pair in pairs for entry in pair]
        assert [kind.exception for kind in kinds(mixed)] == ["KeyError", "ZeroDivisionError"]

    def test_a_chain_is_one(self, release: Path) -> None:
        text = raised("try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError('no') from error\n", release)
        assert text.count("Traceback") == 2
        assert [kind.exception for kind in kinds(logged(text * 2))] == ["ValueError", "ValueError"]

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="groups are newer")
    def test_a_group_is_one(self, release: Path) -> None:
        (one,) = kinds(logged(raised(GROUP, release)))
        assert one.place == "shop/views.py, a"

    def test_the_application_s_own_frame_counts(self) -> None:
        text = f"""Traceback (most recent call last):
  File "/srv/shop/venvs/0a/lib/python3.11/site-packages/django/core/handlers/exception.py", line 55, in inner
    response = get_response(request)
               ^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/releases/{OLD}/source/shop/middleware.py", line 3, in middleware
    return get_response(request)
  File "/srv/shop/releases/{OLD}/source/shop/views.py", line 9, in home
    return render(request, "none.html")
  File "/srv/shop/venvs/0a/lib/python3.11/site-packages/django/template/loader.py", line 19, in get_template
    raise TemplateDoesNotExist(template_name)
django.template.exceptions.TemplateDoesNotExist: none.html"""
        (one,) = kinds(logged(text))
        assert one[:2] == ("django.template.exceptions.TemplateDoesNotExist", "shop/views.py, home")
        foreign = "\n".join(line for line in text.splitlines() if "views.py" not in line and 'none.html")' not in line)
        assert kinds(logged(foreign))[0].place == "django/template/loader.py, get_template"

    def test_two_pages_whose_templates_fail_are_two(self) -> None:
        """Django's own frames of a template are a hundred lines behind the view's."""
        deep = "\n".join(
            f'  File "/srv/shop/venvs/0a/lib/python3/site-packages/django/template/base.py", line {line}, in render\n'
            f"    return self.nodelist.render(context)\n           ^^^^^^^^^^"
            for line in range(60)
        )
        texts = [
            f"""Traceback (most recent call last):
  File "/srv/shop/releases/{OLD}/source/shop/views.py", line 9, in {view}
    return render(request, "{view}.html")
{deep}
django.urls.exceptions.NoReverseMatch: Reverse for 'gone' not found."""
            for view in ("basket", "home")
        ]
        assert [kind.place for text in texts for kind in kinds(logged(text))] == [
            "shop/views.py, basket", "shop/views.py, home",
        ]  # fmt: skip

    def test_one_message_of_many_lines_and_one_of_json(self, release: Path) -> None:
        text = raised(PAY, release)
        expected = kinds(logged(text))
        assert kinds([Entry(NOW, WEB, "7", f"failed\n{text}")]) == expected
        said = {"exc_info": text, "level": "error"}
        assert kinds([Entry(NOW, WEB, "7", json.dumps(said))]) == expected
        # Quoted by something else than JSON
        assert kinds([Entry(NOW, WEB, "7", f"failed: {text!r}".replace("\\'", "'"))])[0].place == expected[0].place

    def test_what_is_not_whole_is_none(self, release: Path) -> None:
        lines = raised(PAY, release).splitlines()
        assert kinds(logged("\n".join(lines[:-1]))) == []
        assert kinds(logged("\n".join(lines[1:]))) == []
        assert kinds(logged("\n".join([*lines[:-1], lines[0], *lines[1:]]))) != []

    def test_how_a_process_ends_is_none_of_its_exceptions(self, release: Path) -> None:
        (one,) = kinds(logged(raised("raise KeyboardInterrupt\n", release)))
        assert one.is_ending
        assert not Kind("shop.Ends", "", "").is_ending

    def test_a_hostile_log_takes_no_time(self) -> None:
        entries = [Entry(NOW, WEB, "7", "Traceback (most recent call last):")]
        entries += [Entry(NOW, WEB, "7", "  " + "A" * 48_000) for _ in range(213)]
        entries += [Entry(NOW, WEB, "7", "\x1b[2J<script>: " + "A" * 48_000)]
        began = time.process_time()
        (one,) = found(entries)
        assert len(one.text) < 250_000
        assert kind_of(one).exception == "an exception"
        # A line that journald has cut
        text = f"Traceback (most recent call last):\n  x\nValueError: {'A' * 48_000}\n{'A' * 48_000}\nAA\nnext"
        (one,) = found(logged(text))
        assert list(one.lines)[2:] == ["next"]
        assert len(kinds(logged(forged(20_000)))) == 20_000
        assert time.process_time() - began < 3


class TestJournal:
    def test_what_the_journal_says(self) -> None:
        said: list[dict[str, Any]] = [
            {"__REALTIME_TIMESTAMP": "1795000000500000", "MESSAGE": "hello", "_SYSTEMD_UNIT": WEB, "_PID": "7"},
            {"__REALTIME_TIMESTAMP": "1795000000500000", "MESSAGE": [104, 255, 105], "_SYSTEMD_UNIT": WEB},
            {"__REALTIME_TIMESTAMP": "1795000000500000", "MESSAGE": None},
            {"MESSAGE": "without a time"},
        ]
        raw = "\n".join(map(json.dumps, said)).encode() + b"\n[]\n{broken"
        assert [one.text for one in journal.entries(raw)] == ["hello", "h\ufffdi", ""]
        assert next(journal.entries(raw)) == (NOW + 0.5, WEB, "7", "hello")


class World:
    """A host whose journal is said here."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.now = root, NOW
        self.written: list[Entry] = []
        self.cut, self.told = False, True
        self.asked: list[list[str]] = []
        settings = Settings(
            "shop", "production", "web1", "production", str(root), runs=True, workers=("mail",), timers=("tidy",)
        )
        self.look = Look(settings, Memory(), NOW)
        monkeypatch.setattr(journal, "read_on", self.read)
        monkeypatch.setattr(errors, "learn", lambda _: None)
        self.serve(OLD)
        self.minute()

    def read(self, units: list[str], since: float, until: float) -> tuple[list[Entry], bool]:
        self.asked.append(units)
        assert since < until
        return [one for one in self.written if since < one.time <= until and one.unit in units], self.cut

    def serve(self, release: str) -> None:
        (self.root / "releases" / release).mkdir(parents=True, exist_ok=True)
        (self.root / "current").unlink(missing_ok=True)
        os.symlink(f"releases/{release}", self.root / "current")

    def minute(self, text: str = "", unit: str = WEB, count: int = 1) -> dict[str, str]:
        """Let a minute go by in which something is written; returns the findings."""
        self.now += 60
        self.written += logged(text, unit, when=self.now - 30)
        self.look.now = self.now
        facts = None
        for _ in range(count):
            facts = errors.gather(self.look)
        assert facts
        errors.shared(self.look.memory, self.told)
        assert errors.words(facts)
        return {one.key: f"{one.level} {one.text}\n{one.lines}" for one in errors.judge(facts, {})}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path / "srv/shop", monkeypatch)


class TestSection:
    def test_an_exception_is_news_until_it_is_over_and_then_known(self, world: World, release: Path) -> None:
        text = raised(PAY, release)
        ((key, told),) = world.minute(text).items()
        assert told.startswith(f"red KeyError in shop/views.py, pay: new with release {OLD}, first seen 2026-11-18")
        assert "return basket" in told
        assert told.endswith("KeyError: 'total'")
        assert list(world.minute()) == [key]
        assert ", 2 times since" in world.minute(text)[key]
        for _ in range(10):
            world.minute()
        assert world.minute() == {}
        # It comes back, and is no news.
        (again,) = world.minute(text).values()
        assert again.startswith("yellow KeyError in shop/views.py, pay: again, known since 2026")
        for _ in range(10):
            world.minute()
        assert world.minute() == {}

    def test_each_has_the_release_that_brought_it(self, world: World, release: Path) -> None:
        world.minute(raised(PAY, release))
        world.serve(NEW)
        findings = world.minute(raised("1 / 0\n", release, "shop/jobs.py"), f"shop-worker-mail@{NEW}.service")
        for name, told in zip((OLD, NEW), findings.values(), strict=True):
            assert f"with release {name}" in told
        findings = world.minute(raised("None.x\n", release), "shop-timer-tidy.service")
        assert f"AttributeError in shop/views.py, <module>: new with release {NEW}" in "".join(findings.values())

    def test_what_never_served_is_not_told_here(self, world: World, release: Path) -> None:
        assert world.minute(raised(PAY, release), f"shop-web@{NEW}.service") == {}
        # What served until a moment ago is.
        world.serve(NEW)
        assert len(world.minute(raised(PAY, release))) == 1
        world.serve("c" * 12)
        world.minute()
        assert f"shop-web@{OLD}.service" not in world.asked[-1]
        assert f"shop-web@{NEW}-2.service" in world.asked[-1]

    def test_one_that_a_look_has_cut_in_two_is_seen_once(self, world: World, release: Path) -> None:
        entries = logged(raised(PAY, release))
        half = len(entries) // 2
        world.written = [one._replace(time=world.now + 59.999) for one in entries[:half]]
        world.written += [one._replace(time=world.now + 60.001) for one in entries[half:]]
        assert world.minute() == {}
        (told,) = world.minute().values()
        assert "times since" not in told
        (told,) = world.minute().values()
        assert "times since" not in told

    def test_nothing_from_before_the_first_look_nor_of_a_long_sleep(self, world: World, release: Path) -> None:
        world.written = logged(raised(PAY, release), when=NOW - 5)
        assert world.minute() == {}
        world.written = logged(raised(PAY, release), when=world.now + 60)
        world.now += 2 * 86400
        assert world.minute() == {}

    def test_what_nobody_was_told_of_is_news_when_it_comes_back(self, world: World, release: Path) -> None:
        text = raised(PAY, release)
        world.told = False
        world.minute(text)
        for _ in range(10):
            world.minute()
        assert world.minute() == {}
        (again,) = world.minute(text).values()
        assert again.startswith("red KeyError in shop/views.py, pay: new")
        # That is said, and its lines are not needed any more.
        world.look.memory.told = {f"errors {name}": world.now for name in world.look.memory.exceptions}
        for _ in range(11):
            world.minute()
        ((name, kept),) = world.look.memory.exceptions.items()
        assert (kept["told"], kept["lines"]) == (True, "")
        assert world.minute(text)["known"].startswith("yellow"), name

    def test_an_hour_later_the_next_are_told_one_by_one_again(self, world: World) -> None:
        assert len(world.minute(forged(8))) == errors.STORIES + 1
        for _ in range(60):
            world.minute()
        late = forged(20).split("Traceback")[-1]
        (told,) = world.minute(f"Traceback{late}").values()
        assert told.startswith("red E19 in x19, f: new")

    def test_a_clock_that_was_ahead_keeps_nothing_red(self, world: World, release: Path) -> None:
        world.now += 7200
        world.minute(raised(PAY, release))
        world.now -= 7200
        assert world.minute() == {}

    def test_any_number_of_kinds(self, world: World) -> None:
        text = forged(errors.KEPT + 10 * errors.SHOWN)
        findings = world.minute(text)
        assert len(findings) == errors.STORIES + 1
        assert findings["more"].startswith("red 15 more kinds of exceptions are new, the last one E19")
        findings = world.minute(text)
        assert len(findings) == errors.STORIES + 1
        assert findings["more"].startswith("red 35 more kinds")
        for _ in range(errors.KEPT // errors.SHOWN + 5):
            world.minute(text)
        assert len(world.look.memory.exceptions) == errors.KEPT

    def test_what_is_cut_is_said(self, world: World) -> None:
        world.cut = True
        assert "note the application writes more" in world.minute()["flood"]

    def test_no_secret_and_nothing_hostile(self, world: World, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = secrets.Secrets()
        own.learn("s3cr3t-of-the-shop-9k2")
        monkeypatch.setattr(secrets, "KNOWN", own)
        monkeypatch.setattr("plugins.module_utils.common.text.KNOWN", own)
        program = "raise ValueError('s3cr3t-of-the-shop-9k2 \\x1b[2J <script> \\u202e' + 'A' * 100_000)\n"
        (told,) = world.minute(raised(program, release)).values()
        assert "(hidden)" in told
        assert "s3cr3t" not in told
        assert "\x1b" not in told
        assert len(told) < 1500
        assert "s3cr3t" not in json.dumps(world.look.memory.exceptions)
