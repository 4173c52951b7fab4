"""A slip in YAML is told by its file, its line, the rule, and what to write instead: of each kind, several."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.plugin_utils.inventory.files import FileError, read_mapping

ROOT = Path(__file__).resolve().parents[2]
SPACE, QUOTES, TAB = "a space has to follow the colon", "has to stand in quotes", "there is a tab"
DEEPER, COLUMN = "it is indented deeper than line", "no line above it that it could belong to does"


@pytest.mark.parametrize(
    ("text", "line", "rule", "fix"),
    [
        ("app_name:shop\n", 1, SPACE, "app_name: shop"),
        ("app_name:shop\napp_health_path: /\n", 1, SPACE, "app_name: shop"),
        ("# mine\n\napp_name:shop # x\n\n# more\napp_health_path: /\n", 3, SPACE, "app_name: shop"),
        ("app_env:\n  A:1\n  B: 2\n", 2, SPACE, "A: 1"),
        ("app_source: {type:path, path: ../x}\n", 1, SPACE, "type: path"),
        ("app_source: {type: path, path:../x}\n", 1, SPACE, "path: ../x"),
        ("a:\n  - {address:10.0.0.1, port: 25}\n", 2, SPACE, "address: 10.0.0.1"),
        ("app_name: shop\n\tapp_health_path: /\n", 2, TAB, "app_health_path: /"),
        ("app_env:\n\tA: 1\n", 2, TAB, "A: 1"),
        ("app_env:\n  A: 1\n \tB: 2\n", 3, TAB, "B: 2"),
        ("app_name: shop\n app_health_path: /\n", 2, DEEPER, "app_health_path: /"),
        ("app_env:\n    A: 1\n  B: 2\n", 3, COLUMN, "B: 2"),
        ("  app_name: shop\napp_health_path: /\n", 2, COLUMN, "app_health_path: /"),
        ("app_env:\n  A: 1\n  - B\n", 3, "lines of a list", "- B"),
        ("app_env: {A: {{ database_host }}}\n", 1, QUOTES, 'A: "{{ database_host }}"'),
        ("app_env:\n  A: {{ database_host }}\n", 2, QUOTES, 'A: "{{ database_host }}"'),
        ("app_env:\n  A: {{ redis_url }}/1\n", 2, QUOTES, 'A: "{{ redis_url }}/1"'),
        ("app_domains:\n  - {{ name }}.example\n", 2, QUOTES, '- "{{ name }}.example"'),
        ("app_env:\n  A: @x\n  B: 1\n", 2, QUOTES, 'A: "@x"'),
        ("app_env:\n  A: %d\n", 2, QUOTES, 'A: "%d"'),
        ("app_env:\n  A: `x`\n", 2, QUOTES, 'A: "`x`"'),
        ("web_names: [a]\nb: *.shop.test\n", 2, QUOTES, 'b: "*.shop.test"'),
        ("app_env:\n  A: one: two\n", 2, QUOTES, 'A: "one: two"'),
        ('app_env:\n  A: "one" two\n', 2, "after a text in quotes", '"one two"'),
        ("app_env:\n  A: 'it's'\n", 2, "written twice", 'A: "it\'s"'),
        ('app_env:\n  A: "\\d+"\n', 2, "a backslash in double quotes", "A: '\\d+'"),
        ('app_env:\n  A: "open\n  B: 1\n', 2, "a quote is opened here", "lacks the second"),
        ("app_domains: [a, b\napp_name: shop\n", 1, "a bracket is opened here", "Close it"),
        ("app_name: shop\napp_domains\napp_env: {}\n", 2, "a colon is missing", "app_domains: …"),
        ("app_env: {}\n<<<<<<< HEAD\napp_name: a\n=======\napp_name: b\n>>>>>>> c\n", 2, "a merge has left", "Decide"),
        ("- app_name: shop\n", 1, "begins a list", "app_name: shop"),
        ("app_name\n", 1, "`name: value` belong", "app_name"),
        ("app_name: shop\napp_name: other\n", 2, "`app_name` a second time, after line 1", "Take one of the two"),
        ("app_env:\n  A: 1\n  A: 2\n", 3, "`A` a second time, after line 2", "Take one of the two"),
        ("app_name:\u00a0shop\napp_env: {}\n", 1, "a space that is none to YAML", "app_name: shop"),
        ("app_name: shop\n---\napp_env: {}\n", 2, "a second document", "Take that line out"),
        ("app_name: \x07\n", 1, "a control character", "Take it out"),
    ],
)
def test_slips(tmp_path: Path, text: str, line: int, rule: str, fix: str) -> None:
    (tmp_path / "x.yml").write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as told:
        read_mapping(tmp_path / "x.yml", "x.yml")
    assert told.value.place == f"x.yml:{line}"
    assert rule in str(told.value)
    assert fix in told.value.fix


def test_what_is_written_instead_is_right(tmp_path: Path) -> None:
    for text in ("app_name:shop\nb: 1\n", "b:\n  A: {{ x }}/1\n", "b:\n  A: @x\n", "b: one: two\n", "b: 'it's'\n",
                 'b: "\\d"\n', "b: {type:path}\n", "%x: 1\n"):  # fmt: skip
        (tmp_path / "x.yml").write_text(text, encoding="utf-8")
        with pytest.raises(FileError) as told:
            read_mapping(tmp_path / "x.yml", "x.yml")
        right = re.search(r"`(.*)`$", told.value.fix)
        assert right, told.value.fix
        (tmp_path / "x.yml").write_text(right[1] + "\n", encoding="utf-8")
        assert read_mapping(tmp_path / "x.yml", "x.yml")[0]


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_text("vault_mail_password:hunter2\nb: 1\n", encoding="utf-8")
    with pytest.raises(FileError) as told:
        read_mapping(tmp_path / "x.yml", "x.yml")
    assert "hunter2" not in f"{told.value} {told.value.fix}"
    assert "vault_mail_password: …" in told.value.fix


def test_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_bytes("a: 1\nb: ä\n".encode("latin-1"))
    with pytest.raises(FileError, match="not written in UTF-8") as told:
        read_mapping(tmp_path / "x.yml", "x.yml")
    assert told.value.place == "x.yml:2"
    # The mark that some editors begin with is none of the text.
    (tmp_path / "x.yml").write_text("a: 1\n", encoding="utf-8-sig")
    assert read_mapping(tmp_path / "x.yml", "x.yml")[0] == {"a": 1}


@pytest.mark.parametrize("file", ["group_vars/all/app.yml", "group_vars/staging/differences.yml", "staging.yml"])
def test_it_is_told_before_ansible_reads_the_file(tmp_path: Path, file: str) -> None:
    """By the verb itself, and where somebody types Ansible's own command (for the files that are variables)."""
    for name in ("ansible.cfg", "inventories"):
        subprocess.run(["cp", "-a", str(ROOT / name), str(tmp_path)], check=True)
    (tmp_path / "inventories" / file).write_text("\n# mine\napp_name:shop\napp_env: {}\n", encoding="utf-8")
    verb = [sys.executable, "-m", "cli", "plan", "staging"]
    own = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", "inventories/staging.yml", "--list"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SAMESTACK_CALLED_FROM": str(tmp_path)}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".samestack/collections")
    for command in verb, *([own] if file != "staging.yml" else []):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode
        assert f"(in inventories/{file}:3): it is no YAML: {SPACE}. Write `app_name: shop`." in said, said
        assert "Traceback" not in said
