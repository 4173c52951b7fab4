"""Whose a machine is, by what it says and by what the inventory in hand is."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.plugin_utils.connection.belonging import Visit, check_owner, former, is_ours
from plugins.plugin_utils.errors import SamestackError

STAGING = {"app": "shop", "environment": "staging", "keys": ["a1", "a2"]}
PLACE = "production1, ansible_host = 203.0.113.7 (in inventories/production.yml:6)"


def check(found: dict[str, Any], ours: dict[str, Any], **given: Any) -> None:
    check_owner(found, ours, Visit(PLACE, **({"verb": "provision"} | given)))


@pytest.mark.parametrize(
    "ours",
    [
        STAGING,
        # A colleague's clone while a secret is rotated; the same project under a new name
        STAGING | {"keys": ["a2", "a3"]},
        STAGING | {"app": "blog"},
    ],
)
def test_ours(ours: dict[str, Any]) -> None:
    assert is_ours(STAGING, ours)
    check(STAGING, ours)
    check({}, ours, verb="deploy")
    check(STAGING, {})


@pytest.mark.parametrize("verb", ["provision", "deploy", "promote", "rollback", ""])
@pytest.mark.parametrize(
    "ours",
    [
        {"app": "shop", "environment": "production", "keys": ["b1"]},
        # Somebody gave production the secrets of staging.
        STAGING | {"environment": "production"},
        {"app": "blog", "environment": "staging", "keys": ["c1"]},
    ],
)
def test_a_machine_of_somebody_elses(ours: dict[str, Any], verb: str) -> None:
    with pytest.raises(SamestackError) as error:
        check(STAGING, ours, verb=verb)
    assert str(error.value).startswith(f"{PLACE}: this machine is staging of shop. ")
    assert "Nothing was changed" in str(error.value)
    assert f"`./samestack provision {ours['environment']} --take-over`" in error.value.hint
    # Only the verb that is meant for it takes a machine over.
    if verb == "provision":
        check(STAGING, ours, take_over=True)
    else:
        with pytest.raises(SamestackError):
            check(STAGING, ours, verb=verb, take_over=True)


def test_two_projects_of_one_name() -> None:
    with pytest.raises(SamestackError, match="staging of shop in another project, or in another copy"):
        check(STAGING, STAGING | {"keys": ["z1"]})
    with pytest.raises(SamestackError) as error:
        check(STAGING, STAGING | {"keys": ["z1"]}, rehearsal=True)
    assert "`./samestack provision staging --rehearsal --take-over`" in error.value.hint
    # First what loses nothing: it may be the same project, and somebody has rotated its secrets since.
    assert error.value.hint.startswith("If its secrets were rotated elsewhere, bring this clone up to date. ")


def test_another_name_asks_for_a_provision_first() -> None:
    ours = STAGING | {"app": "blog"}
    with pytest.raises(SamestackError, match="still runs shop, and app_name is blog now") as error:
        check(STAGING, ours, verb="deploy")
    assert "`./samestack provision staging`" in error.value.hint
    # What only reads may look.
    check(STAGING, ours, verb="")


def test_what_was_there_before() -> None:
    assert former({}, "shop") == []
    assert former(STAGING, "shop") == []
    assert former(STAGING | {"former": ["demo"]}, "shop") == ["demo"]
    assert former(STAGING | {"former": ["demo", "blog"]}, "blog") == ["shop", "demo"]
