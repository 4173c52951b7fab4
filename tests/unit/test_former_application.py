"""An application that a machine had before: what of the machine is its, and what a manifest leaves out of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils.common.errors import HostError
from plugins.module_utils.common.postgresql import READER
from plugins.module_utils.manifest.record import without_former
from plugins.module_utils.postgresql.ownership import Names
from plugins.module_utils.system import former
from plugins.module_utils.system.former import PATHS, Former

ROOT = Path(__file__).resolve().parents[2]
OURS = [
    "demo.service", "demo-web@.service", "demo-web@0a1b2c.service", "demo-web@.service.d", "demo-worker-queue@.service",
    "demo-worker-a_b@0a1b2c.service", "demo-timer-tidy.timer", "demo-timer-tidy.service", "demo-timer-tidy.service.d",
]  # fmt: skip
#: Every role of an application's database
KEPT = Names("demo", "demo", "demo_owner").roles(second=True)


def test_the_one_that_is_here_now_is_none() -> None:
    with pytest.raises(HostError, match="Nothing was taken away"):
        Former("shop", "shop")


@pytest.mark.parametrize("name", OURS)
def test_its_units(name: str) -> None:
    assert Former("demo", "mysite").is_ours(name)


@pytest.mark.parametrize(
    ("name", "current"),
    [
        ("demo2.service", "mysite"),
        ("mydemo-web@.service", "mysite"),
        ("demo-shop.service", "demo-shop"),
        # The one that is here now may have a name that begins with the other's.
        ("demo-worker-web@.service", "demo-worker"),
        ("demo-timer-x-timer-tidy.timer", "demo-timer-x"),
    ],
)
def test_others_units(name: str, current: str) -> None:
    assert not Former("demo", current).is_ours(name)


def test_every_file_of_an_application_is_known() -> None:
    """Whatever role django puts on a host under the application's name."""
    text = (ROOT / "roles/django/tasks/main.yml").read_text(encoding="utf-8")
    named = {
        found.replace("{{ django_app }}", "{app}")
        for found in re.findall(r'path: "?(/[^\s",}]*{{ django_app }}[^\s",}]*)', text)
    }
    assert len(named) > 10
    covered = [*PATHS, "/srv/{app}", "/etc/systemd/system/{app}"]
    assert [path for path in sorted(named) if not path.startswith(tuple(covered))] == []


def test_what_is_there_goes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units, calls = tmp_path / "units", []
    (units / "multi-user.target.wants").mkdir(parents=True)
    for name in ("demo.service", "mysite.service", "multi-user.target.wants/demo.service"):
        (units / name).touch()
    monkeypatch.setattr(former, "UNITS", str(units))
    monkeypatch.setattr(former, "PATHS", (f"{tmp_path}/{{app}}",))
    monkeypatch.setattr(former, "ROOT", f"{tmp_path}/srv/{{app}}")
    for name in ("demo/env", "srv/demo/releases/1", "srv/demo/shared/media"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(former, "run", lambda command: calls.append(command) or "demo-web@1.service loaded\n")
    look = Former("demo", "mysite", check=True)
    look.take_away()
    assert (units / "demo.service").exists()
    one = Former("demo", "mysite")
    one.take_away()
    assert one.done == look.done
    assert ["systemctl", "stop", "--", "demo-web@1.service"] in calls
    assert sorted(str(path.relative_to(units)) for path in units.rglob("*.service")) == ["mysite.service"]
    # Data stays, and root alone may enter.
    assert [path.name for path in (tmp_path / "srv/demo").iterdir()] == ["shared"]
    assert (tmp_path / "srv/demo").stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(former, "run", lambda _command: "")
    again = Former("demo", "mysite")
    again.take_away()
    assert again.done == []


def test_a_manifest_knows_what_is_kept() -> None:
    sections: dict[str, dict[str, Any]] = {
        "accounts": {
            "user:demo": "x", "user:demo-owner": "x", "user:demo2": "x", "key:demo:SHA256:x": "x",
            "group:www-data": ["demo-owner", "mysite-owner"],
        },
        "postgresql": {
            "database:demo": "x", "role:demo_b:password": "x", "role:demo2": "x",
            **{f"role:{role.name}": "x" for role in KEPT if role.name != READER},
            "version": "17", "setting:role for demo_b in any database": "demo",
        },
        "units": {"active:nginx.service": "active"},
    }  # fmt: skip
    found = without_former(yaml.safe_load(yaml.safe_dump(sections)), ["demo"])
    assert found == {
        "accounts": {"user:demo2": "x", "group:www-data": ["mysite-owner"]},
        "postgresql": {"role:demo2": "x", "version": "17"},
        "units": {"active:nginx.service": "active"},
    }
    assert without_former(dict(sections), []) == sections
