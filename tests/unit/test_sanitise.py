"""sanitise.yml: what may stand in it, what is said of what may not, and what is proposed."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from plugins.module_utils.copies.catalogue import Catalogue, Column, Table
from plugins.module_utils.copies.proposal import guess, harmless, proposals
from plugins.module_utils.copies.resolution import Resolver
from plugins.module_utils.copies.statements import WORDS, Statement, pads, problem
from plugins.plugin_utils.copies.proposing import said, sorted_out, with_proposals
from plugins.plugin_utils.copies.sanitise_file import Sanitise, plan, read
from plugins.plugin_utils.errors import SamestackError

if TYPE_CHECKING:
    from pathlib import Path

MODELS: dict[str, Any] = {
    "shop_customer": {"label": "shop.Customer", "fields": {"id": "id", "mail": "email", "born": "born"}},
    "shop_order": {"label": "shop.Order", "fields": {"note": "note"}},
}


def written(folder: Path, text: str) -> Path:
    path = folder / "sanitise.yml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def column(name: str = "x", base: str = "text", **more: Any) -> Column:
    given = {"type": base, "listed": False, "longest": 0, "required": False, "generated": False, "unique": False,
             "harmless": False, **more}  # fmt: skip
    return Column(name=name, base=base, **given)


def test_every_word_is_read_with_its_line(tmp_path: Path) -> None:
    lines = "".join(f"    f{number}: {word}\n" for number, word in enumerate(WORDS))
    found = read(written(tmp_path, f"models:\n  shop.Customer:\n{lines}"))
    assert [one["kind"] for one in found.models["shop.Customer"].values()] == list(WORDS)
    assert found.models["shop.Customer"]["f2"]["place"] == "sanitise.yml:5"


def test_statements_with_a_value_whole_tables_uploads_and_large_objects(tmp_path: Path) -> None:
    text = """\
    models:
      shop.Customer: {email: fake email, born: {shift date: 30 days}, code: {prefix: C-}, a: {constant: yes}, b: ~}
      shop.Order: empty
    tables:
      old: {data: {constant: {x: [1]}}, text: {shift date: 7}}
    uploads: [avatars, shop/photos/]
    large_objects: none
    """
    found = read(written(tmp_path, text))
    customer = {name: (one["kind"], one.get("value")) for name, one in found.models["shop.Customer"].items()}
    assert customer == {
        "email": ("fake e-mail", None), "born": ("shift date", 30), "code": ("prefix", "C-"),
        "a": ("constant", "yes"), "b": ("null", None),
    }  # fmt: skip
    assert found.models["shop.Order"][""]["kind"] == "empty"
    assert found.tables["old"]["data"]["value"] == '{"x": [1]}'
    assert found.uploads == ["avatars", "shop/photos"]
    assert found.objects == "none"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("models:\n  a.B:\n    x: hsah\n", "Did you mean `hash`?"),
        ("models:\n  a.B:\n    x:\n", "Write `x: hash`"),
        ("models:\n  a.B:\n    x: constant\n", "Write `x: {constant: …}`"),
        ("models:\n  a.B:\n    x: {shift date: soon}\n", "Write `{shift date: 30 days}`"),
        ("models:\n  a.B:\n    x: {shift date: 0}\n", "from 1 to"),
        ("models:\n  a.B:\n    x: [hash]\n", "one word, or one word with its value"),
        ("models:\n  a.B:\n    x: {prefix: ''}\n", "there is no prefix"),
        ("models:\n  a.B: hash\n", "Write `a.B: empty`"),
        ("models: [a]\n", "lines of `name: …`"),
        ("model:\n  a.B: empty\n", "Did you mean `models:`?"),
        ("a.B:\n  x: hash\n", "below `models:`"),
        ("models:\n  a.B:\n    x: hash\n    x: keep\n", "a second time"),
        ("uploads: [../etc]\n", "no folder below MEDIA_ROOT"),
        ("uploads: [a/../../b]\n", "no folder below MEDIA_ROOT"),
        ("large_objects: some\n", "Write none, or keep"),
        ("models:\n  a.B:\n\tx: hash\n", "tab"),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_line_and_what_to_write(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(SamestackError) as error:
        read(written(tmp_path, text))
    assert part in str(error.value)
    assert "sanitise.yml:" in str(error.value)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SamestackError) as error:
        read(written(tmp_path, "models:\n  a.B:\n    x: hsah\n    y: fake\nuploads: /\n"))
    assert str(error.value).count("sanitise.yml:") == 3


def test_without_the_file_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(SamestackError, match="sanitise init"):
        read(tmp_path / "sanitise.yml")


def test_fields_become_columns_and_a_slip_in_a_model_is_found() -> None:
    found, notes = plan(Sanitise({"shop.customer": {"email": {"kind": "hash", "place": "x"}}}), MODELS, {})
    assert found["tables"] == {"shop_customer": {"mail": {"kind": "hash", "place": "x"}}}
    assert notes == []
    with pytest.raises(SamestackError, match=r"Did you mean shop\.Customer\?"):
        plan(Sanitise({"shop.Costumer": {"email": {"kind": "hash", "place": "x"}}}), MODELS, {})
    _found, notes = plan(Sanitise({"gone.Away": {"": {"kind": "empty", "place": "x"}}}), MODELS, {})
    assert "gone.Away" in notes[0]


@pytest.mark.parametrize(
    ("name", "base", "kinds", "more", "statement"),
    [
        ("mail", "varchar", ["EmailField", "CharField"], {"longest": 254}, "fake e-mail"),
        ("contact_email", "varchar", ["CharField"], {"longest": 80}, "fake e-mail"),
        ("contactEmail", "text", [], {}, "fake e-mail"),
        ("email", "varchar", ["CharField"], {"longest": 10}, "hash"),
        ("picture", "varchar", ["ImageField", "FileField"], {"longest": 100}, "empty"),
        ("file", "varchar", ["FileField"], {"longest": 100, "unique": True}, "hash"),
        ("mobile", "varchar", [], {"longest": 20}, "fake phone"),
        ("last_name", "varchar", [], {"longest": 50}, "fake name"),
        ("reset_token", "varchar", [], {"longest": 64}, "empty"),
        ("state", "varchar", [], {"longest": 10, "chosen": True}, "keep"),
        ("remarks", "text", [], {}, "hash"),
        ("code", "varchar", [], {"longest": 5, "unique": True}, "null"),
        ("code", "varchar", [], {"longest": 5, "unique": True, "required": True}, ""),
        ("data", "jsonb", [], {}, "empty"), ("data", "bytea", [], {"unique": True}, "null"),
        ("ip", "inet", ["GenericIPAddressField"], {"required": True}, "hash"), ("doc", "xml", [], {}, "null"),
        ("doc", "xml", [], {"required": True}, ""), ("names", "text", [], {"listed": True}, "empty"),
    ],
)  # fmt: skip
def test_a_proposal_fits_and_what_nobody_can_guess_is_marked(
    name: str, base: str, kinds: list[str], more: dict[str, Any], statement: str
) -> None:
    chosen = bool(more.pop("chosen", False))
    found = column(name, base, **more)
    made, note = guess(found, kinds, chosen=chosen)
    assert (made.words if made else "") == statement
    assert made is None or not problem(made, found)
    assert note.startswith("check") or name not in ("remarks", "code", "data", "doc", "names")


def test_numbers_and_dates_that_are_a_persons_are_proposed_too() -> None:
    assert harmless(column("date_of_birth", "date"))[0] == Statement("shift date", 30)
    assert harmless(column("phone", "int8"))[0] == Statement("hash")
    assert harmless(column("latitude", "numeric"))[0] == Statement("null")
    assert harmless(column("amount", "numeric"))[0] is None
    assert harmless(column("born_in", "int4"))[0] is None


def catalogue() -> Catalogue:
    customer = {one.name: one for one in (column("id", "int4", harmless=True), column("mail"),
                                          column("born", "date", harmless=True))}  # fmt: skip
    tables = [Table("public", "shop_customer", False, customer, ("id",)),
              Table("public", "shop_order", False, {"note": column("note")}, ()),
              Table("public", "old", False, {"null": column("null")}, ())]  # fmt: skip
    return Catalogue({table.name: table for table in tables}, (), ())


def test_init_adds_what_is_missing_and_keeps_what_people_wrote(tmp_path: Path) -> None:
    """Twice: the second time there is nothing to add. What is proposed is what a copy takes."""
    text = textwrap.dedent("""\
        # ours
        models:
            shop.Customer:
                born: keep   # we need it

        uploads: [avatars]
        """)
    there = catalogue()
    for _round in range(2):
        resolved = Resolver(there, plan(read(written(tmp_path, text)), MODELS, {})[0]).resolve()
        found = sorted_out(proposals(resolved, there, MODELS), MODELS)
        before, text = text, with_proposals(text, found)
    assert text == before
    assert said(found) == ["Everything is declared in sanitise.yml: nothing to add"]
    assert "# ours" in text
    assert "born: keep   # we need it" in text
    data = yaml.safe_load(text)
    assert data["models"]["shop.Customer"] == {"born": "keep", "email": "fake e-mail"}
    assert data["models"]["shop.Order"] == {"note": "hash"}
    assert data["tables"]["old"] == {"null": "hash"}
    assert data["uploads"] == ["avatars"]


def test_init_begins_a_file(tmp_path: Path) -> None:
    there = catalogue()
    resolved = Resolver(there, plan(Sanitise(), MODELS, {})[0]).resolve()
    text = with_proposals("", sorted_out(proposals(resolved, there, MODELS), MODELS))
    found = read(written(tmp_path, text))
    assert found.objects == "none"
    assert not Resolver(there, plan(found, MODELS, {})[0]).resolve().undeclared


def test_a_mapping_in_braces_is_left_to_people(tmp_path: Path) -> None:
    text = "models:\n  shop.Customer: {born: keep}\n"
    found = {"models": {"shop.Customer": [("email", "hash", "")]}, "tables": {}}
    with pytest.raises(SamestackError, match="in braces"):
        with_proposals(text, found)


def test_the_keys_of_the_hash_are_those_of_rfc_2104() -> None:
    inner, outer = pads("k")
    assert inner == bytes([ord("k") ^ 0x36]).hex() + "36" * 63
    assert outer == bytes([ord("k") ^ 0x5C]).hex() + "5c" * 63


def resolved(*tables: Table, **more: Any) -> Any:
    return Resolver(Catalogue({one.name: one for one in tables}, (), ()), {"tables": {}, **more}).resolve()


def table(name: str, *names: str, schema: str = "public") -> Table:
    return Table(schema, name, False, {one: column(one) for one in names}, ())


@pytest.mark.parametrize(
    "one",
    [
        table("django_session", "session_key"), table("authtoken_token", "key"), table("knox_authtoken", "digest"),
        table("token_blacklist_outstandingtoken", "token"), table("socialaccount_socialtoken", "token"),
        table("mfa_authenticator", "data"), table("post_office_email", "message"), table("django_admin_log", "x"),
        table("django_celery_results_taskresult", "result"), table("axes_accesslog", "username"),
        table("reversion_version", "serialized_data"), table("easy_thumbnails_source", "name"),
        table("wagtailcore_revision", "content"), table("django_q_ormq", "payload"),
        table("any_cache", "cache_key", "value", "expires"), table("django_session", "session_key", schema="tenant"),
        table("shop_historicalcustomer", "name", "history_id", "history_date", "history_type"),
    ],
    ids=lambda one: one.name,
)  # fmt: skip
def test_what_lets_people_in_and_what_tells_of_them_is_left_out(one: Table) -> None:
    found = resolved(one)
    assert found.empty == [one.name]
    assert not found.undeclared
    assert not found.problems


def test_what_only_looks_like_a_cache_is_no_cache() -> None:
    assert resolved(table("shop_price", "cache_key", "value", "expires", "name")).empty == []


def test_the_hash_of_whoever_logs_in_is_made_unusable_wherever_the_models_say_it_is() -> None:
    member = Table("public", "club_member", False, {"secret_word": column("secret_word", required=True)}, ())
    found = resolved(member, passwords={"club_member": ["secret_word"]})
    assert found.changes["club_member"]["secret_word"].kind == "unusable password"
    assert not found.undeclared


def test_what_lets_nobody_in_goes_along_where_it_is_declared() -> None:
    version = table("reversion_version", "serialized_data")
    said = {"reversion_version": {"serialized_data": {"kind": "empty"}}}
    found = resolved(version, tables=said)
    assert found.empty == []
    assert not found.undeclared
    token = table("authtoken_token", "key")
    assert resolved(token, tables={"authtoken_token": {"key": {"kind": "hash"}}}).problems
