"""Every secret is a marker: wherever one turns up that is not its own file, somebody may read it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shlex
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import yaml

from tests.attacks.conftest import MACHINES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Machine
    from tests.support.team import Team

#: Where secrets are, and who may read them is tested: the application's environment, and what a provision replaced
OWN_FILES = (
    "/etc/{app}/env",
    "/etc/{app}/owner.env",
    "/etc/{app}/credentials/",
    "/etc/samestack/certificates.notices",
    "/run/credentials/",
    "/var/lib/samestack/undo/",
)
#: On the control node: the secrets themselves, and the keys of certificates
OWN_HERE = ("secrets/", "ca.key", "certificates/")
#: Long enough that nothing else is equal by chance
PIECE = 24
NEEDLES = "/run/tests-needles"
#: What any account of a machine sees of others' processes, for as long as a file is there: a look each 10 ms
WATCH = """
import os, time
seen = set()
with open("/tmp/tests-watch", "wb") as out:
    while os.path.exists("/run/tests-watch"):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for name in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{pid}/{name}", "rb") as file:
                        text = file.read().replace(b"\\0", b"\\n") + b"\\n"
                except OSError:
                    continue
                if text not in seen:
                    seen.add(text)
                    out.write(text)
        time.sleep(0.01)
"""


def forms(value: str) -> set[str]:
    """Return the forms in which programs write a secret."""
    lines = [line for line in value.splitlines() if len(line) >= PIECE and "-----" not in line] or [value]
    raw = value.encode()
    encoded = [base64.b64encode(b"x" * skip + raw).decode()[4:] for skip in range(3)]
    return {*lines, quote(value, safe=""), json.dumps(value)[1:-1], *(text[:60].rstrip("=") for text in encoded)}


def needles(team: Team, environment: str) -> list[str]:
    """Return what is looked for: all secrets of an environment but certificates."""
    file = team.clone.folder / ".samestack" / "secrets" / f"{environment}.yml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    return sorted({form for name, value in values.items() if "certificate" not in name for form in forms(value)})


def found_in(text: str, wanted: list[str]) -> list[str]:
    """Return the beginnings of the markers that stand in a text."""
    return [needle[:6] + "…" for needle in wanted if needle in text]


def holds(file: Path, wanted: list[str]) -> bool:
    """Return whether a marker is in a file, however large."""
    longest, rest = max(map(len, wanted)), b""
    with file.open("rb") as stream:
        while piece := stream.read(1 << 24):
            if found_in((rest + piece).decode("utf-8", "replace"), wanted):
                return True
            rest = piece[-longest:]
    return False


class Onlooker(threading.Thread):
    """Any other account of a machine, who looks at all processes all the time."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(daemon=True)
        self.machine = machine

    def run(self) -> None:
        self.machine.host.run(f"touch /run/tests-watch; cd /; runuser -u nobody -- python3 -c {shlex.quote(WATCH)}")

    def seen(self) -> str:
        """Return what there was to be seen."""
        self.machine.run("rm /run/tests-watch")
        self.join(60)
        return self.machine.run("cat /tmp/tests-watch; rm /tmp/tests-watch")


def plant(team: Team, kind: str) -> dict[str, Any]:
    """Bring secrets of every kind to a machine; returns all that was said and seen meanwhile."""
    victim = team.machine(kind)
    onlooker = Onlooker(victim)
    onlooker.start()
    where = [kind, "--rehearsal"]
    said = team.clone.samestack("provision", *where, "-vvv", "--diff")
    said += team.clone.samestack("provision", *where, "-vvv", "--diff", "--check")
    for ref in ("v1", "no-such-ref"):
        team.clone.run("./samestack", "deploy", *where, "-vvv", "--diff", "--ref", ref)
        said += team.clone.output
    for verb in ("manifest", "drift", "releases", "secrets"):
        team.clone.run("./samestack", verb, *where, "-vvv")
        said += team.clone.output
    victim.manage("check")
    wanted = needles(team, kind)
    seen = onlooker.seen()
    # A command of ours would be written down, and seen by others.
    victim.give(NEEDLES, "\n".join(wanted))
    return {"machine": victim, "said": said, "seen": seen, "needles": wanted}


@pytest.fixture(scope="module")
def all_planted(team: Team) -> Iterator[dict[str, dict[str, Any]]]:
    """Both machines with secrets of every kind."""
    folder = team.clone.folder / ".samestack" / "secrets"
    before = {kind: (folder / f"{kind}.yml").read_text(encoding="utf-8") for kind in MACHINES}
    for kind, text in before.items():
        kinds = ("vault_env", "vault_url", "vault_chat", "vault_index", "vault_file")
        words = {name: f"marker-{secrets.token_urlsafe(30)}" for name in kinds}
        words["vault_odd"] = f"odd $`'\"\\ %41 {secrets.token_urlsafe(30)}"
        (folder / f"{kind}.yml").write_text(yaml.safe_dump(yaml.safe_load(text) | words), encoding="utf-8")
    team.clone.decide(
        app_secret_env={
            "MARKER_TOKEN": "{{ vault_env }}",
            "MARKER_URL": "https://someone:{{ vault_url | urlencode }}@127.0.0.1:9/",
            "MARKER_ODD": "{{ vault_odd }}",
        },
        app_secret_files={"MARKER": "{{ vault_file }}"},
        notices_urls=["json://someone:{{ vault_chat }}@127.0.0.1:9/"],
        release_package_indexes={
            "company": {"url": "http://127.0.0.1:9/simple", "user": "someone", "password": "{{ vault_index }}"}
        },
    )
    began = time.time() - 1
    try:
        found = team.both(plant)
        wanted = {needle for one in found.values() for needle in one["needles"]}
        kept = kept_here(team, began, sorted(wanted))
        yield {kind: {**one, "kept_here": kept} for kind, one in found.items()}
    finally:
        team.clone.decide(app_secret_env={}, app_secret_files={}, notices_urls=[], release_package_indexes={})
        for kind, text in before.items():
            team.machine(kind).run(f"rm -f /run/tests-watch {NEEDLES}")
            (folder / f"{kind}.yml").write_text(text, encoding="utf-8")
        team.both(lambda team, kind: team.samestack("provision", kind))


@pytest.fixture(params=MACHINES)
def planted(request: pytest.FixtureRequest, all_planted: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One of them."""
    return all_planted[request.param]


def test_nothing_is_said(planted: dict[str, Any]) -> None:
    assert len(planted["said"]) > 100_000
    assert found_in(planted["said"], planted["needles"]) == []


def test_nobody_sees_one_in_a_process(planted: dict[str, Any]) -> None:
    assert "ansible" in planted["seen"] or "python3" in planted["seen"]
    assert found_in(planted["seen"], planted["needles"]) == []


def test_they_are_in_their_own_files_alone(planted: dict[str, Any]) -> None:
    victim: Machine = planted["machine"]
    skip = " ".join(f"--exclude-dir={name}" for name in ("proc", "sys", "journal"))
    files = victim.run(f"grep -rlaFs -D skip {skip} --exclude=tests-needles -f {NEEDLES} / || true").split()
    own = tuple(name.format(app=victim.app) for name in OWN_FILES)
    assert f"/etc/{victim.app}/env" in files
    assert [name for name in files if not name.startswith(own)] == []
    readable = f"for f in {' '.join(files)}; do runuser -u nobody -- test -r $f && echo $f; done; true"
    assert victim.run(readable) == ""


def test_the_journal_has_none(planted: dict[str, Any]) -> None:
    victim: Machine = planted["machine"]
    script = "journalctl -a -o export | grep -aFc -f {} || true"
    assert victim.run(script.format(NEEDLES)).strip() == "0"
    assert victim.run("journalctl -a -o export | grep -aFc samestack").strip() != "0"


def kept_here(team: Team, began: float, wanted: list[str]) -> list[str]:
    """Return the files of this computer, changed since, that have a marker and are not the secrets' own."""
    state = team.clone.folder / ".samestack"
    places = [state, *(Path.home() / name for name in (".ansible", ".cache")), Path("/tmp")]
    found = []
    for place in places:
        for folder, folders, files in os.walk(place):
            # Scenarios have their copies of the project there.
            folders[:] = [name for name in folders if not name.startswith("molecule.")]
            for name in files:
                file = Path(folder, name)
                try:
                    if file.is_symlink() or not file.is_file() or file.stat().st_mtime < began:
                        continue
                    own = place == state and str(file.relative_to(state)).startswith(OWN_HERE)
                    if not own and holds(file, wanted):
                        found.append(str(file))
                except OSError:
                    continue
    return found


def test_this_computer_keeps_none_elsewhere(planted: dict[str, Any]) -> None:
    assert planted["kept_here"] == []
