"""Words of a repository, of an application and of whoever types stay words."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from plugins.module_utils.common.secrets import assignments, is_secret_name, passwords
from plugins.plugin_utils.text import UNSEEN
from tests.attacks.conftest import MACHINES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.team import Team

#: What an application does that fell over with its secrets in its hands
LEAK = """
import base64, os, urllib.parse
def in_its_hands():
    for name, value in os.environ.items():
        if name in {"SECRET_KEY", "DATABASE_URL"} or "PASSWORD" in name:
            yield value
            yield urllib.parse.quote(value, safe="")
            yield base64.b64encode(b"user:" + value.encode()).decode()
            yield "'" + "'\\n  '".join(value[at : at + 9] for at in range(0, 90, 9) if value[at:]) + "'"
raise RuntimeError(repr(list(in_its_hands())) + "\\n" + "\\n".join(in_its_hands()))
"""


@pytest.mark.parametrize("place", ["wsgi.py", "urls.py"])
def test_a_traceback_has_no_secret_in_it(team: Team, place: str) -> None:
    """The web server falls over (its journal is quoted), or the check before anything is touched."""

    def fall_over(project: Path) -> None:
        (file,) = [path for path in project.rglob(place) if "site-packages" not in path.parts][:1]
        file.write_text(LEAK + file.read_text(encoding="utf-8"), encoding="utf-8")

    machine = team.machine("staging")
    tag = team.commit(f"leak-{place.partition('.')[0]}", fall_over)
    try:
        said = team.refuses("deploy", "staging", ref=tag)
    finally:
        team.back_to("v1")
    assert "RuntimeError" in said and "(hidden)" in said, said
    said += team.samestack("releases", "staging") + machine.run("cat /var/lib/samestack/ledger.jsonl")
    variables = assignments(machine.run(f"cat /etc/{machine.app}/env"))
    secrets = {value for name, value in variables.items() if is_secret_name(name) and len(value) > 8}
    secrets |= {password for value in variables.values() for password in passwords(value)}
    assert secrets
    solid = re.sub(r"[\s'\"\\,]", "", said)
    for secret in secrets:
        encoded = base64.b64encode(b"user:" + secret.encode()).decode()[8:-4]
        for form in (secret, quote(secret, safe=""), quote_plus(secret), encoded, secret[:20]):
            assert form not in said and re.sub(r"[\s'\"\\,]", "", form) not in solid


def test_a_repository_says_nothing_to_a_terminal(team: Team, tmp_path: Path) -> None:
    evil = f"\x1b]0;x\x07\x9b2J\u202e<!channel> {{{{ lookup('pipe', 'touch {tmp_path}/x') }}}} $(touch {tmp_path}/x)"
    (team.repository / "words").write_text("words", encoding="utf-8")
    team.git("add", "--all")
    team.git("-c", f"user.name=Eve {evil}", "commit", "--quiet", "--message", f"Subject {evil}")
    team.git("tag", "--force", "words")
    try:
        shown = team.samestack("plan", "staging", ref="words")
        team.deploy("staging", "words")
        shown += (
            team.clone.output + team.samestack("releases", "staging") + team.samestack("releases", "staging", json=True)
        )
    finally:
        team.back_to("v1")
    assert "Subject" in shown
    assert not UNSEEN.findall(shown)
    assert not (tmp_path / "x").exists()


FORMS = ("{{{{ lookup('pipe', '{}') }}}}", "$(shell {})", "$({})", "`{}`", "'; {}; '", "\n{}")


@pytest.fixture(scope="module")
def typed(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which each form that was code has left a file: all stand in one word, the last in another one."""
    folder = tmp_path_factory.mktemp("typed")
    forms = [form.format(f"touch {folder}/{number}") for number, form in enumerate(FORMS)]
    words = dict(zip(MACHINES, (" ".join(forms[:-1]), forms[-1]), strict=True))

    def type_in(team: Team, kind: str) -> None:
        run, word = team.clone.run, words[kind]
        run("./samestack", "freeze", kind, "--rehearsal", "--message", word)
        run("make", "accept", f"ENV={kind}", "REHEARSAL=1", f"MSG={word}")
        assert run("./samestack", "deploy", kind, "--rehearsal", "--ref", word) != 0
        assert not UNSEEN.findall(team.clone.output)
        team.samestack("unfreeze", kind)
        assert run("./samestack", "deploy", kind, "--rehearsal", "--ref", word) != 0

    team.both(type_in)
    return folder


@pytest.mark.parametrize("number", range(len(FORMS)), ids=FORMS)
def test_what_is_typed_is_no_code(typed: Path, number: int) -> None:
    assert not (typed / str(number)).exists()
