"""Two machines of the two Debians, and the authority that they ask."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from plugins.module_utils.standalone.certificates import shown
from tests.support.acme import AuthorityMachine
from tests.support.chat import Chat
from tests.support.clone import Clone
from tests.support.machines import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from tests.support.machines import Environment, Machine

__all__ = ["environment"]

KINDS = ("staging", "production")
HERE = "rehearsal/differences.yml"
NAME = "{{ environment_name }}.{{ app_name }}.test"


class Visitor:
    """Asks for a page again and again, and counts the times that nobody answered."""

    def __init__(self, machine: Machine) -> None:
        self.asked = 0
        self.lost: list[str] = []
        self._name, self._address = site(machine), machine.address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        while not self._over.is_set():
            self.asked += 1
            try:
                shown(self._name, self._address, 443)
            except OSError as error:
                self.lost.append(str(error))
            time.sleep(0.05)

    def __enter__(self) -> Visitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@dataclass
class Story:
    """Whoever types the verbs, the machines, the authority, and the people who are told."""

    environment: Environment
    authority: AuthorityMachine
    chat: Chat
    clone: Clone
    starting: Future[None]

    @property
    def machines(self) -> list[Machine]:
        """Both machines."""
        return [self.environment.machine(f"{kind}1") for kind in KINDS]

    def decide(self, tls: dict[str, Any], *more_names: str, **variables: object) -> None:
        """Write what both environments want of their certificate."""
        self.clone.decide(HERE, web_tls=tls, app_domains=[NAME, *more_names], **variables)

    def provision(self, *options: str) -> list[tuple[int, str]]:
        """Provision both side by side; returns (exit status, what was said) of each."""

        def one(kind: str) -> tuple[int, str]:
            clone = Clone(self.clone.folder)
            return clone.run("./samestack", "provision", kind, "--rehearsal", *options), clone.output

        return self.each(one, list(KINDS))

    def provisioned(self, *options: str) -> list[str]:
        """Provision both, which must go well; returns what was said."""
        found = self.provision(*options)
        assert not any(status for status, _ in found), "\n".join(said[-5000:] for status, said in found if status)
        return [said for _, said in found]

    def refused(self, *options: str) -> list[str]:
        """Provision both, which must fail; returns what was said, in one line."""
        found = self.provision(*options)
        assert all(status for status, _ in found), "\n".join(said[-3000:] for status, said in found if not status)
        return [" ".join(said.split()) for _, said in found]

    def each(self, do: Callable[[Any], Any], items: list[Any] | None = None) -> list[Any]:
        """Do something to both machines (or other things) at once; returns what came of it, in order."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(do, self.machines if items is None else items))


def site(machine: Machine) -> str:
    """Return the first name of the site, which no test changes."""
    return str(machine.variable("app_domains")[0])


def certificate(machine: Machine, name: str = "") -> x509.Certificate:
    """Return what port 443 shows for a name."""
    found = shown(name or site(machine), machine.address, 443)
    return x509.load_pem_x509_certificate(found.encode())


def names(machine: Machine) -> list[str]:
    """Return the names of what is shown."""
    held = certificate(machine).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sorted(held.get_values_for_type(x509.DNSName))


def is_trusted(machine: Machine, root: Path, name: str = "") -> bool:
    """Tell whether a visitor who knows the authority's root is shown a whole chain for a name."""
    context = ssl.create_default_context(cafile=str(root))
    try:
        with (
            socket.create_connection((machine.address, 443), 10) as plain,
            context.wrap_socket(plain, server_hostname=name or site(machine)),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False


@pytest.fixture(scope="session")
def story(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The machines as they come, and an authority that knows where they are, as soon as its programs are there."""
    root = environment.site.root
    authority = AuthorityMachine(root / ".samestack" / "ssh_config", "acme1", tmp_path_factory.mktemp("acme"))
    machines = [environment.machine(f"{kind}1") for kind in KINDS]
    records = {f"{prefix}{kind}": machine.address for kind, machine in zip(KINDS, machines, strict=True)
               for prefix in ("", "*.")}  # fmt: skip
    pool = ThreadPoolExecutor(1)
    starting = pool.submit(authority.start, "noticeboard.test", records)
    bridge = subprocess.run(["ip", "-4", "route", "get", authority.address], check=True, capture_output=True, text=True)
    chat = Chat(address=bridge.stdout.split(" src ")[1].split()[0])
    clone = Clone(root)
    (root / "nginx").mkdir(exist_ok=True)
    own = (
        "{{ query('ansible.builtin.fileglob', '/usr/local/share/ca-certificates/*.crt') + ['"
        + str(authority.trusted)
        + "'] }}"
    )
    clone.decide(HERE, machine_trusted_ca_files=own, notices_urls=[chat.url])
    clone.decide(app_system_packages=["bind9-dnsutils"])
    yield Story(environment, authority, chat, clone, starting)
    chat.close()
    pool.shutdown()
