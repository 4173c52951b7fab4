"""The project's own files that go to its hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.filter.own_files import drop_in_files
from plugins.plugin_utils.inventory.own_files import project_file_problems, project_files

if TYPE_CHECKING:
    from pathlib import Path


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n", encoding="utf-8")


def test_files_and_templates_in_order_and_no_notes(tmp_path: Path) -> None:
    assert project_files("nginx", tmp_path) == []
    put(tmp_path, "nginx/b.conf", "nginx/a.conf.j2", "nginx/README.md", "nginx/.hidden.conf", "nginx/b.conf~")
    assert [path.name for path in project_files("nginx", tmp_path)] == ["a.conf.j2", "b.conf"]
    assert list(project_file_problems(tmp_path, [], [])) == []


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["nginx/a.txt"], "file (in nginx/a.txt): what goes to hosts is a file of nginx/ that ends in .conf"),
        (["nginx/more/a.conf"], "file (in nginx/more): what goes to hosts is a file of nginx/"),
        (["nginx/a.conf", "nginx/a.conf.j2"], "file (in nginx/a.conf.j2): there is nginx/a.conf too. Keep one"),
        (["systemd/worker-que.conf"], "file (in systemd/worker-que.conf): the application has no process of that name"),
    ],
)
def test_a_file_that_would_go_nowhere(tmp_path: Path, names: list[str], says: str) -> None:
    put(tmp_path, *names, "systemd/worker-queue.conf", "systemd/timer-tidy.conf", "systemd/web.conf")
    (problem,) = project_file_problems(tmp_path, ["queue"], ["tidy"])
    assert str(problem).startswith(says)


def test_the_nearest_process_is_named(tmp_path: Path) -> None:
    put(tmp_path, "systemd/worker-que.conf")
    (problem,) = project_file_problems(tmp_path, ["queue"], [])
    assert "Write worker-queue, if that is what you meant; otherwise name it after one of" in str(problem)


def test_every_unit_has_its_drop_in_or_loses_it() -> None:
    entries = drop_in_files(["/p/systemd/worker-a.conf.j2"], "site", ["a", "b"], ["t"])
    by_path = {entry["path"].removeprefix("/etc/systemd/system/"): entry for entry in entries}
    assert by_path["site-worker-a@.service.d/project.conf"]["template"] == "/p/systemd/worker-a.conf.j2"
    absent = [path for path, entry in by_path.items() if entry.get("state") == "absent"]
    assert absent == [
        "site-timer-t.service.d/project.conf",
        "site-web@.service.d/project.conf",
        "site-worker-b@.service.d/project.conf",
    ]
    # A timer's next run reads its unit anew.
    assert "apply" not in by_path["site-timer-t.service.d/project.conf"]
