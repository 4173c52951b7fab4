"""The examples of a page of the documentation, by the file that their first line names."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLE = re.compile(r"^```\w+\n# (\S+/\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples(page: str) -> dict[str, str]:
    """Return the text of every example file of a page, by its path in a project."""
    return dict(EXAMPLE.findall((DOCS / page).read_text(encoding="utf-8")))


def write_example(folder: Path, path: str, text: str) -> Path:
    """Write an example below a folder, which is a project, and return where."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file
