"""What README and docs/ say exists, exists: verbs, paths, links, variables. The reference is what the roles say."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import yaml

from cli.__main__ import command
from docs import reference, verbs
from plugins.plugin_utils.inventory.files import own_settings
from plugins.plugin_utils.secrets import rotation
from plugins.plugin_utils.secrets.keys import invented_secrets

REPO = Path(__file__).resolve().parents[2]

PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
GENERATED = (reference.PAGE, verbs.PAGE)
WRITTEN = [page for page in PAGES if page not in GENERATED]
NAMES = [page.relative_to(REPO).as_posix() for page in PAGES]
BY_HAND = [page.relative_to(REPO).as_posix() for page in WRITTEN]

LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
VERB = re.compile(r"\./samestack ([a-z][a-z-]*)")
# Words that begin a path of this repository
TOPS = ("inventories", "roles", "playbooks", "plugins", "box", "docs", "tests", "examples", "bench", "molecule", ".ci")
PATH = re.compile(rf"(?<![\w/.~-])((?:{'|'.join(map(re.escape, TOPS))})/[\w./<>*-]*)")
# What a clone has only after a verb has made it; the pages say which verb.
MADE_LATER = re.compile(r"inventories/(vault/(<env>|staging|production)\.yml|known_hosts)")
LONGEST_PAGE = 80
# What a newcomer reads whole
LONGEST = {"README.md": 124, "docs/architecture.md": 120}


def code_of(page: str) -> str:
    """Return everything on a page that is code: fenced blocks and spans."""
    text = (REPO / page).read_text(encoding="utf-8")
    return "\n".join([*FENCE.findall(text), *SPAN.findall(FENCE.sub("", text))])


def verbs_of_the_command() -> set[str]:
    return set(command().commands)


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings as links spell them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_readme_names_every_verb() -> None:
    assert verbs_of_the_command() - {"completion"} == set(VERB.findall(code_of("README.md")))


@pytest.mark.parametrize("page", NAMES)
def test_every_path_exists(page: str) -> None:
    for path in PATH.findall(code_of(page)):
        if MADE_LATER.fullmatch(path):
            continue
        pattern = re.sub(r"<[a-z]+>", "*", path.rstrip("/."))
        assert list(REPO.glob(pattern)), f"{page}: there is no {path}"


@pytest.mark.parametrize("page", NAMES)
def test_every_link_leads_somewhere(page: str) -> None:
    here = REPO / page
    for link in LINK.findall(FENCE.sub("", here.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (here.parent / file).resolve() if file else here
        assert target.is_file(), f"{page}: {link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{page}: {link}: there is no such heading"


@functools.cache
def variables() -> set[str]:
    """Return the names of all variables, and of secrets, whose values are elsewhere."""
    roles = {name for role in reference.ROLES for name in reference.options_of(role, "main")}
    known = roles | set(reference.options_of("preflight", "decisions"))
    return known | invented_secrets() | set(rotation.kinds()) | {setting.name for setting in own_settings()}


@pytest.mark.parametrize("page", BY_HAND)
def test_every_variable_exists(page: str) -> None:
    """A name with one of the prefixes of decisions or roles, in code, is a variable that something reads."""
    prefixes = ("app", "web", "database", "machine", "security", "vault_app", *reference.ROLES)
    for name in re.findall(rf"\b(?:{'|'.join(prefixes)})_[a-z_]+[a-z]\b(?!/|\.py)", code_of(page)):
        assert name in variables(), f"{page}: there is no variable {name}"


@pytest.mark.parametrize("page", BY_HAND)
def test_pages_are_short(page: str) -> None:
    lines = (REPO / page).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST.get(page, LONGEST_PAGE)


@pytest.mark.parametrize("page", NAMES)
def test_yaml_in_the_pages_parses(page: str) -> None:
    text = (REPO / page).read_text(encoding="utf-8")
    for block in re.findall(r"^( *)```yaml\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        list(yaml.safe_load_all(block[1]))


def test_every_page_is_linked() -> None:
    """Every page can be reached from the README."""
    seen, waiting = set(), [REPO / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8"))]
        waiting += [(page.parent / link).resolve() for link in links if link and "://" not in link]
    assert set(PAGES) <= seen


def test_the_reference_is_what_the_roles_say() -> None:
    written = reference.PAGE.read_text(encoding="utf-8")
    assert written == reference.page(), "run: .venv/bin/python -m docs.reference"


def test_the_reference_has_every_variable() -> None:
    text = reference.page()
    for role in reference.ROLES:
        for name in reference.options_of(role, "main"):
            assert f"| `{name}` |" in text
    for name in reference.options_of("preflight", "decisions"):
        assert f"| `{name}` |" in text


def test_a_cell_stays_one_cell() -> None:
    assert reference.cell("a | b\n C(x <y>)") == r"a \| b `x &lt;y>`"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (None, ""),
        ([], ""),
        (0, "`0`"),
        (False, "`false`"),
        ("25m", "`25m`"),
        ({"a": 1}, "`{a: 1}`"),
        ("x" * 99, "see the file"),
    ],
)
def test_values_read_as_people_write_them(content: object, shown: str) -> None:
    assert reference.value(content) == shown


def test_keys_inside_of_a_variable_have_rows() -> None:
    spec = {"type": "list", "elements": "dict", "options": {"port": {"type": "int", "required": True}}}
    found = list(reference.rows("open", spec))
    assert [(row.name, row.type) for row in found] == [("open", "list of dict"), ("open[].port", "int")]
    assert "Required." in found[1].text


def test_the_page_of_the_command_is_what_the_command_says() -> None:
    assert verbs.PAGE.read_text(encoding="utf-8") == verbs.page(), "run: .venv/bin/python -m docs.reference"


@pytest.mark.parametrize("module", sorted(path.stem for path in (REPO / "plugins" / "modules").glob("[a-z]*.py")))
def test_what_a_module_says_of_itself_is_yaml(module: str) -> None:
    text = (REPO / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    parts = dict(re.findall(r'^([A-Z]+) = r?"""(.*?)"""$', text, re.MULTILINE | re.DOTALL))
    assert set(parts) >= {"DOCUMENTATION", "EXAMPLES"}
    for part in parts.values():
        assert yaml.safe_load(part)
    assert yaml.safe_load(parts["DOCUMENTATION"])["module"] == module
