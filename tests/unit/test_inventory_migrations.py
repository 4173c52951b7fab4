"""Inventories in the words of another version: what is rewritten, what stays, what is named, and the way back."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.__main__ import command
from plugins.plugin_utils.inventory.migrations import Migration, all_migrations, due
from plugins.plugin_utils.inventory.migrations import m0003_stand_ins as stand_ins
from plugins.plugin_utils.inventory.migrations.changes import changes, concerning
from plugins.plugin_utils.inventory.migrations.project import CannotRewriteError, Project
from plugins.plugin_utils.inventory.migrations.steps import ALLOWED, Items, Rename, Reshape, Step
from plugins.plugin_utils.version import Version, parsed

REPO = Path(__file__).resolve().parents[2]
APP = "inventories/group_vars/all/app.yml"
OWN = "inventories/group_vars/staging/differences.yml"
DIFFERENCES = "inventories/group_vars/all/differences.yml"
HOSTS = "inventories/staging.yml"
VERBS = command().commands
MIGRATIONS = {one.number: one for one in all_migrations()}


def there_and_back(step: Step | Migration, texts: dict[str, str], **others: str) -> tuple[Project, dict[str, str]]:
    """Return a project after a step, and its texts after the way back, which leaves it as it is the second time."""
    project = Project(dict(texts), others)
    step.forward(project)
    again = Project(dict(project.texts), others)
    step.forward(again)
    assert again.texts == project.texts, "a second time it finds nothing"
    assert not again.done
    returned = Project(dict(project.texts))
    step.back(returned)
    return project, returned.texts


APP_TEXT = """\
---
# Decisions,   with a strange layout
app_name:   shop     # the name

old_name:   [1,   2,
             3]   # why
app_env:
    A: "{{ old_name }}"      # é
    'B': "{{ old_name_too }} {{ x.old_name }} old_name {%if old_name%}1{%endif%}"
    C: !vault |
        $ANSIBLE_VAULT;1.1;AES256
        old_name
"""


def test_a_renamed_variable() -> None:
    """Wherever it stands; and not a letter is another one beside it."""
    texts = {
        APP: APP_TEXT,
        OWN: "# only a comment: old_name\n",
        HOSTS: "staging:\n  hosts:\n    web1: {ansible_host: 10.0.0.1, old_name: 7}\n  vars:\n    old_name: 8\n",
        DIFFERENCES: f"---\n{ALLOWED}:\n  # names\n  - app_domains\n  - old_name  # this\n",
    }
    project, back = there_and_back(Rename("old_name", "new_name"), texts)
    expected = re.sub(r"^old_name|(?<=\{ )old_name(?= )|(?<=if )old_name", "new_name", APP_TEXT, flags=re.MULTILINE)
    assert project.texts[APP] == expected.replace("new_name_too", "old_name_too")
    assert project.texts[OWN] == texts[OWN]
    assert "{ansible_host: 10.0.0.1, new_name: 7}" in project.texts[HOSTS]
    assert "    new_name: 8\n" in project.texts[HOSTS]
    assert project.texts[DIFFERENCES] == texts[DIFFERENCES].replace("old_name", "new_name")
    assert back == texts
    assert f"{APP}:5: old_name is new_name" in project.done
    # Of what it is a part nobody knows.
    assert [(problem.place, problem.fix) for problem in project.left] == [
        (f"{APP}:9", "Write new_name, if that is meant")
    ]


def test_what_names_it_elsewhere_is_named() -> None:
    others = {
        "hooks/a.yml": "- x\n- when: old_name | length\n",
        "Makefile": "a:\n\tdeploy -e old_name=1\n# cold_name\n",
    }
    project = Project({APP: "old_name: 1\n"}, others)
    Rename("old_name", "new_name").forward(project)
    assert [problem.place for problem in project.left] == ["hooks/a.yml:2", "Makefile:2"]
    assert all(problem.fix == "Write new_name" for problem in project.left)


def test_both_names_are_not_one() -> None:
    project = Project({APP: "old_name: 1\nnew_name: 2\n"})
    Rename("old_name", "new_name").forward(project)
    assert project.texts[APP] == "old_name: 1\nnew_name: 2\n"
    assert [(problem.variable, problem.place) for problem in project.left] == [("old_name", f"{APP}:1")]


def split(values: Any) -> dict[str, Any]:
    given = values["size"]
    if not isinstance(given, str) or "{{" in given or "x" not in given:
        raise CannotRewriteError("it is two numbers", "")
    width, height = given.split("x")
    return {"width": int(width), "height": int(height)}


def join(values: Any) -> dict[str, Any]:
    if set(values) != {"width", "height"}:
        raise CannotRewriteError("one of two is missing", "")
    return {"size": f"{values['width']}x{values['height']}"}


SPLIT = Reshape(("size",), ("width", "height"), split, join)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: 1\n\nsize: 3x4   # of it\n# next\nb: 2\n", "a: 1\n\nwidth: 3\nheight: 4   # of it\n# next\nb: 2\n"),
        ("size: >-\n  3x4\n\n\nb: 2\n", "width: 3\nheight: 4\n\n\nb: 2\n"),
        ("size: 3x4", "width: 3\nheight: 4"),
        ("{a: 1, size: '3x4', b: [2]}\n", "{a: 1, width: 3, height: 4, b: [2]}\n"),
        ("a: 1\r\nsize: 3x4\r\n", "a: 1\r\nwidth: 3\r\nheight: 4\r\n"),
    ],
)
def test_a_variable_that_was_split(before: str, after: str) -> None:
    project, back = there_and_back(SPLIT, {APP: before})
    assert project.texts[APP] == after
    assert yaml.safe_load(back[APP]) == yaml.safe_load(before)
    assert back[APP].count("#") == before.count("#")


def test_it_is_split_where_it_is_indented() -> None:
    texts = {HOSTS: "web:\n  hosts:\n    a:\n      size: 1x2\n      b: 1\n    c: {size: 3x4}\n"}
    project, back = there_and_back(SPLIT, texts)
    assert project.texts[HOSTS] == (
        "web:\n  hosts:\n    a:\n      width: 1\n      height: 2\n      b: 1\n    c: {width: 3, height: 4}\n"
    )
    assert back == texts


def test_comments_inside_a_value_stay() -> None:
    people = (
        "# who\nsecurity_admins:\n  # the first\n  - name: ada\n    keys: [a.pub]  # at home\n"
        "  - {name: ben, keys: [b]}\n# end\n"
    )
    project = Project({APP: people})
    MIGRATIONS[1].forward(project)
    text = project.texts[APP]
    assert yaml.safe_load(text) == {"security_people": {"ada": {"keys": ["a.pub"]}, "ben": {"keys": ["b"]}}}
    assert [line for line in text.splitlines() if "#" in line] == ["# who", "# the first", "# at home", "# end"]
    assert not re.search(r"\s$", text.removesuffix("\n"), re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("size: '{{ other }}'\n", "it is two numbers"),
        ("size: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\n", "it has an encrypted value"),
        ("a: &it 3x4\nsize: *it\n", "its value stands elsewhere (an alias)"),
        ("size: &it 3x4\na: *it\n", "other lines refer to it (an anchor)"),
        ("width: 9\nsize: 3x4\n", f"it belongs into width, which is set in {APP}:1 already"),
    ],
)
def test_what_cannot_be_rewritten_is_named_and_left(text: str, why: str) -> None:
    project = Project({APP: text})
    SPLIT.forward(project)
    assert project.texts[APP] == text
    (problem,) = project.left
    assert (problem.variable, problem.what) == ("size", why)
    assert problem.fix == "Write width, height (docs/variables.md), and take size out"


def test_a_template_that_uses_what_was_split_is_named() -> None:
    project = Project({APP: "size: 3x4\na:\n  - '{{ size }}'\n"})
    SPLIT.forward(project)
    assert [(problem.place, problem.what) for problem in project.left] == [
        (f"{APP}:4", "a template uses it, and it is no more")
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"{ALLOWED}:\n  - a\n  # why\n  - b  # that\nc: 1\n",
            f"{ALLOWED}:\n  - a\n  # why\n  - b  # that\n  - x\nc: 1\n",
        ),
        (f"{ALLOWED}:\n- a\n", f"{ALLOWED}:\n- a\n- x\n"),
        (f"{ALLOWED}: [a, b]\n", f"{ALLOWED}: [a, b, x]\n"),
        (f"{ALLOWED}: []\n", f"{ALLOWED}: [x]\n"),
        (f"{ALLOWED}:\n  - a", f"{ALLOWED}:\n  - a\n  - x"),
        ("b: 1\n", "b: 1\n"),
    ],
)
def test_a_list_with_more_in_it(before: str, after: str) -> None:
    project, back = there_and_back(Items(ALLOWED, ("x",)), {DIFFERENCES: before})
    assert project.texts[DIFFERENCES] == after
    assert back[DIFFERENCES].rstrip() == before.rstrip()


def committed(version: str, name: str) -> str:
    """A file of the project as it was before thin projects, whose commit is the first version."""
    done = subprocess.run(["git", "show", f"{version}:{name}"], cwd=REPO, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("a shallow clone has no history")
    return done.stdout


def test_numbers_and_versions_rise() -> None:
    listed = all_migrations()
    assert [one.number for one in listed] == list(range(1, len(listed) + 1))
    assert [one.since for one in listed] == sorted(one.since for one in listed)
    own = re.search(r"^version: (\S+)$", (REPO / "galaxy.yml").read_text(), re.MULTILINE)
    assert own
    assert listed[-1].since <= parsed(own[1])


def test_which_are_due() -> None:
    one, two, three = (Migration(number, Version(0, number, 0), "", ()) for number in (1, 2, 3))
    every = [one, two, three]
    assert due(every, Version(0, 1, 0), Version(0, 3, 0)) == [two, three]
    assert due(every, Version(0, 1, 0), Version(0, 2, 9)) == [two]
    assert due(every, Version(0, 3, 0), Version(0, 1, 0)) == [three, two]
    assert due(every, Version(0, 2, 0), Version(0, 2, 0)) == []
    assert due(every, Version(0, 2, 0), Version(0, 3, 0), released=False) == [two, three]


def test_people_have_names_and_back() -> None:
    texts = {
        APP: "security_admins: [{name: ada, keys: [a]}]\n",
        DIFFERENCES: f"{ALLOWED}:\n  - app_domains\n  - security_admins\n  - b\n",
    }
    project, back = there_and_back(MIGRATIONS[1], texts)
    assert yaml.safe_load(project.texts[APP]) == {"security_people": {"ada": {"keys": ["a"]}}}
    assert project.texts[DIFFERENCES] == texts[DIFFERENCES].replace("security_admins", "security_people")
    assert yaml.safe_load(back[APP]) == yaml.safe_load(texts[APP])
    assert back[DIFFERENCES] == texts[DIFFERENCES]


def test_whom_to_tell_is_one_list() -> None:
    mail = (
        "notices_email_to: [you@example.org]\n"
        'notices_smtp: {host: mail.example.org, user: me, password: "{{ vault_p }}"}\n'
        '# the chat\nnotices_webhook_url: "{{ vault_chat }}"\n'
    )
    project = Project({APP: mail})
    MIGRATIONS[2].forward(project)
    (name, urls), *rest = yaml.safe_load(project.texts[APP]).items()
    assert (name, rest, len(urls)) == ("notices_urls", [], 2)
    assert "vault_p" in urls[0]
    assert "vault_chat" in urls[1]
    assert "# the chat" in project.texts[APP]
    assert MIGRATIONS[2].is_final_for(project)
    assert not MIGRATIONS[2].is_final_for(Project({APP: "a: 1\n"}))


def test_a_secret_that_stands_there_openly_is_not_made_into_another() -> None:
    text = "notices_webhook_url: https://chat.example.org/s3cret\n"
    project = Project({APP: text})
    MIGRATIONS[2].forward(project)
    assert project.texts[APP] == text
    assert "s3cret" not in f"{project.left}"
    assert "notices_urls" in project.left[0].fix


def test_the_stand_ins_expression_is_the_one_that_is_written_now() -> None:
    name = "inventories/group_vars/rehearsal/differences.yml"
    now = (REPO / name).read_text()
    before = (
        now.replace(
            now[now.index("machine_address:") :],
            "machine_address: >-\n" + re.sub("^", "  ", stand_ins.BEFORE, flags=re.M),
        ).rstrip()
        + "\n"
    )
    project, back = there_and_back(MIGRATIONS[3], {name: before})
    assert yaml.safe_load(project.texts[name])["machine_address"].split() == (
        yaml.safe_load(now)["machine_address"].split()
    )
    assert yaml.safe_load(back[name]) == yaml.safe_load(before)
    own = "machine_address: 10.0.0.7\n"
    assert there_and_back(MIGRATIONS[3], {name: own})[0].texts[name] == own


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: 1\nsecurity_login_paths: [/in/]  # ours\n",
         "a: 1\nweb_login_paths: [/admin/login/, /accounts/login/, /login/, /in/]  # ours\n"),
        ("web_login_paths: [/in/]\n# x\nsecurity_login_paths:\n  - /in/  # z\n  - /on/  # y\n",
         "web_login_paths: [/in/, /on/]\n# x\n# z\n# y\n"),
        ("security_login_paths: []\nweb_login_paths: []\n", "web_login_paths: []\n"),
        ("web_login_paths:\n  # one\n  - /in/\n", "web_login_paths:\n  # one\n  - /in/\n"),
        ("{security_login_paths: [/a/], web_login_paths: [/b/]}\n", "{web_login_paths: [/b/, /a/]}\n"),
    ],
)  # fmt: skip
def test_pages_of_one_list(before: str, after: str) -> None:
    project, back = there_and_back(MIGRATIONS[6], {APP: before})
    assert project.texts[APP] == after
    assert project.left == []
    decided, returned = yaml.safe_load(after), yaml.safe_load(back[APP])
    assert returned["web_login_paths"] == returned["security_login_paths"] == decided["web_login_paths"]


@pytest.mark.parametrize(
    "text",
    [
        "security_login_paths: []\n",
        "security_login_paths: '{{ x }}'\n",
        "security_login_paths: [/a/]\nweb_login_paths: []\n",
    ],
)
def test_what_one_list_cannot_say(text: str) -> None:
    project = Project({APP: text})
    MIGRATIONS[6].forward(project)
    assert project.texts[APP] == text
    assert len(project.left) == 1


def test_one_list_in_two_files_is_named() -> None:
    texts = {APP: "security_login_paths: [/a/]\n", OWN: "web_login_paths: [/b/]\n"}
    project = Project(dict(texts))
    MIGRATIONS[6].forward(project)
    assert project.texts == texts
    assert f"which is set in {OWN}:1 already" in project.left[0].what


CHANGELOG = """\
# Changes

## 1.2.0

- `app_one` is
  `app_two`.
- A verb: `samestack thing --as` is new.

## 1.1.0

- Everything; see `docs/x_y.md`? no.
"""


def test_which_changes_concern_a_project() -> None:
    listed = changes(CHANGELOG)
    assert [str(one.version) for one in listed] == ["1.2.0", "1.2.0", "1.1.0"]
    assert listed[0].text == "`app_one` is `app_two`."
    assert listed[0].variables == {"app_one", "app_two"}
    shown, others = concerning(listed, Version(1, 1, 0), Version(1, 2, 0), {"app_name"})
    assert ([one.text[:6] for one in shown], others) == (["A verb"], 1)
    shown, others = concerning(listed, Version(1, 2, 0), Version(1, 0, 0), {"app_one"})
    assert (len(shown), others) == (3, 0)


def test_the_changelog_has_this_version() -> None:
    listed = changes((REPO / "CHANGELOG.md").read_text())
    own = re.search(r"^version: (\S+)$", (REPO / "galaxy.yml").read_text(), re.MULTILINE)
    assert own
    assert str(listed[0].version) == own[1]
    known = (REPO / "docs/variables.md").read_text()
    former = {name for one in all_migrations() for step in one.steps for name in getattr(step, "old", ())}
    for change in listed:
        for verb, option in re.findall(r"`samestack ([a-z-]+)[^`]*?(--[a-z-]+)?`", change.text):
            assert verb in VERBS, verb
            assert not option or option in {name for parameter in VERBS[verb].params for name in parameter.opts}, option
        for name in change.variables - former:
            assert f"`{name}`" in known, name


def test_versions() -> None:
    assert parsed("v1.10.2") > parsed("1.9.12")
    assert parsed("1.2.3").tag == "v1.2.3"
    for text in ("1.2", "v1.2.3-rc1", "main", "1.2.3.4", ""):
        with pytest.raises(ValueError, match="no version"):
            parsed(text)
