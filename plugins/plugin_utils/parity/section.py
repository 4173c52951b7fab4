"""What comparisons know of the manifest's sections: one file each, which is found because it is there. Pure.

A file is called as its section, lies in `sections/` or in `roles/<role>/parity/`, and sets the names of FIELDS. It
imports nothing of ours when it runs: a role's files are no part of this package.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Sections are loaded by their paths: a role is no package of Python.
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .cases import Case

HERE = Path(__file__).resolve()
# `project_root.ENGINE`, without all of Ansible: what needs no run answers at once.
FOLDERS = (HERE.parent / "sections", *sorted(HERE.parents[3].glob("roles/*/parity")))
FIELDS = ("ORDER", "SHORT", "RULES", "REPLACED", "WRONG", "SUMMARIES", "ENVIRONMENT", "FILES", "remedy")


def provision(case: Case) -> str:
    """What the inventory says comes back."""
    return case.provision


@dataclass(frozen=True)
class Section:
    """One section."""

    name: str
    #: Its place: tables and pages have the sections in the order in which people look for things
    order: int
    #: Over its column: three letters at most
    short: str
    #: Lines of the table of rules (`rules.py`); those about another section count before that one's own
    rules: str = ""
    #: Patterns of keys about what a promotion replaces: the processes of the release before
    replaced: tuple[str, ...] = ()
    #: Keys that are wrong on whatever environment has something there, also where all agree; each with why
    wrong: Mapping[str, str] = field(default_factory=dict)
    #: Keys that are digests of the others: those say the same, and what it is
    summaries: tuple[str, ...] = ()
    #: The decisions behind variables that the application is given, by the variables' names
    environment: Mapping[str, str] = field(default_factory=dict)
    #: The decisions in which environments may differ behind files that our roles write, by the files' patterns
    files: Mapping[str, str] = field(default_factory=dict)
    #: Returns the command that mends a difference
    remedy: Callable[[Case], str] = provision


def section(path: Path) -> Section:
    """Return the section that a file declares; raises ValueError where it lacks its place or its mark."""
    # By its path: a role is no package of Python, and Ansible has another name for this one than tests have.
    spec = spec_from_file_location(f"samestack_parity_{path.stem}", path)
    if not spec or not spec.loader:
        raise ValueError(f"{path} is no Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    given = {name.lower(): getattr(module, name) for name in FIELDS if hasattr(module, name)}
    if not {"order", "short"} <= set(given):
        raise ValueError(f"{path} sets no ORDER or no SHORT: every section has a place and a mark")
    return Section(path.stem, **given)


def sections(folders: Iterable[Path] = FOLDERS) -> dict[str, Section]:
    """Return the sections by name, in their order; raises ValueError where two files are of one section."""
    paths = [path for folder in folders for path in folder.glob("[!_]*.py")]
    found: dict[str, Section] = {}
    for one in sorted(map(section, paths), key=lambda one: (one.order, one.name)):
        if one.name in found:
            twice = [str(path) for path in paths if path.stem == one.name]
            raise ValueError(f"two files of section {one.name}: {', '.join(twice)}")
        found[one.name] = one
    return found


SECTIONS = sections()


def in_order(names: Iterable[str]) -> list[str]:
    """Return sections in their order; those that this code does not know come last."""
    known = list(SECTIONS)
    return sorted(names, key=lambda name: (known.index(name) if name in SECTIONS else len(known), name))
