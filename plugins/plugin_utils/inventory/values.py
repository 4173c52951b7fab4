"""Checks the values of variables against an argument spec, all the way down, with formats that Ansible does not know.

A spec is Ansible's own kind (type, elements, choices, options, required, required_if), with two conventions: a line of
a description that reads `Format: size` or `Name format: domain` names a parser of `value_formats`, and the option
`<name>` stands for keys that people choose. Runs on the control node.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from .formats import FORMATS, check_lines
from .laws import did_you_mean, dotted, nearest, show
from .public_keys import read_key
from .yaml_rules import CROWDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .files import KeyPath
    from .laws import Place

    Spec = Mapping[str, Any]

#: How a problem ends that is one on this computer alone
NOT_HERE = "on this computer"
#: A format of texts that are keys, or files with one
PUBLIC_KEY = "public_key"
FILES: dict[str, Callable[[Path], bool]] = {"file": Path.is_file, "folder": Path.is_dir}
#: A format of texts that a shell reads as a script
SEVERAL_LINES = "lines"
#: A format of names whose values are texts in the environment of a process
ENVIRONMENT = "env_name"
TEXT_ADVICE = 'Write a text, in quotes; where there are several, join them: "{{ app_domains | join(",") }}"'
LINE_ADVICE = "Write it in one line; where YAML folds it over several, begin with >- in place of > or |"
LINES_ADVICE = "Write text without control characters"
FILE_ADVICE = "Write an absolute path, or one that is relative to the project"
TYPES: dict[str, tuple[type[Any], ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}
# What a value of a type is, and how it is written.
TYPE_WORDS = {
    "str": ("text", "text, in quotes where it looks like something else"),
    "path": ("the path of a file", "the path of a file"),
    "int": ("a whole number", "a whole number without quotes"),
    "float": ("a number", "a number without quotes"),
    "bool": ("true or false", "true or false, without quotes"),
}


def format_of(spec: Spec, of: str = "Format") -> str | None:
    """Return the format that a spec's description names in a line of its own: `Format: size`, `Name format: domain`."""
    description = spec.get("description", "")
    for line in [description] if isinstance(description, str) else description:
        if match := re.fullmatch(rf"{of}: (\w+)\.?", line):
            return match[1]
    return None


def check_values(
    values: Mapping[str, Any], specs: Mapping[str, Spec], place: Place, home: Callable[[str], str], root: Path
) -> Iterator[Problem]:
    """Yield what is wrong with the values of variables, by the options of an argument spec.

    `home` tells the file in which a missing variable belongs; file names are relative to `root`.
    """
    for name, spec in specs.items():
        value = values.get(name)
        if value is None or value in ("", [], {}):
            if spec.get("required"):
                yield Problem(name, home(name), "a value is required", f"Write {example(name, spec)}")
            elif value is None and name in values:
                fix = 'Indent the lines below it that belong to it, or write "", [] or {} where it shall be empty'
                yield Problem(name, place(name, ()), "the value is missing", fix)
            continue
        yield from ValueCheck(name, place, root).check(value, spec, ())


def example(name: str, spec: Spec) -> str:
    """Return a line that shows how a variable is set: from the spec's own example, or its description."""
    if "example" in spec:
        return f"for instance `{name}: {json.dumps(spec['example'], ensure_ascii=False)}`".replace('"', "")
    advice = (
        FORMATS[form].advice
        if (form := format_of(spec))
        else TYPE_WORDS.get(spec.get("type", "str"), ("", "a value"))[1]
    )
    return f"`{name}: …` ({advice[0].lower()}{advice[1:]})"


def fix_of_shape(value: object, kind: str) -> str:
    """Return how a value was meant whose YAML says something else by a sign; "" where that is not to be seen."""
    if kind == "list" and isinstance(value, str) and (match := re.match(r"-\s*([^\s-]\S*)", value)):
        return f"A space has to follow the `-` of each line: `- {match[1]}`"
    if kind == "dict" and isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        name = next(iter(value[0]), "key")
        return f"Take the `- ` before its lines away: `{name}: …`"
    if kind == "dict" and isinstance(value, str) and (match := CROWDED.fullmatch(value.split()[0] if value else "")):
        return f"A space has to follow the colon: `{match['name']}: …`"
    return ""


class ValueCheck:
    """Checks one variable's value against its spec, all the way down."""

    def __init__(self, name: str, place: Place, root: Path) -> None:
        """Remember the variable's name, who knows where its parts were written, and where file names begin."""
        self.name = name
        self.place = place
        self.root = root

    def problem(self, path: KeyPath, what: str, fix: str, value: object = None) -> Problem:
        """Return a problem with what is at a path."""
        variable = dotted(self.name, path)
        shown = None if value is None else show(variable, value)
        return Problem(variable, self.place(self.name, path), what, fix, shown)

    def check(self, value: object, spec: Spec, path: KeyPath) -> Iterator[Problem]:
        """Yield the problems of a value and of everything inside it."""
        kind = spec.get("type", "str")
        form = format_of(spec)
        if isinstance(value, str) and "{{" in value:
            # Could not be resolved yet (it waits for a secret or a fact of the host): nothing to be said about it.
            return
        if wrong := self._type_problem(value, kind, form, path):
            yield wrong
        elif "choices" in spec and value not in spec["choices"]:
            choices = [str(choice) for choice in spec["choices"]]
            fix = did_you_mean(str(value), choices, f"write one of {', '.join(choices)}")
            yield self.problem(path, f"not one of {', '.join(choices)}", fix, value)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.check(item, {**spec, "type": spec.get("elements", "raw")}, (*path, index))
        elif isinstance(value, dict):
            yield from self._check_mapping(value, spec, path)
        elif (wrong := self._text_problem(value, spec, path)) or (
            form and (wrong := self._format_problem(value, form, path))
        ):
            yield wrong

    def _type_problem(self, value: object, kind: str, form: str | None, path: KeyPath) -> Problem | None:
        right = TYPES.get(kind)
        # Sizes, durations and ports may be bare numbers; True is an int to Python, not to a person.
        number = isinstance(value, int) and not isinstance(value, bool)
        if right is None or (kind == "str" and form and number):
            return None
        if isinstance(value, right) and not (isinstance(value, bool) and kind != "bool"):
            return None
        if kind in ("list", "dict") and (fix := fix_of_shape(value, kind)):
            what = "this is not a list" if kind == "list" else "this is not a set of `key: value` lines"
            return self.problem(path, what, fix, value)
        if kind == "list":
            return self.problem(path, "this is not a list", f"Write it as a list: [{show(self.name, value)}]", value)
        if kind == "dict":
            return self.problem(path, "this is not a set of `key: value` lines", "Write it as one: {key: value}", value)
        what, fix = TYPE_WORDS[kind]
        return self.problem(path, f"this is not {what}", f"Write {fix}", value)

    def _text_problem(self, value: object, spec: Spec, path: KeyPath) -> Problem | None:
        """Return the problem of a text that would not stay in the one line of the unit, file or command it goes to."""
        if not isinstance(value, str):
            return None
        # A variable of an environment may be a key or a certificate.
        several = format_of(spec) == SEVERAL_LINES or format_of(spec, "Name format") == ENVIRONMENT
        try:
            check_lines(value, "\n\t" if several else "\t")
        except ValueError as error:
            shown = value.encode("unicode_escape").decode()
            return self.problem(path, f"this {error}", LINES_ADVICE if several else LINE_ADVICE, shown)
        return None

    def _format_problem(self, value: object, form: str, path: KeyPath) -> Problem | None:
        if form == SEVERAL_LINES:
            return None
        if form in FILES:
            found = (self.root / str(value)).expanduser() if str(value)[0] != "~" else Path(str(value)).expanduser()
            if FILES[form](found):
                return None
            return self.problem(path, f"there is no such {form} {NOT_HERE}", FILE_ADVICE, value)
        try:
            if form == PUBLIC_KEY:
                read_key(str(value), self.root)
            else:
                FORMATS[form].parse(value)
        except ValueError as error:
            return self.problem(path, f"this {error}", FORMATS[form].advice, value)
        return None

    def _check_mapping(self, value: dict[str, Any], spec: Spec, path: KeyPath) -> Iterator[Problem]:
        options: Mapping[str, Spec] = spec.get("options", {})
        any_name = options.get("<name>")
        if any_name is not None:
            for key, item in value.items():
                form = format_of(any_name, "Name format")
                if wrong := self._text_problem(key, {}, path) or (
                    self._format_problem(key, form, (*path, key)) if form else None
                ):
                    yield wrong
                elif form == ENVIRONMENT and not isinstance(item, str | int | float):
                    what = "nothing" if item is None else "a list" if isinstance(item, list) else "no text"
                    yield self.problem((*path, key), f"this is {what}", TEXT_ADVICE, item)
                    continue
                yield from self.check(item, any_name, (*path, key))
            return
        meant = set()
        for key, item in value.items():
            if key in options:
                yield from self._check_option(item, options[key], (*path, key))
            elif options:
                meant.add(nearest(str(key), options))
                fix = did_you_mean(str(key), options, f"write one of {', '.join(options)}")
                yield self.problem((*path, key), f"{dotted(self.name, path)} has no such key", fix, item)
        # A misspelt key is one problem, not also that of the right one's absence.
        yield from (problem for key, problem in self._missing(value, spec, options, path) if key not in meant)

    def _check_option(self, value: object, spec: Spec, path: KeyPath) -> Iterator[Problem]:
        if value not in (None, ""):
            yield from self.check(value, spec, path)

    def _missing(
        self, value: dict[str, Any], spec: Spec, options: Mapping[str, Spec], path: KeyPath
    ) -> Iterator[tuple[str, Problem]]:
        needed = {key: "" for key, option in options.items() if option.get("required")}
        for key, wanted, keys in (rule[:3] for rule in spec.get("required_if", [])):
            if value.get(key) == wanted:
                needed |= dict.fromkeys(keys, f" where {key} is {wanted}")
        for key, why in needed.items():
            if value.get(key) in (None, "", [], {}):
                yield (
                    key,
                    self.problem((*path, key), f"a value is required{why}", f"Write {example(key, options[key])}"),
                )
