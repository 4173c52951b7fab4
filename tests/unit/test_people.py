"""People and their keys: what the inventory says, and what it makes of a machine."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.host_files import login_key_files, people_files
from plugins.module_utils.system.entries import BLOCK, with_block
from plugins.plugin_utils.inventory.public_keys import check_key, read_key

KINDS = ("ed25519", "rsa", "ecdsa")


@pytest.fixture(scope="module", params=KINDS)
def key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / request.param
    command = ["ssh-keygen", "-q", "-t", request.param, "-N", "", "-C", "ada at home", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def test_a_key_as_text_and_as_a_file(key: Path) -> None:
    public = key.with_suffix(".pub")
    text = public.read_text(encoding="utf-8").strip()
    assert check_key(text) == read_key(text, Path("/")) == read_key(public.name, public.parent) == text
    for wrong in (text.split()[0], " ".join(text.split()[:2])[:-6], f"{text}\n{text}", f"x{text}"):
        with pytest.raises(ValueError, match=r"public key|several lines"):
            check_key(wrong)
    with pytest.raises(ValueError, match="private key"):
        read_key(key.name, key.parent)
    with pytest.raises(ValueError, match="names no file"):
        read_key("keys/nobody.pub", key.parent)


def test_what_a_person_gets(key: Path) -> None:
    text = key.with_suffix(".pub").read_text(encoding="utf-8").strip()
    entries = {entry["path"]: entry for entry in people_files({"ada": {"keys": [text]}}, ["bob"])}
    assert entries["/home/ada/.ssh/authorized_keys"]["content"] == f"{text}\n"
    assert entries["/home/ada/.ssh/authorized_keys"]["owner"] == "ada"
    assert "NOPASSWD" in entries["/etc/sudoers.d/samestack-ada"]["content"]
    assert entries["/home/bob/.ssh/authorized_keys"]["state"] == "absent"
    assert entries["/etc/sudoers.d/samestack-bob"]["state"] == "absent"
    with pytest.raises(AnsibleFilterError, match=r"security_people\.ada\.keys"):
        people_files({"ada": {"keys": ["nowhere.pub"]}})


def test_every_key_is_accepted_for_whoever_ansible_works_as(key: Path) -> None:
    text = key.with_suffix(".pub").read_text(encoding="utf-8").strip()
    people = {"ada": {"keys": [text]}, "ci": {"keys": [text]}}
    login = {"user": "deploy", "groups": ["deploy", "sudo"], "port": 22}
    (entry,) = login_key_files(people, login, "/home/deploy")
    assert (entry["path"], entry["state"], entry["owner"]) == ("/home/deploy/.ssh/authorized_keys", "block", "deploy")
    # One key is one line, whoever has it.
    assert entry["content"] == f"{text}\n"
    # Who works under an own name lets nobody else in by that.
    assert login_key_files(people, login | {"user": "ada"}, "/home/ada") == []


ADA, BOB, OLD = (b" ".join([b"ssh-ed25519", base64.b64encode(name), name]) for name in (b"ada", b"bob", b"old"))
BEGIN, END = BLOCK


@pytest.mark.parametrize(
    ("before", "block", "after"),
    [
        (b"", b"", b""),
        (OLD, b"", OLD),
        (OLD + b"\n", ADA + b"\n", b"\n".join([OLD, BEGIN, ADA, END, b""])),
        (OLD, ADA, b"\n".join([OLD, BEGIN, ADA, END, b""])),
        # Whoever is named stands in the block alone, also under another comment: taken out of it, nothing is left.
        (ADA + b" at work\n" + OLD + b"\n", ADA, b"\n".join([OLD, BEGIN, ADA, END, b""])),
        (b"\n".join([OLD, BEGIN, ADA, BOB, END, b""]), BOB, b"\n".join([OLD, BEGIN, BOB, END, b""])),
        (b"\n".join([BEGIN, ADA, END, OLD, b""]), b"", OLD + b"\n"),
    ],
)
def test_a_block_of_lines(before: bytes, block: bytes, after: bytes) -> None:
    assert with_block(before, block) == after
    assert with_block(after, block) == after
