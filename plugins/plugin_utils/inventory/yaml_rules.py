"""What is wrong with a file that is no YAML, for people who do not know YAML: the line, the rule, and what to write.

PyYAML says where it could not go on; the slip is there, or in a line or two before. Nothing of Ansible is imported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A line of `name: value` without its space; no URL, no time, nothing in quotes or brackets
CROWDED = re.compile(r"(?P<before>\s*(?:-\s+)?)(?P<name>[A-Za-z_][\w.-]*):(?P<value>[^\s/:].*)")
#: The same inside of braces
CROWDED_PAIR = re.compile(r"[{,]\s*(?P<name>[A-Za-z_][\w-]*):(?P<value>[^\s/:,}][^,}]*)")
#: A value that begins with a template, outside of quotes
TEMPLATE = re.compile(r"^(?P<before>[^\"'#]*?(?::|-)\s+|[^\"'#]*[{,]\s*[\w-]+:\s+)(?P<value>\{\{.*)$")
#: What a value can begin with only in quotes, and why
RESERVED = re.compile(
    r"^(?P<before>\s*(?:-\s+)?(?:[\w.-]+:\s+)?)(?P<value>(?P<sign>[@`%*&!|>?,\]}]|(?<=: )-(?=\s)).*)$"
)
NAMED = re.compile(r"^(?P<before>\s*(?:-\s+)?[\w.-]+:\s+)(?P<value>\S.*?)\s*$")
#: Spaces that are none to YAML
STRANGE_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\ufeff"
LONGEST = 60
#: As many lines before the one that PyYAML names may have the slip.
BEFORE = 8


class Slip(NamedTuple):
    """A line (from 1), what is wrong with it, and what to write instead."""

    line: int
    what: str
    fix: str


def slip_of(text: str, error: yaml.YAMLError) -> Slip:
    """Return what is wrong with a text that PyYAML could not read."""
    lines = text.splitlines() or [""]
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return unprintable(text, error)
    begin = getattr(error, "context_mark", None) or mark
    at = min(mark.line, len(lines) - 1)
    # The line itself, then those before it: comments and empty ones say nothing.
    near = [number for number in range(at, max(at - BEFORE, -1), -1) if lines[number].split("#")[0].strip()]
    for find in (merge, tab, strange_space):
        for number in near:
            if found := find(number + 1, lines[number]):
                return found
    if found := unclosed(lines, str(error), begin.line):
        return found
    for number in near[:3]:
        for find in (template, crowded, reserved, inner_colon, after_quotes, backslash):
            if found := find(number + 1, lines[number]):
                return found
    if "could not find expected ':'" in str(error):
        for number in near:
            if found := bare(number + 1, lines[number]):
                return found
    return indented(lines, near) or other(error, lines, at)


def quoted(value: str) -> str:
    """Return a value in the quotes that suit it."""
    value = value.strip()
    return f'"{value}"' if '"' not in value and "\\" not in value else "'" + value.replace("'", "''") + "'"


def short(text: str) -> str:
    """Return a line of somebody's as it is shown; what it says of a secret is not."""
    line = " ".join(text.split())
    name, colon, _value = line.partition(":")
    if re.search(r"password|secret|token|key", name, re.IGNORECASE):
        line = f"{name}{colon} …"
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def merge(number: int, line: str) -> Slip | None:
    """What git leaves where two people have changed the same lines."""
    if re.match(r"(<{7}|={7}|>{7})( |$)", line):
        what = "a merge has left its mark here, between what two people wrote"
        return Slip(number, what, "Decide what stays, and take the lines of `<`, `=` and `>` out")
    return None


def tab(number: int, line: str) -> Slip | None:
    """A tab in front, or where a value begins."""
    if re.match(r"\s*\t", line) or re.match(r"\s*(-|[\w.-]+:)[ ]*\t", line):
        what = "there is a tab, and YAML takes spaces alone to indent and to separate"
        return Slip(number, what, f"Write spaces in its place: `{short(line)}`")
    return None


def strange_space(number: int, line: str) -> Slip | None:
    """A space that came with a copied text."""
    found = next((letter for letter in line if letter in STRANGE_SPACES), "")
    if found and (line.strip()[:1] in STRANGE_SPACES or re.search(rf"^\s*(-|[\w.-]+:)?[{STRANGE_SPACES}]", line)):
        what = f"there is a space that is none to YAML (U+{ord(found):04X}), as copied texts have it"
        return Slip(number, what, f"Type an ordinary space there: `{short(line)}`")
    return None


def crowded(number: int, line: str) -> Slip | None:
    """`name:value`."""
    match = CROWDED.fullmatch(line) or CROWDED_PAIR.search(line)
    if match and not line.lstrip().startswith(("'", '"')):
        value = "…" if short(match[0]).endswith(": …") else match["value"].split(" #")[0].strip()
        right = short(f"{match['name']}: {value}")
        return Slip(number, "a space has to follow the colon", f"Write `{right}`")
    return None


def template(number: int, line: str) -> Slip | None:
    """`name: {{ value }}`."""
    if match := TEMPLATE.match(line):
        value = match["value"].strip()
        pair = re.match(r"(\{\{.*?\}\}[^,}\s]*)\s*[,}]", value) if "{" in match["before"] else None
        right = short(f"{match['before'].split('{')[-1].split(',')[-1].strip()} {quoted(pair[1] if pair else value)}")
        return Slip(number, "a value that begins with {{ has to stand in quotes", f"Write `{right}`")
    return None


def reserved(number: int, line: str) -> Slip | None:
    """`name: @value`."""
    if match := RESERVED.match(line):
        before, value = match["before"].strip(), match["value"]
        name, colon, rest = value.partition(": ") if not before.strip("- ") else ("", "", "")
        right = f"{quoted(name)}: {rest}" if colon else quoted(value)
        what = f"what begins with {match['sign']} has to stand in quotes"
        return Slip(number, what, f"Write `{short(f'{before} {right}'.strip())}`")
    return None


def bare(number: int, line: str) -> Slip | None:
    """`name`, alone on its line."""
    if match := re.fullmatch(r"\s*([A-Za-z_][\w-]*)\s*", line):
        return Slip(number, "a colon is missing after the name", f"Write `{match[1]}: …`")
    return None


def inner_colon(number: int, line: str) -> Slip | None:
    """`name: one: two`."""
    match = NAMED.match(line)
    if match and match["value"][0] not in "\"'[{|>" and re.search(r":(\s|$)", match["value"]):
        right = short(f"{match['before'].strip()} {quoted(match['value'])}")
        return Slip(number, "a value with a colon and a space in it has to stand in quotes", f"Write `{right}`")
    return None


def after_quotes(number: int, line: str) -> Slip | None:
    """`name: "one" two`, and `name: 'it's'`."""
    match = NAMED.match(line)
    value = match["value"] if match else line.strip()
    for quote in "\"'":
        inside = value[1:].split(quote)
        if value.startswith(quote) and len(inside) > 1 and (rest := quote.join(inside[1:]).split(" #")[0].strip()):
            if rest.endswith(quote) and quote == "'":
                what, right = "a single quote inside of single quotes is written twice", value.strip(quote)
                return Slip(number, what, f"Write `{short(before(match) + quoted(right))}`")
            right = re.sub(rf"{quote}", "", value.split(" #")[0])
            what = "after a text in quotes nothing may follow on its line"
            return Slip(number, what, f"Put the quotes around all of it: `{short(before(match) + quoted(right))}`")
    return None


def before(match: re.Match[str] | None) -> str:
    """Return what stands before a value."""
    return match["before"].lstrip() if match else ""


def backslash(number: int, line: str) -> Slip | None:
    r"""`name: "C:\name"`."""
    match = NAMED.match(line)
    if match and match["value"].startswith('"') and re.search(r'\\[^0abtnvfre "/\\N_LPxuU]', match["value"]):
        right = match["value"].strip('"').replace("'", "''")
        what = "a backslash in double quotes begins a sign of its own"
        return Slip(number, what, f"Take single quotes: `{short(before(match) + chr(39) + right + chr(39))}`")
    return None


def unclosed(lines: list[str], said: str, begin: int) -> Slip | None:
    """Something that is opened, and not closed before the end or the next key."""
    opened = lines[min(begin, len(lines) - 1)]
    if "quoted scalar" in said and ("end of stream" in said or "document separator" in said):
        return Slip(
            begin + 1, "a quote is opened here, and not closed", f"Close it: `{short(opened)}` lacks the second"
        )
    if re.search(r"expected ',' or '[\]}]'|did not find expected ',' or '[\]}]'", said) or (
        "flow" in said and "end" in said
    ):
        what = "a bracket is opened here, and not closed, or a comma is missing between two things in it"
        if not (crowded(begin + 1, opened) or template(begin + 1, opened)):
            return Slip(begin + 1, what, "Close it, and write a comma between each two")
    return None


def indented(lines: list[str], near: list[int]) -> Slip | None:
    """A line that begins in a column where none of its kind does."""
    for number in near[:2]:
        above = next((other for other in range(number - 1, -1, -1) if lines[other].split("#")[0].strip()), None)
        if above is None:
            continue
        here, there = indent(lines[number]), indent(lines[above])
        has_value = bool(NAMED.match(lines[above])) or lines[above].strip().startswith("- ")
        if here > there and has_value and not lines[above].rstrip().endswith((":", "|", ">", "[", "{", ",")):
            what = f"it is indented deeper than line {above + 1}, which has a value already"
            return Slip(number + 1, what, f"Begin `{short(lines[number])}` in the column of line {above + 1}")
        if here < there:
            columns = sorted({indent(lines[other]) for other in range(above + 1) if lines[other].split("#")[0].strip()})
            if here not in columns:
                what = f"it begins in column {here + 1}, and no line above it that it could belong to does"
                fix = f"Begin `{short(lines[number])}` in the column of the lines that it belongs to"
                return Slip(number + 1, what, fix)
        if here == there and lines[number].lstrip().startswith("- ") != lines[above].lstrip().startswith("- "):
            what = "lines of a list (`- …`) and lines of `name: value` stand in one column"
            fix = f"Indent `{short(lines[number])}` as the lines that it belongs to, or take the `- ` away or add it"
            return Slip(number + 1, what, fix)
    return None


def indent(line: str) -> int:
    """Return how many spaces a line begins with."""
    return len(line) - len(line.lstrip(" "))


def unprintable(text: str, error: yaml.YAMLError) -> Slip:
    """Return what is wrong with a text that has letters which YAML does not take."""
    position = getattr(error, "position", 0) or 0
    line = text.count("\n", 0, position) + 1
    letter = text[position : position + 1]
    name = f" (U+{ord(letter):04X})" if letter else ""
    return Slip(line, f"there is a control character that YAML does not take{name}", "Take it out of the line")


def other(error: yaml.YAMLError, lines: list[str], at: int) -> Slip:
    """Return what PyYAML says, where none of the rules fits."""
    if "another document" in str(error):
        return Slip(at + 1, "a second document begins here (`---`)", "Take that line out")
    said = " ".join(filter(None, (getattr(error, "context", ""), getattr(error, "problem", ""))))
    return Slip(at + 1, f"this is no YAML: {said}", f"Correct `{short(lines[at])}`, or a line before it")


def of_another_kind(text: str) -> Slip:
    """Return what is wrong with a text that is YAML, and holds no `name: value` at its top."""
    said = (row for row in enumerate(text.splitlines(), 1) if row[1].strip() and row[1].lstrip()[0] not in "#-%")
    listed = (row for row in enumerate(text.splitlines(), 1) if row[1].lstrip().startswith("- "))
    number, line = min([*said, *listed], default=(1, ""))
    if found := crowded(number, line):
        return found
    if line.lstrip().startswith("- "):
        what = "it begins a list (`- …`) where lines of `name: value` belong"
        return Slip(number, what, f"Take the `- ` away: `{short(line.lstrip()[2:])}`")
    return Slip(number, "lines of `name: value` belong there", f"Write `name: value` for `{short(line)}`")


def crowded_keys(node: yaml.Node) -> Iterator[Slip]:
    """Yield the keys in braces that swallowed their value: `{type:path}` is a key without a value to YAML."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            plain = isinstance(key, yaml.ScalarNode) and not key.style
            empty = value.tag == "tag:yaml.org,2002:null" and value.value == ""
            if plain and empty and node.flow_style and (match := CROWDED.fullmatch(key.value)):
                fix = f"Write `{short(match['name'] + ': ' + match['value'])}`"
                yield Slip(key.start_mark.line + 1, "a space has to follow the colon", fix)
            yield from crowded_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from crowded_keys(child)
