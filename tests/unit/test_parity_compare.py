"""The comparison of manifests: what differs, what explains it, and on whom it is marked."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.plugin_utils.parity.as_json import as_data
from plugins.plugin_utils.parity.compare import (
    CLASSES,
    DECLARED,
    DRIFT,
    EXPECTED,
    SAME,
    UNEXPLAINED,
    Comparison,
    Difference,
    compare,
)
from plugins.plugin_utils.parity.remedies import mends
from tests.support.manifests import declared, envelope

THREE = ("dev", "staging", "production")


def of(comparison: Comparison, name: str) -> Difference:
    """Return the one difference of that name."""
    (found,) = [one for one in comparison.differences if one.name == name]
    return found


def names(comparison: Comparison) -> list[str]:
    return [one.name for one in comparison.bad]


def test_three_machines_of_one_project_match() -> None:
    found = compare(envelope(name) for name in THREE)
    assert found.bad == []
    assert found.names == list(THREE)
    assert of(found, "system/host name").kind == EXPECTED
    assert of(found, "environment/SECRET_KEY").because == ("vault_app_secret_key",)
    # Its key has a domain in it as well: there is one key, and it does not differ.
    assert not [one for one in found.differences if one.section == "nginx"]
    assert of(found, "environment/ALLOWED_HOSTS").because == ("app_domains",)


PLANTED = [
    ("packages", "cowsay", "3.03 [Debian trixie main]"),
    ("packages", "package1", "9.9-1 [Debian trixie main]"),
    ("packages", "package2", None),
    ("venv", "distribution1", "2.0 sha256:00"),
    ("release", "changed", ["source/manage.py"]),
    ("environment", "DEBUG", "true"),
    ("environment", "SECRET_KEY", "hmac:other"),
    ("environment", "ALLOWED_HOSTS", "evil.test"),
    ("postgresql", "setting:work_mem", "16MB"),
    ("schema", "table.added", "text"),
    ("nginx", "http/server_tokens", "on"),
    ("sockets", "tcp:0.0.0.0:4444", "nc"),
    ("files", "/etc/cron.d/mine", "sha256:11 0644 root root"),
    ("files", "/etc/file3", None),
    ("system", "machine id", "another"),
]


@pytest.mark.parametrize(("section", "key", "value"), PLANTED)
@pytest.mark.parametrize("where", THREE)
def test_what_somebody_changed_turns_exactly_its_cell(section: str, key: str, value: Any, where: str) -> None:
    found = compare(envelope(name, {section: {key: value}} if name == where else {}) for name in THREE)
    assert names(found) == [f"{section}/{key}"]
    assert of(found, f"{section}/{key}").kind == DRIFT
    bad = {(name, one) for name in THREE for one in found.sections if found.cell(name, one) in (DRIFT, UNEXPLAINED)}
    assert bad == {(where, section)}
    assert mends(found.bad[0], found)


@pytest.mark.parametrize(("section", "key", "value"), [one for one in PLANTED if one[0] not in ("release", "system")])
def test_what_a_run_of_ours_left_different_is_unexplained(section: str, key: str, value: Any) -> None:
    planted = envelope("production", before={section: {key: value}})
    found = compare([envelope("dev"), envelope("staging"), planted])
    assert names(found) == [f"{section}/{key}"]
    assert of(found, f"{section}/{key}").marks["production"] == UNEXPLAINED
    assert found.cell("staging", section) in (SAME, DECLARED)


@pytest.mark.parametrize("at", ["now", "before"])
def test_what_a_restore_keeps_stands_in_nobodys_way(at: str) -> None:
    kept = {"postgresql": {"database:shop_replaced_20261129t005930": "owner shop_owner"}}
    restored = envelope("staging", kept) if at == "now" else envelope("staging", before=kept)
    assert compare([restored, envelope("production")]).bad == []
    for other in ("shop2", "shop_replaced_by_eve"):
        planted = envelope("staging", {"postgresql": {f"database:{other}": "owner eve"}})
        assert compare([planted, envelope("production")]).bad


def test_of_two_environments_nobody_knows_which_is_right() -> None:
    found = compare([envelope("staging"), envelope("production", before={"packages": {"cowsay": "1"}})])
    assert of(found, "packages/cowsay").marks == {"staging": UNEXPLAINED, "production": UNEXPLAINED}


def test_drift_needs_baselines_that_agree() -> None:
    staging = envelope("staging", before={"packages": {"cowsay": "1"}})
    production = envelope("production", {"packages": {"cowsay": "3"}}, before={"packages": {"cowsay": "2"}})
    assert of(compare([staging, production]), "packages/cowsay").kind == UNEXPLAINED


def test_without_a_baseline_nothing_is_drift() -> None:
    found = compare([envelope("staging"), envelope("production", {"packages": {"cowsay": "1"}}, baseline=None)])
    assert of(found, "packages/cowsay").kind == UNEXPLAINED


def test_a_variable_explains_what_follows_from_it_and_no_drift() -> None:
    newer = {"release": {"id": "ffffffffffff"}, "venv": {"distribution1": "2.0"}, "schema": {"table.added": "text"}}
    deployed = envelope("production", before=newer)
    found = compare([envelope("staging"), deployed])
    assert found.bad == []
    assert of(found, "venv/distribution1").because == ("release",)
    # By hand, after the deployment
    by_hand = envelope("production", {"venv": {"distribution0": "3.0"}}, before=newer)
    assert names(compare([envelope("staging"), by_hand])) == ["venv/distribution0"]


def test_what_is_not_intended_is_never_declared() -> None:
    wanted = {"environment/DEBUG": {"value": "false", "variable": "app_debug"}}
    loose = declared("production", intended=wanted)
    found = compare(
        [envelope("staging"), envelope("production", before={"environment": {"DEBUG": "x"}}, declared=loose)]
    )
    assert of(found, "environment/DEBUG").marks == {"production": UNEXPLAINED}
    assert "./samestack provision production" in mends(of(found, "environment/DEBUG"), found)


def test_more_domains_than_the_other_has() -> None:
    both = declared(
        "production",
        tokens=[{"text": name, "variable": "app_domains"} for name in ("site.test", "www.site.test")],
    )
    value = {"environment": {"ALLOWED_HOSTS": "www.site.test,site.test"}}
    key = {"nginx": {"server production.site.test/listen": None, "server www.site.test site.test/listen": "443 ssl"}}
    found = compare([envelope("staging"), envelope("production", before=value | key, declared=both)])
    assert found.bad == []


def test_a_token_inside_of_a_longer_word_is_none() -> None:
    one = envelope("staging", before={"nginx": {"http/x": "staging.site.test.evil.test"}})
    other = envelope("production", before={"nginx": {"http/x": "production.site.test.evil.test"}})
    assert names(compare([one, other])) == ["nginx/http/x"]


def test_true_is_not_one() -> None:
    one = envelope("staging", before={"postgresql": {"setting:x": True}})
    other = envelope("production", before={"postgresql": {"setting:x": 1}})
    assert names(compare([one, other])) == ["postgresql/setting:x"]


def test_a_section_that_one_environment_lacks() -> None:
    gone = envelope("production", missing={"postgresql": "postgresql is not installed"})
    del gone.manifest["sections"]["postgresql"]
    found = compare([envelope("dev"), envelope("staging"), gone])
    assert of(found, "postgresql").marks == {"production": DRIFT}
    assert "not installed" in of(found, "postgresql").because[0]


def test_a_key_that_could_not_be_read_is_no_match() -> None:
    unread = envelope(
        "production", {"nginx": {"http/server_tokens": None}}, missing={"nginx/http/server_tokens": "why"}
    )
    assert names(compare([envelope("staging"), unread])) == ["nginx/http/server_tokens"]


def split(environment: str, web: dict[str, Any], db: dict[str, Any]) -> list[Any]:
    """Return an environment of two machines: one that serves, one that has the database."""
    without_db = {"postgresql": {"version": None, "setting:work_mem": None}}
    one = envelope(environment, before=without_db | web, host=f"{environment}-web", functions=("web", "worker"))
    other = envelope(environment, before=db, host=f"{environment}-db", functions=("cache", "db"))
    return [one, other]


def test_machines_are_compared_environment_by_environment() -> None:
    less = {"packages": {"package0": None}, "nginx": {"http/server_tokens": None}, "sockets": {"tcp:0.0.0.0:443": None}}
    found = compare([envelope("staging"), *split("production", {}, less)])
    assert found.bad == []


def test_a_package_on_one_of_several_machines_is_found() -> None:
    found = compare([envelope("staging"), *split("production", {"packages": {"cowsay": "1"}}, {})])
    assert names(found) == ["packages/cowsay"]


def test_what_machines_of_the_same_kind_must_not_lack() -> None:
    twins = [
        envelope("production", host="web1"),
        envelope("production", before={"packages": {"package0": None}}, host="web2"),
    ]
    assert names(compare([envelope("staging"), *twins])) == ["packages/package0"]


VALUES = st.one_of(
    st.text(max_size=8), st.integers(), st.booleans(), st.none(), st.lists(st.text(max_size=4), max_size=3)
)
SECTIONS = st.dictionaries(
    st.sampled_from(["packages", "nginx", "files", "environment", "release", "other"]),
    st.dictionaries(st.sampled_from(["a", "b", "staging.site.test", "changed"]), VALUES, max_size=4),
    max_size=4,
)


def generated(environment: str, found: dict[str, Any], before: dict[str, Any]) -> Any:
    return envelope(
        environment,
        manifest={"schema": 1, "sections": found, "missing": {}},
        baseline={"manifest": {"schema": 1, "sections": before, "missing": {}}},
    )


@settings(max_examples=150, deadline=None)
@given(SECTIONS, SECTIONS, SECTIONS, SECTIONS)
def test_it_does_not_matter_who_is_named_first(one: Any, other: Any, before: Any, after: Any) -> None:
    pair = [generated("staging", one, before), generated("production", other, after)]
    assert as_data(compare(pair)) == as_data(compare(pair[::-1]))


@settings(max_examples=150, deadline=None)
@given(SECTIONS, SECTIONS)
def test_a_machine_matches_itself(found: Any, before: Any) -> None:
    found.get("release", {}).pop("changed", None)
    one = generated("staging", found, before)
    again = generated("production", found, before)
    same = {"tokens": [], "variables": {}, "intended": {}}
    assert compare([one]).differences == []
    twins = [envelope(name, manifest=one.manifest, baseline=again.baseline, declared=same) for name in THREE]
    assert compare(twins).differences == []


@settings(max_examples=100, deadline=None)
@given(SECTIONS, SECTIONS, st.permutations(THREE))
def test_the_order_is_stable_and_every_difference_is_of_a_class(one: Any, other: Any, order: list[str]) -> None:
    found = [generated(name, one if name == order[0] else other, other) for name in order]
    first, second = compare(found), compare(reversed(found))
    assert [one.name for one in first.differences] == [one.name for one in second.differences]
    assert all(difference.kind in CLASSES[1:] for difference in first.differences)
    assert all(set(difference.marks) <= set(THREE) for difference in first.differences)


def test_everything_that_differs_is_named() -> None:
    """No key may be passed over: whatever is not the same, and no word of the inventory, is in the list."""
    one, other = envelope("staging"), envelope("production", before={"files": {"/etc/a": "1", "/etc/b": "2"}})
    found = {difference.name for difference in compare([one, other]).differences}
    for section, values in other.sections.items():
        for key, value in values.items():
            if one.sections[section].get(key) != value and "site.test" not in key:
                assert f"{section}/{key}" in found


def test_two_hundred_machines_are_no_long_wait() -> None:
    """The bound is measured by bench/; here only a cost that grows with the square would be noticed."""
    machines = [envelope(THREE[1 + number % 2], host=f"m{number}", size=200) for number in range(200)]
    began = time.process_time()
    assert compare(machines).bad == []
    assert time.process_time() - began < 60


def test_what_becomes_like_another_environment_is_drift_all_the_same() -> None:
    """Development may have DEBUG; production that has it too is not excused by that."""
    live = declared("dev", variables={"app_live_path": "/srv/live", "app_debug": True})
    dev = envelope("dev", before={"settings": {"DEBUG": True}}, declared=live)
    staging = envelope("staging", before={"settings": {"(Django)": "5.2"}})
    by_hand = envelope("production", {"settings": {"DEBUG": True}}, before={"settings": {"(Django)": "5.2"}})
    assert of(compare([dev, staging, by_hand]), "settings/DEBUG").marks["production"] == DRIFT
    left = envelope("production", before={"settings": {"DEBUG": True, "(Django)": "5.2"}})
    found = of(compare([dev, staging, left]), "settings/DEBUG")
    assert found.kind == UNEXPLAINED
    assert found.marks["production"] == UNEXPLAINED


@pytest.mark.parametrize(
    ("section", "key", "one", "other", "kind"),
    [
        ("venv", "django", "5.2 sha256:0", "5.2 sha256:1", "declared"),
        ("venv", "django", "5.2 sha256:0", "5.1 sha256:0", "unexplained"),
        ("packages", "acl", "2.3.2-2+b1 [Debian trixie main]", "2.3.2-2+b2 [Debian trixie main]", "declared"),
        ("packages", "acl", "2.3.2-2 [Debian trixie main]", "2.3.2-3 [Debian trixie main]", "unexplained"),
    ],
)
def test_of_another_processor_the_versions_are_compared(
    section: str, key: str, one: str, other: str, kind: str
) -> None:
    system = {"system": {"architecture": "aarch64"}}
    dev = envelope("dev", before={**system, section: {key: one}})
    staging = envelope("staging", before={"system": {"architecture": "x86_64"}, section: {key: other}})
    found = compare([dev, staging])
    (difference,) = [difference for difference in found.differences if difference.key == key]
    assert difference.kind == kind
    assert kind != "declared" or difference.because == ("architecture",)
