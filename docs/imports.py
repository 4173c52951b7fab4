"""Which room of plugins/ imports which: `python -m docs.imports` draws it into docs/imports.md."""

from __future__ import annotations

import ast
import functools
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "plugins"
PAGE = ROOT / "docs" / "imports.md"
#: Every Python file, by its path in plugins/ without the suffix
FILES = {path.relative_to(PLUGINS).with_suffix("").as_posix(): path for path in PLUGINS.rglob("*.py")}
FLOORS = {"": "entry points", "plugin_utils": "plugin_utils: the control node", "module_utils": "module_utils: hosts"}
#: Everybody's; left out of the picture
EVERYBODYS = ("module_utils/common", "plugin_utils")
HEAD = """\
# Who imports whom

Written by `python -m docs.imports`; a test compares. The rooms of `plugins/` and what each imports when it runs,
without what everybody uses: `module_utils/common`, and the files right in `plugin_utils`.
No arrow leads up, or in a circle.

"""


@functools.cache
def imported(name: str, *, types: bool = True) -> tuple[str, ...]:
    """Return what a file imports: ours by its path in plugins/, others by the first part of their names.

    Without `types`, what only a type checker sees is left out.
    """
    return tuple(_imports(name, types=types))


def _imports(name: str, *, types: bool) -> Iterator[str]:
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    checked = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    hidden = set() if types else {inner for node in checked for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            folder = PurePosixPath(name).parents[node.level - 1] / (node.module or "").replace(".", "/")
            for alias in node.names:
                inner = (folder / alias.name).as_posix()
                yield inner if inner in FILES or f"{inner}/__init__" in FILES else folder.as_posix()


def room(name: str) -> str:
    """Return the room of a file: its folder, below a floor of `*_utils` the second one."""
    parts = PurePosixPath(name).parts
    return "/".join(parts[: 2 if parts[0].endswith("_utils") and len(parts) > len(("floor", "file")) else 1])


def arrows() -> set[tuple[str, str]]:
    """Return which room imports which at run time, entry points and the three floors."""
    found = {(room(name), room(other)) for name in FILES for other in imported(name, types=False) if other in FILES}
    return {(one, other) for one, other in found if one != other and other not in EVERYBODYS and "/" in one + other}


def page() -> str:
    """Return the page with its drawing in Mermaid: floor by floor, then the arrows of each room."""
    drawn = sorted(arrows())
    rooms = sorted({one for pair in drawn for one in pair})
    lines = ["flowchart TB"]
    for floor, title in FLOORS.items():
        mine = [one for one in rooms if "/".join(one.split("/")[:-1]) == floor]
        boxes = [f"{one.replace('/', '_')}[{one.split('/')[-1]}]" for one in mine]
        lines += [f'subgraph floor_{floor}["{title}"]', "; ".join(boxes), "end"]
    for one in sorted({one for one, _ in drawn}):
        others = " & ".join(other.replace("/", "_") for first, other in drawn if first == one)
        lines.append(f"{one.replace('/', '_')} --> {others}")
    return HEAD + "```mermaid\n" + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
