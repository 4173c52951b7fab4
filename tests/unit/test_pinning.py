"""Environments are shared only where every package is pinned by content; what is not is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from plugins.action.release_source import describe, prepare
from plugins.plugin_utils.project.detect import Given, detect
from plugins.plugin_utils.project.packages import read_text
from plugins.plugin_utils.project.pinning import of_lines, of_locked, of_pipfile, of_sources
from tests.support.shapes.skeleton import startproject, tree
from tests.unit.test_project import PINS
from tests.unit.test_release_source import arguments

if TYPE_CHECKING:
    from pathlib import Path

SHA, DIGEST = "a" * 40, "b" * 64


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("libs/shoplib", "libs/shoplib"),
        ("./libs/x", "./libs/x"),
        ("./libs/x[extra] ; python_version > '3'", "./libs/x"),
        ("-e .", "."),
        ("-e.", "."),
        ("-e ./libs/x", "./libs/x"),
        ("--editable=libs/x", "libs/x"),
        ("--editable libs/x", "libs/x"),
        ("../shared", "../shared"),
        ("shoplib @ ./libs/shoplib", "shoplib"),
        ("Shop_Lib[a,b] @ file:libs/shoplib", "shop-lib"),
        ("file:///srv/x", "/srv/x"),
        ("vendor/x-1.0-py3-none-any.whl", "vendor/x-1.0-py3-none-any.whl"),
        ("x-1.0.tar.gz", "x-1.0.tar.gz"),
        ("-f ./wheels", "./wheels"),
        ("--find-links wheels", "wheels"),
        ("x @ git+https://example.org/x.git@main", "x"),
        ("x @ git+https://example.org/x.git", "x"),
        ("x @ git+ssh://git@example.org/x.git@v1.0#subdirectory=a", "x"),
        ("-e git+https://example.org/x.git@main#egg=X", "x"),
        ("git+https://example.org/x.git@abc1234", "git+https://example.org/x.git@abc1234"),
        ("hg+https://example.org/x@default#egg=x", "x"),
        ("https://example.org/x-1.0.tar.gz", "https://example.org/x-1.0.tar.gz"),
        ("x @ https://example.org/x-1.0-py3-none-any.whl", "x"),
        ("-r https://example.org/more.txt", "https://example.org/more.txt"),
        ("-c https://example.org/limits.txt", "https://example.org/limits.txt"),
        ("x @ \\\n  git+https://example.org/x.git@main", "x"),
    ],
)  # fmt: skip
def test_what_may_be_other_code_the_next_time(line: str, name: str) -> None:
    assert list(of_lines(line.split("\n")).why) == [name]


@pytest.mark.parametrize(
    "line",
    [
        "django", "Django==5.2.8", "django>=5,<6 ; python_version > '3.9'", "psycopg[binary,pool]==3.3.9", "# ./libs/x",
        f"x @ git+https://example.org/x.git@{SHA}", f"git+https://git@example.org/x.git@{SHA}#egg=x",
        f"https://example.org/x-1.0.tar.gz#sha256={DIGEST}", f"x @ https://example.org/x.whl --hash=sha256:{DIGEST}",
        f"vendor/x-1.0-py3-none-any.whl --hash=sha256:{DIGEST}", f"django==5.2.8 \\\n    --hash=sha256:{DIGEST}",
        "--index-url https://example.org/simple", "-i https://example.org/simple", "--extra-index-url=https://e.org/s",
        "-r other.txt", "--pre", "-f https://example.org/wheels", "", "--no-binary :all:",
    ],
)  # fmt: skip
def test_what_an_index_or_a_digest_pins(line: str) -> None:
    assert of_lines(line.split("\n")).why == {}


UV_GIT = {"git": f"https://example.org/x?rev=main#{SHA}"}
LOCKED: list[tuple[dict[str, Any], bool]] = [
    ({"source": {"registry": "https://pypi.org/simple"}, "wheels": [{"hash": f"sha256:{DIGEST}"}]}, False),
    ({"source": {"editable": "libs/x"}}, True),
    ({"source": {"directory": "../x"}}, True),
    ({"source": {"virtual": "."}}, False),
    ({"source": {"editable": "packages/web"}}, False),
    ({"source": {"path": "vendor/x.whl"}, "wheels": [{"filename": "x.whl", "hash": f"sha256:{DIGEST}"}]}, False),
    ({"source": {"path": "vendor/x.whl"}}, True),
    ({"source": UV_GIT}, False),
    ({"source": {"git": "https://example.org/x?rev=main"}}, True),
    ({"source": {"url": "https://example.org/x.whl"}, "wheels": [{"hash": f"sha256:{DIGEST}"}]}, False),
    ({"source": {"url": "https://example.org/x.whl"}}, True),
    # Poetry
    ({"files": [{"file": "x.whl", "hash": f"sha256:{DIGEST}"}]}, False),
    ({"source": {"type": "legacy", "url": "https://example.org/simple", "reference": "own"}, "files": []}, False),
    ({"source": {"type": "directory", "url": "libs/x"}, "develop": True, "files": []}, True),
    ({"source": {"type": "file", "url": "vendor/x.whl"}, "files": [{"hash": f"sha256:{DIGEST}"}]}, False),
    ({"source": {"type": "git", "url": "https://e.org/x", "reference": "main", "resolved_reference": SHA}}, False),
    ({"source": {"type": "git", "url": "https://e.org/x", "reference": "main", "resolved_reference": "main"}}, True),
    # pylock
    ({"directory": {"path": "libs/x"}}, True),
    ({"vcs": {"type": "git", "url": "https://e.org/x", "commit-id": SHA}}, False),
    ({"vcs": {"type": "git", "url": "https://e.org/x"}}, True),
    ({"archive": {"url": "https://e.org/x.zip", "hashes": {"sha256": DIGEST}}}, False),
]


@pytest.mark.parametrize(("package", "is_open"), LOCKED)
def test_what_a_lock_pins(package: dict[str, Any], *, is_open: bool) -> None:
    assert bool(of_locked([{"name": "x", **package}], "packages/web").why) is is_open


def test_what_a_pipfiles_lock_pins() -> None:
    default = {
        "a": {"version": "==1.0", "hashes": ["sha256:x"]}, "b": {"path": "./libs/b", "editable": True},
        "c": {"git": "https://example.org/c", "ref": SHA}, "d": {"git": "https://example.org/d", "ref": "main"},
        "e": {"file": "https://example.org/e.whl"}, "f": {"file": "https://example.org/f.whl", "hashes": ["sha256:x"]},
    }  # fmt: skip
    assert list(of_pipfile(default).why) == ["b", "d", "e"]


def test_what_the_sources_of_a_pyproject_pin() -> None:
    sources = {
        "a": {"path": "libs/a"}, "b": {"git": "https://example.org/b", "branch": "main"},
        "c": {"git": "https://example.org/c", "rev": SHA}, "d": {"workspace": True}, "e": {"index": "own"},
        "f": [{"url": "https://example.org/f.whl", "marker": "x"}], "unused": {"path": "x"},
    }  # fmt: skip
    assert list(of_sources(sources, "abcdef").why) == ["a", "b", "d", "f"]


@pytest.mark.parametrize("line", ["libs/shoplib", "-e ./libs/shoplib", "shoplib @ git+https://example.org/x@main",
                                  "vendor/shoplib-1.0-py3-none-any.whl"])  # fmt: skip
@pytest.mark.parametrize("where", ["requirements.txt", "included", "app_extra_requirements"])
def test_code_that_is_not_pinned_is_never_shared_and_it_is_said(tmp_path: Path, line: str, where: str) -> None:
    site = tree(tmp_path / "site", {**startproject(), "libs/shoplib/pyproject.toml": "", "libs/shoplib/a.py": "X = 1\n",
                                    "vendor/shoplib-1.0-py3-none-any.whl": "one"})  # fmt: skip
    more: dict[str, Any] = {}
    if where == "app_extra_requirements":
        more = {"extra_requirements": [line]}
    else:
        file = site / ("requirements.txt" if where == "requirements.txt" else "base.txt")
        (site / "requirements.txt").write_text("Django==5.2.8\n-rbase.txt\n")
        file.write_text(f"Django==5.2.8\n{line}\n")
    first = prepare(arguments(**more), tmp_path)
    (site / "mysite/urls.py").write_text("urlpatterns = []\n")
    second = prepare(arguments(**more), tmp_path)
    assert first["vid"] != second["vid"]
    (said,) = [text for text in describe(second) if text.startswith("Packages of this release alone")]
    assert "shoplib" in said


def test_a_folder_of_the_source_is_found_from_where_people_install(tmp_path: Path) -> None:
    tree(tmp_path, {**startproject(), "requirements/production.txt": "./libs/shoplib\n", "libs/shoplib/setup.py": ""})
    (tmp_path / "requirements.txt").unlink()
    packages = detect(tmp_path, Given(), PINS).packages
    assert (packages.file, packages.folder, packages.local) == ("requirements/production.txt", "", ["libs/shoplib"])
    tree(tmp_path, {"requirements/libs/shoplib/setup.py": ""})
    packages = detect(tmp_path, Given(), PINS).packages
    assert (packages.folder, packages.local) == ("requirements", ["requirements/libs/shoplib"])


WORKSPACE = """version = 1
requires-python = ">=3.11"
[manifest]
members = ["root", "shoplib", "web"]
[[package]]
name = "root"
source = { virtual = "." }
dependencies = [{ name = "idna" }]
[[package]]
name = "web"
source = { MEMBER = "packages/web" }
dependencies = [{ name = "django" }, { name = "shoplib" }]
[[package]]
name = "shoplib"
version = "0.1"
source = { editable = "packages/lib" }
dependencies = [{ name = "asgiref" }]
[[package]]
name = "django"
version = "5.2.8"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "asgiref"
version = "3.9.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "idna"
version = "3.20"
source = { registry = "https://pypi.org/simple" }
"""


@pytest.mark.parametrize("member", ["virtual", "editable"])
@pytest.mark.parametrize("inside", ["", "src/"])
def test_the_lock_of_a_workspace_counts_for_its_members(tmp_path: Path, member: str, inside: str) -> None:
    files = startproject(f"packages/web/{inside}")
    del files["requirements.txt"]
    project = '[project]\nname = "{}"\nversion = "0.1"\nrequires-python = ">=3.11"\ndependencies = ["django"]\n'
    tree(tmp_path, {**files, "uv.lock": WORKSPACE.replace("MEMBER", member), "pyproject.toml": project.format("root"),
                    "packages/web/pyproject.toml": project.format("web"),
                    "packages/lib/pyproject.toml": project.format("shoplib"),
                    "packages/lib/src/shoplib/__init__.py": ""})  # fmt: skip
    found = detect(tmp_path, Given(), PINS)
    packages = found.packages
    assert (packages.kind, packages.file, packages.folder) == ("uv", "uv.lock", "packages/web")
    assert packages.versions == {"asgiref": "3.9.0", "django": "5.2.8", "shoplib": "0.1"}
    assert packages.local == ["packages/lib"] and list(packages.unpinned) == ["shoplib"]
    assert {"uv.lock", "pyproject.toml", "packages/web/pyproject.toml"} <= set(packages.inputs)


def test_a_project_beside_a_workspace_has_its_own_packages(tmp_path: Path) -> None:
    files = {**startproject("other/"), "uv.lock": WORKSPACE.replace("MEMBER", "virtual"), "pyproject.toml": ""}
    del files["requirements.txt"]
    files["other/pyproject.toml"] = '[project]\nname = "other"\nversion = "1"\ndependencies = ["django==5.2.8"]\n'
    found = detect(tree(tmp_path, files), Given(), PINS).packages
    assert (found.kind, found.file, found.folder) == ("pyproject", "other/pyproject.toml", "other")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_requirements_of_powershell_are_read(tmp_path: Path, encoding: str) -> None:
    """`pip freeze > requirements.txt` writes UTF-16 there."""
    tree(tmp_path, startproject())
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (tmp_path / "requirements.txt").write_bytes(f"{mark}Django==5.2.8\r\n-r more.txt\r\n".encode(encoding))
    (tmp_path / "more.txt").write_bytes("gunicorn==23.0.0\r\n".encode("utf-16"))
    assert detect(tmp_path, Given(), PINS).packages.versions == {"django": "5.2.8", "gunicorn": "23.0.0"}
    assert read_text(tmp_path / "more.txt").strip() == "gunicorn==23.0.0"


def test_a_lock_that_is_json_is_read(tmp_path: Path) -> None:
    tree(tmp_path, {**startproject(), "libs/b/setup.py": "", "Pipfile": "", "Pipfile.lock": json.dumps(
        {"_meta": {}, "default": {"django": {"version": "==5.2.8"}, "b": {"path": "libs/b"}}})})  # fmt: skip
    found = detect(tmp_path, Given(), PINS).packages
    assert (list(found.unpinned), found.local) == (["b"], ["libs/b"])
