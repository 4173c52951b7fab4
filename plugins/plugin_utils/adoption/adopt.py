"""Reads an existing project whole: what it is, what runs beside it, what it needs. Static; nothing of it is run."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import DecisionError
from ..inventory.formats import FORMATS
from ..project.code import module_file
from ..project.detect import Given, detect, import_folders, manage_folders
from ..project.entry_points import (
    DEVELOPMENT,
    PRODUCTION,
    SHARED,
    TESTING,
    entry_modules,
    named_settings,
    settings_modules,
    suits,
)
from ..project.packages import read_text
from ..project.source import path_files
from ..text import listing
from . import declared, environment, processes, services, serving, system
from .finding import Finding, decisions_of, unit_word
from .source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..project.detect import Project

    #: (question, choices, the best of them) → the answer
    Ask = Callable[[str, list[str], str], str]

#: Settings that other settings or other programs use, and nobody serves with
ASIDE_SETTINGS = {"pipeline", "static", "docs", "build", "defaults", "celery", "logging", "logger", "utils", "migrate"}
#: What settings are called after the place where they serve
DEPLOYED = (
    "deploy", "deployment", "server", "docker", "heroku", "cloud", "kubernetes", "k8s", "aws", "render", "fly",
    "staging",
)  # fmt: skip
#: Names of folders that tell nothing of what is in them
NAMELESS = {"src", "app", "backend", "server", "web", "www", "django", "project", "site", "code", "api", "repo", "main"}
#: Decisions that dev has for itself
OF_DEV = ("app_debug",)
#: More questions are for nobody to answer
MOST_QUESTIONS = 2
#: What Ansible takes for a template, and the one kind that is made of a name here
TEMPLATE = re.compile(r"\{[{%#]")
OURS = re.compile(r"\{\{ vault_\w+ \}\}")
REQUIREMENTS = re.compile(r"(^|/)(requirements[\w.-]*|requirements/[\w.-]+)\.txt$")
FOR_PEOPLE = re.compile(r"dev|test|local|ci\b|lint|doc", re.IGNORECASE)
ASIDE = re.compile(r"(^|/)(tests?|examples?|demos?|sandbox|docs?|sample\w*)(/|$)")


@dataclass
class Adoption:
    """What was found, and what is decided by it, as in app.yml.

    Attributes:
        root: the folder of the project.
        name: the name of the application.
        findings: in the order in which they are told.
        decisions: by the names of app.yml.
        stand_ins: values of secrets for local machines, where a random text would not do.
        of_dev: what is otherwise in dev than Samestack has it there.
    """

    root: Path
    name: str
    findings: list[Finding]
    decisions: dict[str, Any] = field(default_factory=dict)
    stand_ins: dict[str, str] = field(default_factory=dict)
    of_dev: dict[str, Any] = field(default_factory=dict)

    @property
    def problems(self) -> list[Finding]:
        """What Samestack cannot give."""
        return [finding for finding in self.findings if finding.problem]


def adopt(root: Path, ask: Ask) -> Adoption:
    """Read the project in a folder; raises DecisionError where it cannot be served, with what is to be done.

    Args:
        root: the folder.
        ask: what answers where there are several possibilities.
    """
    project, chosen = settled(root, ask)
    source = Source.of(root, project)
    # What was chosen is decided, and told once.
    settled_ones = {name for finding in chosen for name in finding.decisions}
    rest = [one for one in serving.found(source) if not settled_ones.intersection(one.decisions)]
    findings = [plain(finding) for finding in [*chosen, *told_once([*rest, *beside(source)])]]
    decisions = decisions_of(findings)
    stand_ins = decisions.pop("dev", {})
    of_dev = {name: decisions.pop(name) for name in OF_DEV if name in decisions}
    return Adoption(root, application_name(root), findings, decisions, stand_ins, of_dev)


def plain(finding: Finding) -> Finding:
    """Return a finding that decides nothing which Ansible would run: a stranger's text that looks like a template."""
    strange = [text for text in texts(finding.decisions) if TEMPLATE.search(text) and not OURS.fullmatch(text)]
    if not any(text not in environment.TEMPLATES for text in strange):
        return finding
    note = "Ansible would take this for a template, so it is not decided: write it by hand, behind !unsafe"
    return replace(finding, decisions={}, sure="guess", note=note)


def texts(value: Any) -> Iterator[str]:
    """Yield every text inside a value, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield str(name)
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def told_once(findings: list[Finding]) -> Iterator[Finding]:
    """Yield findings without those that a second file says again."""
    seen: list[tuple[dict[str, Any], str]] = []
    for finding in findings:
        kind = finding.what.partition(" (")[0]
        told = (finding.decisions, kind if finding.decisions else f"{finding.what} {finding.value}")
        if told not in seen:
            yield finding
        seen.append(told)


def beside(source: Source) -> Iterator[Finding]:
    """Yield what runs beside the web server and what is needed: what files for others say goes before the code."""
    found = list(_beside(source))
    yield from found
    yield from system.found(source)
    yield from environment.found(source, decisions_of(found))


def _beside(source: Source) -> Iterator[Finding]:
    said = list(declared.found(source))
    kinds = {declared.kind_of(command) for finding in said for command in _commands(finding)}
    names = {name for finding in said for name in finding.decisions.get("app_workers", {})}
    told: set[str] = set()
    kept = list(services.found(source))
    held = decisions_of(kept)
    brokers = {finding.value for finding in kept if finding.what == "broker" and not finding.problem}
    for finding in said:
        # The settings say so themselves.
        if finding.decisions and all(held.get(name) == value for name, value in finding.decisions.items()):
            continue
        if finding.problem and f"Redis for {finding.value}" in brokers:
            continue
        mine = {declared.kind_of(command) for command in _commands(finding)}
        # Two files that start the same process
        if not mine or not mine <= told:
            yield finding
        told |= mine
    for finding in processes.found(source):
        if {declared.kind_of(command) for command in _commands(finding)} & kinds:
            continue
        yield _renamed(finding, names)
    yield from kept
    yield from _broker(source)


def _commands(finding: Finding) -> list[str]:
    return [
        one["command"] for kind in ("app_workers", "app_timers") for one in finding.decisions.get(kind, {}).values()
    ]


def _renamed(finding: Finding, taken: set[str]) -> Finding:
    workers = finding.decisions.get("app_workers", {})
    if not taken & workers.keys():
        return finding
    return replace(finding, decisions={"app_workers": {f"{name}-2": one for name, one in workers.items()}})


def _broker(source: Source) -> Iterator[Finding]:
    """Yield Redis for a Celery whose broker nothing in the settings names: it takes CELERY_BROKER_URL by itself."""
    application, place = processes.celery_application(source) if source.has("celery") else ("", "")
    other = any(finding.what == "broker" for finding in services.found(source))
    if application and not other and not any(True for _found in services.redis(source)):
        yield Finding("Redis", "Celery needs a broker", place, "likely", {"app_redis": True})


def settled(root: Path, ask: Ask) -> tuple[Project, list[Finding]]:
    """Return what deployments would detect, and what had to be chosen for it; raises DecisionError."""
    given = Given()
    chosen: list[Finding] = []
    pins: dict[str, str] = defaultdict(lambda: "0")
    while True:
        try:
            project = detect(root, given, pins)
        except DecisionError as error:
            variable, why = error.problem.variable, error.problem.what
            attribute, candidates = CHOICES.get(variable, ("", _none))
            found = candidates(root, given)
            if not attribute or not found or getattr(given, attribute):
                raise
        else:
            variable, attribute, found = "app_settings_module", "settings", served(root, project, given)
            why = f"{project.settings} looks like settings for development"
            if not found:
                return project, chosen
        # What is asked is what somebody can answer; of the rest the best is taken, and it is said.
        asked = len(found) > 1 and len(chosen) < MOST_QUESTIONS
        answer = ask(f"{why[:1].upper()}{why[1:]}. Which one", found, found[0]) if asked else found[0]
        given = replace(given, **{attribute: answer})
        others = listing(one for one in found if one != answer)
        note = f"{why}; there is also {others}" if others else why
        value = f"{answer}:application" if attribute == "wsgi" else answer
        place = _place(root, given, attribute, answer)
        chosen.append(Finding(TITLES[variable], value, place, "guess", {variable: value}, note))


def served(root: Path, project: Project, given: Given) -> list[str]:
    """Return the modules beside settings for development that are none, best first: one of them may be what serves."""
    package, _, last = project.settings.rpartition(".")
    if given.settings or last not in DEVELOPMENT or last in SHARED or not package:
        return []
    every = settings_modules(import_folders(root, project.directory))
    beside = [name for name in every if name.rpartition(".")[0] == package]
    beside.sort(key=best_settings)
    return [name for name in beside if name.rpartition(".")[2] not in {*DEVELOPMENT, *TESTING, *ASIDE_SETTINGS}]


def _none(_root: Path, _given: Given) -> list[str]:
    return []


def _folders(root: Path, _given: Given) -> list[str]:
    return sorted(manage_folders(root), key=lambda name: (bool(ASIDE.search(name)), name.count("/"), name))


def _settings(root: Path, given: Given) -> list[str]:
    folders = import_folders(root, _directory(root, given))
    named = [name for name in named_settings(folders) if module_file(folders, name)]
    return sorted(named or settings_modules(folders), key=best_settings)


def best_settings(module: str) -> tuple[bool, int, bool, int]:
    """Return how little a settings module looks like one that serves, for sorting."""
    last = module.rpartition(".")[2]
    return last not in (*PRODUCTION, *DEPLOYED), suits(module), ".settings." not in f"{module}.", module.count(".")


def _entries(root: Path, given: Given) -> list[str]:
    package = given.settings.split(".", maxsplit=1)[0]
    found = entry_modules(import_folders(root, _directory(root, given)), "wsgi")
    return sorted(found, key=lambda name: (name.split(".", maxsplit=1)[0] != package, name.count("."), name))


def _requirements(root: Path, _given: Given) -> list[str]:
    """Return the files of requirements that lie where deployments do not look, those for servers first."""
    found = [name for name in path_files(root) if REQUIREMENTS.search(name) and not ASIDE.search(name)]
    with_django = [
        name for name in found if re.search(r"^django\b", read_text(root / name), re.IGNORECASE | re.MULTILINE)
    ]
    return sorted(with_django, key=lambda name: (bool(FOR_PEOPLE.search(name)), name.count("/"), name))


def _directory(root: Path, given: Given) -> str:
    return given.directory or next(iter(manage_folders(root)), "")


def _place(root: Path, given: Given, attribute: str, answer: str) -> str:
    if attribute in ("directory", "requirements"):
        return f"{answer}/manage.py:1" if attribute == "directory" else f"{answer}:1"
    file = module_file(import_folders(root, _directory(root, given)), answer)
    return f"{file.relative_to(root).as_posix()}:1" if file else ""


CHOICES: dict[str, tuple[str, Callable[[Path, Given], list[str]]]] = {
    "app_directory": ("directory", _folders),
    "app_settings_module": ("settings", _settings),
    "app_wsgi": ("wsgi", _entries),
    "app_requirements": ("requirements", _requirements),
}
TITLES = {
    "app_directory": "manage.py",
    "app_settings_module": "settings",
    "app_wsgi": "entry point",
    "app_requirements": "packages",
}


def application_name(root: Path) -> str:
    """Return a name for the application, after the folder that it is in."""
    name = root.name if root.name.lower() not in NAMELESS else root.parent.name
    word = unit_word(name)[:24].strip("-")
    parse = FORMATS["app_name"].parse
    for candidate in (word, f"{word[:19]}-site", "mysite"):
        try:
            parse(candidate)
        except ValueError:
            continue
        return candidate
    return "mysite"
