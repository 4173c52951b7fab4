"""A machine that is an ACME authority (Let's Encrypt's own Pebble) and the name server of a zone, and how they fail.

Each authority is a Pebble of its own behind a gate (Nginx), which refuses where a real one would: too many orders.
"""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING

from plugins.plugin_utils.secrets.authority import authority_pem, issue, new_authority
from tests.support.beside import MachineBeside

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = "pebble bind9 bind9-dnsutils curl nginx-light"
FOLDER = "/srv/acme"
#: Port of the gate → that of the Pebble behind it, and that of Pebble's own administration
BEHIND, ADMINISTRATION = 1000, 2000
TSIG = "acme."
ZONE_FILE = """$TTL 1
@ IN SOA ns hostmaster 1 60 60 60 1
@ IN NS ns
ns IN A {own}
{records}
"""
NAMED = """key "{key}" {{ algorithm hmac-sha512; secret "{secret}"; }};
zone "{zone}" {{ type primary; file "/var/lib/bind/{zone}"; allow-update {{ key "{key}"; }}; }};
"""
GATE = """server {{
    listen {port} ssl;
    ssl_certificate {folder}/tls.crt;
    ssl_certificate_key {folder}/tls.key;
    include {folder}/gate-{port}.conf;
    location / {{
        proxy_pass https://127.0.0.1:{behind};
        proxy_set_header Host $http_host;
    }}
}}
"""
#: Let's Encrypt's answer to one order too many
FULL = """location = /order-plz {
    default_type application/problem+json;
    add_header Retry-After 3600 always;
    return 429 '{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many new orders recently"}';
}
"""


class AuthorityMachine(MachineBeside):
    """The machine, over ssh."""

    def __init__(self, ssh_config: Path, name: str, folder: Path) -> None:
        """Take the connections of a scenario, the machine's name in them, and a folder for what is trusted."""
        super().__init__(ssh_config, name)
        self.secret = base64.b64encode(secrets.token_bytes(64)).decode()
        self.folder = folder
        self._signer = new_authority("Tests' authority")
        #: Signs what the authority's own address shows
        self.trusted = folder / "authority.crt"
        self.trusted.write_text(authority_pem(self._signer)["certificate"], encoding="ascii")

    def start(self, zone: str, records: dict[str, str]) -> None:
        """Install the programs, and answer for a zone: {name inside of it: address}."""
        self.run(
            f"apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends {PACKAGES}"
        )
        own = issue([self.address, "127.0.0.1"], self._signer)
        self.write(f"{FOLDER}/tls.crt", own["certificate"])
        self.write(f"{FOLDER}/tls.key", own["key"])
        lines = "\n".join(f"{name} IN A {address}" for name, address in records.items())
        self.write(f"/var/lib/bind/{zone}", ZONE_FILE.format(own=self.address, records=lines))
        self.write("/etc/bind/named.conf.local", NAMED.format(zone=zone, key=TSIG, secret=self.secret))
        self.run("chown -R bind: /var/lib/bind; systemctl restart named; rm -f /etc/nginx/sites-enabled/default")

    def directory(self, port: int) -> str:
        """Return where an authority begins."""
        return f"https://{self.address}:{port}/dir"

    def authority(self, port: int, lifetime: int = 90 * 86400, refused_nonces: int = 0) -> str:
        """Start an authority; returns its directory's URL.

        Args:
            port: where it is found.
            lifetime: of its certificates, in seconds.
            refused_nonces: how many of a hundred requests it refuses for their nonce.
        """
        config = {
            "listenAddress": f"127.0.0.1:{port + BEHIND}",
            "managementListenAddress": f"127.0.0.1:{port + ADMINISTRATION}",
            "certificate": f"{FOLDER}/tls.crt",
            "privateKey": f"{FOLDER}/tls.key",
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "certificateValidityPeriod": lifetime,
        }
        self.write(f"{FOLDER}/pebble-{port}.json", json.dumps({"pebble": config}))
        self.write(f"{FOLDER}/gate-{port}.conf", "")
        self.write(f"/etc/nginx/sites-enabled/{port}", GATE.format(port=port, behind=port + BEHIND, folder=FOLDER))
        self.run(
            f"systemd-run --quiet --unit pebble-{port} -E PEBBLE_VA_NOSLEEP=1 -E PEBBLE_AUTHZREUSE=0"
            f" -E PEBBLE_WFE_NONCEREJECT={refused_nonces} pebble -config {FOLDER}/pebble-{port}.json"
            f" -dnsserver 127.0.0.1:53; systemctl restart nginx"
        )
        return self.directory(port)

    def root(self, port: int) -> Path:
        """Return the file with the root of what an authority issues."""
        asked = f"curl -sk --retry 5 --retry-connrefused https://127.0.0.1:{port + ADMINISTRATION}/roots/0"
        file = self.folder / f"root-{port}.crt"
        file.write_text(self.run(asked), encoding="ascii")
        return file

    def full(self, port: int, *, full: bool = True) -> None:
        """Let an authority take no more orders, or take them again."""
        self.write(f"{FOLDER}/gate-{port}.conf", FULL if full else "")
        self.run("systemctl try-reload-or-restart nginx")

    def down(self) -> None:
        """Let no authority answer."""
        self.run("systemctl stop nginx")

    def up(self) -> None:
        """Let them answer again."""
        self.run("systemctl restart nginx")
