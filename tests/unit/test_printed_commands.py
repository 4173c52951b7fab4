"""Every command of ours that is printed or documented is one that the command line takes, to the last option."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from cli.__main__ import command
from cli.command import Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

REPO = Path(__file__).resolve().parents[2]
#: What stands for a part that is known only when it is printed
OPEN = "\N{OBJECT REPLACEMENT CHARACTER}"
#: What may stand there
FILLINGS = ("staging", "8d62fa25256d", "10m", "")
FOLDERS = (
    "README.md", "docs", "plugins", "roles", "playbooks", "box", "cli", "bench", "inventories", "molecule",
    "Vagrantfile", "examples/noticeboard/README.md", "tests/templates/accepted",
)  # fmt: skip
BEGIN = re.compile(r"(?<![\w/.@-])\./samestack (?=[a-z\ufffc-])")
#: In the command itself, which does not know by what path it was called
OWN_BEGIN = re.compile(r"(?<![\w/.@-])(?:\./)?samestack (?=[a-z\ufffc-])")
QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
#: Where a command that stands in a sentence ends
END = re.compile(r"[.,;:)\"'](?=\s|$|[.,;:)<\"'])|[`\n|<>&▼/│]|\s\s|\s#|\\n| \(| and | first\b| does | shows ")
MAKE = re.compile(r"(?<![\w/.-])make ([a-z][a-z-]+)((?: [A-Z]+=\S+)+)")
VERBS = {name: verb for name, verb in command().commands.items() if isinstance(verb, Verb)}


def files() -> list[Path]:
    shown = subprocess.run(["git", "ls-files", *FOLDERS], cwd=REPO, capture_output=True, text=True, check=True).stdout
    return [REPO / name for name in shown.splitlines() if (REPO / name).is_file()]


def texts(path: Path) -> Iterator[str]:
    """The texts of a file in which a command may stand; what is filled in later is marked."""
    content = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix != ".py":
        yield re.sub(r"\{\{.*?\}\}|<[a-z ]+>|…", OPEN, content)
        return
    tree = list(ast.walk(ast.parse(content)))
    parts = {id(part) for node in tree if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in tree:
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else OPEN for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = node.value
        else:
            continue
        yield re.sub(r"<[a-z ]+>|…", OPEN, text)


def commands_in(path: Path) -> set[str]:
    found = set()
    own = path.relative_to(REPO).parts[0] == "cli"
    for text in texts(path):
        for span in (OWN_BEGIN if own else BEGIN).finditer(text):
            rest = text[span.end() :]
            if span.start() > 0 and text[span.start() - 1] == "`":
                words = re.split(r"`|\n", rest, maxsplit=1)[0]
            else:
                # What is quoted has no ends.
                masked = QUOTED.sub(lambda quote: "x" * len(quote[0]), rest)
                end = END.search(masked)
                words = rest[: end.start()] if end else rest
            words = re.split(r" [|>#] ?", words, maxsplit=1)[0].strip()
            # A verb that is filled in as well is not to be judged here: parity's remedies have tests of their own.
            if words.strip(OPEN):
                found.add(words)
    return found


PRINTED = sorted({(path.relative_to(REPO).as_posix(), words) for path in files() for words in commands_in(path)})


def parse(words: list[str]) -> None:
    """Parse a command line as the command itself does; raises click's UsageError."""
    front_door = command()
    context = click.Context(front_door, info_name="samestack")
    if words == ["--help"]:
        return
    name, verb, rest = front_door.resolve_command(context, words)
    assert verb is not None
    if "--help" not in rest:
        verb.make_context(name, rest, parent=context)


def check(text: str) -> str:
    """Return why no filling makes a command of a text, "" where one does."""
    why = ""
    for filling in FILLINGS:
        try:
            parse(shlex.split(text.replace(OPEN, filling)))
        except (click.UsageError, ValueError) as error:
            why = str(error)
        else:
            return ""
    return why


@pytest.mark.parametrize(("where", "words"), PRINTED, ids=[f"{where}: {words[:40]}" for where, words in PRINTED])
def test_it_can_be_typed(where: str, words: str) -> None:
    assert not check(words), f"{where}: samestack {words}"


def test_many_are_found() -> None:
    assert len(PRINTED) > 150
    assert check("deploy stagng") and check("deploy --alow-breaking") and check("plna")


OPTIONS = {name for verb in VERBS.values() for one in verb.params for name in (*one.opts, *one.secondary_opts)}


def test_an_option_that_is_printed_alone_exists() -> None:
    for path in files():
        if path.suffix == ".py" and path.relative_to(REPO).parts[0] == "plugins":
            for text in texts(path):
                for span in re.findall(r"`(--\w[^`]*)`", text):
                    words = [word for word in span.split() if word.startswith("--")]
                    assert set(words) <= OPTIONS, f"{path}: {span}"


def test_makes_words_in_the_pages_are_targets() -> None:
    targets = (REPO / "Makefile").read_text(encoding="utf-8")
    for path in files():
        for verb, _ in MAKE.findall(path.read_text(encoding="utf-8", errors="replace")):
            assert re.search(rf"\b{verb}\b", targets), f"{path}: make {verb}"


@pytest.mark.parametrize("path", [path for path in files() if path.name not in ("cli.md", "verbs.py")], ids=str)
def test_nothing_else_is_printed(path: Path) -> None:
    """The command has one name in what people read: make's aliases are told of in one place."""
    names = "|".join(VERBS)
    for text in texts(path):
        assert not re.search(rf"`make ({names})\b|\b(?:ENV|REHEARSAL|ARGS)=", text), f"{path}"
