"""argument_specs are what the files say: the roles' defaults, and the decisions with theirs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from plugins.plugin_utils.inventory.defaults import default_files, wiring_files
from plugins.plugin_utils.inventory.formats import FORMATS
from plugins.plugin_utils.inventory.values import SEVERAL_LINES, example, format_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


PROJECT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (PROJECT / "roles").iterdir() if (path / "tasks").is_dir())
ALL = PROJECT / "inventories" / "group_vars" / "all"
OURS = {"default": default_files(), "wiring": wiring_files()}
#: The decisions of Samestack itself; services bring their own
FILES = sorted(PROJECT.glob("defaults/*.yml"))
DEFAULTS = {name: value for file in OURS["default"] for name, value in load(file).items()}
WIRING = {name: value for file in OURS["wiring"] for name, value in load(file).items()}
# Only single hosts can know the one; the other is the list of what may differ, and as such the user's.
WITHOUT_DEFAULT = {"machine_address", "allowed_differences"}
#: A setting that is shown as a comment
SHOWN = re.compile(r"^# (?=(?:\w+_\w+: )|(?:\w+_\w+:$)|  \w+: \S+$)", re.MULTILINE)


def entry_points(role: str) -> dict[str, dict[str, Any]]:
    specs = load(PROJECT / "roles" / role / "meta" / "argument_specs.yml") or {}
    return {name: point.get("options") or {} for name, point in specs.get("argument_specs", {}).items()}


DECISIONS = {name: option for role in ROLES for name, option in entry_points(role).get("decisions", {}).items()}


@pytest.mark.parametrize("role", ROLES)
def test_specs_and_defaults_name_the_same_variables(role: str) -> None:
    points = entry_points(role)
    assert points, f"roles/{role}/meta/argument_specs.yml is missing"
    options = {name for point, found in points.items() if point != "decisions" for name in found}
    assert set(load(PROJECT / "roles" / role / "defaults" / "main.yml") or {}) == options
    assert all(name.startswith(f"{role}_") for name in options)


@pytest.mark.parametrize("role", ROLES)
def test_choices_hold_the_default(role: str) -> None:
    defaults = load(PROJECT / "roles" / role / "defaults" / "main.yml") or {}
    options = {name: option for found in entry_points(role).values() for name, option in found.items()}
    for name, value in defaults.items():
        assert options[name].get("required") or value in options[name].get("choices", [value]), name


def test_every_decision_has_a_spec_and_a_default() -> None:
    decided = {name for file in ALL.glob("*.yml") for name in load(file)}
    assert decided <= set(DECISIONS)
    assert set(DECISIONS) - WITHOUT_DEFAULT == set(DEFAULTS)
    assert not set(DEFAULTS) & set(WIRING)


def test_no_variable_of_ours_is_set_twice() -> None:
    """Which of two lines wins would hang on the name of a file."""
    names = [name for files in OURS.values() for file in files for name in load(file)]
    assert sorted(names) == sorted({**DEFAULTS, **WIRING})


def test_the_files_of_ours_say_so() -> None:
    for file in [*OURS["default"], *PROJECT.glob("wiring/*.yml")]:
        assert "# Part of Samestack and replaced by upgrades" in file.read_text(encoding="utf-8")[:300], file


def test_the_delivered_decisions_show_the_defaults() -> None:
    """What stands in app.yml as a comment is the default; every decision is there but the environments' own domains."""
    delivered = (ALL / "app.yml").read_text(encoding="utf-8")
    shown = set(load(ALL / "app.yml"))
    values = yaml.safe_load(SHOWN.sub("", delivered))
    own = {name: value for file in FILES for name, value in load(file).items()}
    assert {name: value for name, value in values.items() if name not in shown} == {
        name: value for name, value in own.items() if name not in {*shown, "app_domains"}
    }


def walk(name: str, spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield name, spec
    for key, option in spec.get("options", {}).items():
        yield from walk(f"{name}.{key}", option)


EVERY_OPTION = dict(pair for name, spec in DECISIONS.items() for pair in walk(name, spec))


@pytest.mark.parametrize("name", EVERY_OPTION)
def test_a_spec_describes_itself(name: str) -> None:
    spec = EVERY_OPTION[name]
    assert spec["description"]
    assert {form for form in (format_of(spec), format_of(spec, "Name format")) if form} <= {
        *FORMATS,
        "file",
        "folder",
        SEVERAL_LINES,
    }
    assert (spec["type"] == "list") == ("elements" in spec)
    if spec.get("required"):
        assert "example" in spec
        assert name.rsplit(".", maxsplit=1)[-1] in example(name.rsplit(".", maxsplit=1)[-1], spec)
