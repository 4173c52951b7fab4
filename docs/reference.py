"""The variable reference, made from what the roles themselves say: argument_specs, defaults, and the inventory.

`.venv/bin/python -m docs.reference` writes the page; a unit test compares it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from docs import verbs
from plugins.plugin_utils.inventory.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCS = Path(__file__).resolve().parent
REPO = DOCS.parent
PAGE = DOCS / "variables.md"
DEFAULTS = REPO / "defaults"
DIFFERENCES = REPO / "inventories" / "group_vars" / "all" / "differences.yml"
# In the order in which a person meets them; others of that folder follow.
TOPICS = ("app", "web", "database", "release", "security", "machine", "notices")
# The order of playbooks/site.yml, then what comes around it.
ROLES = (
    "host",
    "postgresql",
    "backup",
    "redis",
    "memcached",
    "django",
    "nginx",
    "exporters",
    "monitor",
    "watch",
    "parity",
    "release",
    "preflight",
)
FORMAT = re.compile(r"^(?:Name f|F)ormat: (\w+)$")
# Longer values are the business of the file that has them.
LONGEST_VALUE = 60

HEAD = """\
# Variables

<!-- Written by `python -m docs.reference` from roles/*/meta/argument_specs.yml. Change those, then run it again. -->

[Decisions](#decisions) are what you set. [Role variables](#role-variables) are derived from them in `wiring/`; you
need those only to change a role.
Values are checked before a host is touched; a misspelt name is an error that names the nearest right one.

## Decisions

One value for all environments, in `inventories/group_vars/all/app.yml` or another file there. What you do not set has
its default from `defaults/`, which upgrades replace. **Differs**: an environment may set its own value, in
`inventories/group_vars/<env>/differences.yml`. `<name>` is a key of your own choice.
"""

ROLE_HEAD = """\
## Role variables

Each role's own interface, with its defaults (`roles/<role>/defaults/main.yml`).
"""


@dataclass(frozen=True)
class Option:
    """One variable, or one key inside of one (`app_source.url`), as its row shows it."""

    name: str
    type: str
    text: str


def load(path: Path) -> Any:
    """Return the content of a YAML file, {} where it is empty."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def options_of(role: str, entry: str) -> dict[str, Any]:
    """Return the options of one entry point of a role's argument_specs."""
    found: dict[str, Any] = load(REPO / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    return dict(found.get(entry, {}).get("options", {}))


def all_decisions() -> dict[str, Any]:
    """Return the options of every decision: preflight describes those of Samestack, services their own."""
    first = options_of("preflight", "decisions")
    return first | {name: option for role in ROLES for name, option in options_of(role, "decisions").items()}


def cell(text: str) -> str:
    """Return text that does not end a table's cell, with Ansible's C(…) as Markdown has it."""
    marked = re.sub(r"C\(([^)]*)\)", r"`\1`", " ".join(text.split()))
    return marked.replace("|", "\\|").replace("<", "&lt;")


def value(content: object) -> str:
    """Return a value as people write it in YAML, in a code span; nothing for an empty one."""
    if content is None or content in ("", [], {}):
        return ""
    if isinstance(content, str):
        text = content.strip()
    else:
        text = yaml.safe_dump(content, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
        text = text.removesuffix("\n").removesuffix("\n...").strip()
    return "see the file" if len(text) > LONGEST_VALUE else "`" + text.replace("|", "\\|") + "`"


def described(option: Mapping[str, Any]) -> str:
    """Return an option's description with its choices and, in words, its format."""
    given = option.get("description", [])
    lines = [given] if isinstance(given, str) else list(given)
    formats = [match[1] for line in lines if (match := FORMAT.match(line))]
    words = [line for line in lines if not FORMAT.match(line)]
    if option.get("choices"):
        words.append("One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + ".")
    words += [f"{FORMATS[name].advice}." for name in formats if name in FORMATS]
    if option.get("required"):
        words.append("Required.")
    return cell(" ".join(words))


def kind(option: Mapping[str, Any]) -> str:
    """Return an option's type: `list of str` for lists."""
    name = str(option.get("type", "str"))
    return f"list of {option['elements']}" if option.get("elements") else name


def rows(name: str, option: Mapping[str, Any]) -> Iterator[Option]:
    """Yield an option and whatever is inside of it."""
    yield Option(name, kind(option), described(option))
    inner = f"{name}[]" if kind(option) == "list of dict" else name
    for key, below in option.get("options", {}).items():
        yield from rows(f"{inner}.{key}", below)


def defaults() -> dict[str, tuple[str, Any]]:
    """Return the topic of every decision that has a default, and the default."""
    others = sorted(path.stem for path in DEFAULTS.glob("*.yml") if path.stem not in TOPICS)
    topics = [*TOPICS, *others]
    files = {topic: [DEFAULTS / f"{topic}.yml"] for topic in topics}
    files["services"] = sorted(REPO.glob("roles/*/meta/decisions.yml"))
    return {
        name: (topic, content)
        for topic, paths in files.items()
        for path in paths
        for name, content in load(path).items()
    }


def decisions() -> Iterator[str]:
    """Yield the lines about what people decide, by topic."""
    known = defaults()
    may_differ = set(load(DIFFERENCES)["allowed_differences"])
    by_topic: dict[str, list[tuple[str, Any]]] = {topic: [] for topic, _ in known.values()}
    for name, option in all_decisions().items():
        topic = known[name][0] if name in known else "machine" if name.startswith("machine_") else "differences"
        by_topic.setdefault(topic, []).append((name, option))
    for topic, options in by_topic.items():
        yield f"\n### {topic}\n\n| variable | type | what | default | differs |\n|---|---|---|---|---|"
        for name, option in options:
            for row in rows(name, option):
                top = row.name == name
                default = value(known[name][1]) if top and name in known else ""
                differs = "yes" if top and name in may_differ else ""
                text = row.text.removesuffix(" Required.") if default else row.text
                yield f"| `{row.name}` | {row.type} | {text} | {default} | {differs} |"


def role_variables() -> Iterator[str]:
    """Yield the lines about each role's interface."""
    for role in ROLES:
        defaults = load(REPO / "roles" / role / "defaults" / "main.yml")
        yield f"\n### Role {role}\n\n| variable | type | what | default |\n|---|---|---|---|"
        for name, option in options_of(role, "main").items():
            for row in rows(name, option):
                default = value(defaults.get(name)) if row.name == name else ""
                yield f"| `{row.name}` | {row.type} | {row.text} | {default} |"


def page() -> str:
    """Return the whole page."""
    missing = {path.name for path in (REPO / "roles").iterdir() if path.is_dir()} - set(ROLES)
    if missing:
        raise ValueError(f"docs/reference.py: ROLES lacks {', '.join(sorted(missing))}")
    return "\n".join([HEAD.rstrip(), *decisions(), "", ROLE_HEAD.rstrip(), *role_variables(), ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    verbs.PAGE.write_text(verbs.page(), encoding="utf-8")
