"""A section of the manifest is one file on each side, and it is found because it is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.manifest import record
from plugins.module_utils.manifest.section import Collector
from plugins.plugin_utils.parity import section as parity_section
from plugins.plugin_utils.parity.section import SECTIONS, sections
from tests.support.paper_host import CONFIG, KEY, section_files

ROOT = Path(__file__).resolve().parents[2]
HOST_SIDE = '''"""Section `weather`."""

from __future__ import annotations

from plugins.module_utils.manifest.section import Collector, Service

SECTIONS = (
    Collector(
        "weather",
        lambda host, _live: {"sky": host.secrets.masked(host.read("/etc/weather.conf"))},
        learn=lambda host: host.secrets.learn("forecast", "planted-forecast"),
    ),
)
SERVICE = Service(open_files={"/etc/weather.conf": "^secret .*$"})
'''
CONTROL_SIDE = '''"""Section `weather` in comparisons."""

ORDER, SHORT = 15, "sky"
RULES = """
weather/wind | expected | it blows where it wants
packages/umbrella* | expected | who knows
"""


def remedy(case):
    """What mends it."""
    return case.by_hand(f"wait for {case.wanted_text}")
'''
#: Runs in a copy of the project, as a user's Ansible would find it
COMPARES = """
import json
from pathlib import Path
from plugins.filter.recorder import recorder_files
from plugins.plugin_utils.parity.compare import compare
from plugins.plugin_utils.parity.remedies import mends
from plugins.plugin_utils.parity.text import Look, lines
from tests.support.manifests import envelope

found = compare([
    envelope("staging", before={"weather": {"sky": "blue", "wind": "1"}, "packages": {"umbrella": "1"}}),
    envelope("production", before={"weather": {"sky": "grey", "wind": "2"}}),
])
print(json.dumps({
    "files": recorder_files("/recorder"),
    "sections": found.sections,
    "matrix": lines(found, Look(), now=0)[0],
    "differences": {one.name: [one.kind, mends(one, found)] for one in found.differences},
}))
"""
#: In place of `__main__.py`, which records what is below `/`
RECORDS = """
import json, sys
from plugins.module_utils.manifest.reading.cache import Cache
from plugins.module_utils.manifest.reading.machine import Host
from plugins.module_utils.manifest.record import manifest

config, key, root = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
print(json.dumps(manifest(Host(config, key, Cache(), root))))
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    for name in ("plugins", "roles", "tests/support"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def output(*command: str, cwd: Path) -> Any:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def recorder(entries: list[dict[str, str]], folder: Path) -> Path:
    """Put the recorder's files into a folder, as `system_state` does."""
    for entry in entries:
        path = folder / entry["path"].lstrip("/")
        if "source" in entry:
            shutil.copy(entry["source"], path)
        else:
            path.mkdir(parents=True, exist_ok=True)
    (folder / "recorder" / "__main__.py").write_text(RECORDS)
    return folder / "recorder"


@pytest.mark.parametrize(
    ("host_side", "control_side"),
    [
        ("plugins/module_utils/manifest/sections", "plugins/plugin_utils/parity/sections"),
        ("roles/weather/manifest", "roles/weather/parity"),
    ],
)
def test_one_more_section_is_one_file_on_each_side(
    engine: Path, tmp_path: Path, host_side: str, control_side: str
) -> None:
    added = {engine / host_side / "weather.py": HOST_SIDE, engine / control_side / "weather.py": CONTROL_SIDE}
    for file, text in added.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    told = output(sys.executable, "-c", COMPARES, cwd=engine)
    assert told["sections"][:3] == ["system", "weather", "packages"]
    assert told["matrix"].split()[:3] == ["sys", "sky", "pkg"]
    assert told["differences"]["weather/sky"] == ["unexplained", ["on staging1: wait for grey"]]
    assert {told["differences"][name][0] for name in ("weather/wind", "packages/umbrella")} == {"expected"}
    host = tmp_path / "host"
    (host / "etc").mkdir(parents=True)
    (host / "etc/weather.conf").write_text("secret planted-forecast\nblue")
    arguments = (json.dumps(CONFIG), KEY, str(host))
    program = recorder(told["files"], tmp_path)
    for file in added:
        file.unlink()
    found = output("/usr/bin/python3", "-I", str(program), *arguments, cwd=Path("/"))
    assert found["sections"]["weather"] == {"sky": "secret <forecast>\nblue"}
    assert {*SECTIONS, "weather"} == {*found["sections"], *(name for name in found["missing"] if "/" not in name)}


def test_every_section_has_its_file_on_both_sides() -> None:
    names = [one.name for one in record.collectors(section_files())]
    assert sorted(names) == sorted(SECTIONS)


def test_places_and_marks_tell_sections_apart() -> None:
    assert len({one.order for one in SECTIONS.values()}) == len(SECTIONS)
    assert len({one.short for one in SECTIONS.values()}) == len(SECTIONS)
    assert all(re.fullmatch(r"[a-z]{2,3}", one.short) for one in SECTIONS.values())


def test_what_shares_its_reading_is_collected_in_turn() -> None:
    groups = record.grouped(record.collectors(section_files()))
    names = [[one.name for one in group] for group in groups]
    assert sorted(name for group in names for name in group) == sorted(SECTIONS)
    assert sorted(next(group for group in names if "release" in group)) == ["gunicorn", "release", "settings", "venv"]
    assert "release" in [group[0] for group in names[:4]]
    # Nothing is left out, whatever a section says that it comes after.
    odd = [Collector("a", lambda *_: {}, after="b"), Collector("b", lambda *_: {}, after="a")]
    assert len(record.grouped(odd)) == 2


def test_the_page_names_every_section() -> None:
    page = (ROOT / "docs/manifest.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z]+)`", "".join(re.findall(r"^\|([^|]*)", page, re.MULTILINE)))
    assert sorted(named) == sorted(SECTIONS)


def test_a_section_without_a_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lost.py").write_text('SHORT = "x"\n')
    with pytest.raises(ValueError, match=r"lost\.py sets no ORDER or no SHORT"):
        sections([tmp_path])


def test_two_files_of_one_section_are_refused(tmp_path: Path) -> None:
    (tmp_path / "files.py").write_text(CONTROL_SIDE)
    with pytest.raises(ValueError, match=r"two files of section files: .*files\.py, "):
        sections([tmp_path, *parity_section.FOLDERS])
