"""What somebody may do to a machine by hand: one line of shell each, and the key that has to tell of it.

`{app}` is the application's name, `{live}` the folder of its live release, `{database}` that of its database. All of it
is done in one go; a later line may rely on what an earlier one did.
"""

from __future__ import annotations

from dataclasses import dataclass

PSQL = "sudo -u postgres psql -XqAt"
DROP_IN = "/etc/systemd/system/nginx.service.d/mine.conf"
TIMER = "/etc/systemd/system/mine"


@dataclass(frozen=True)
class Planted:
    """One thing that was done by hand."""

    what: str
    script: str
    #: A regular expression that the name of a difference (`section/key`) has to match
    found: str


def planted(what: str, found: str, *script: str) -> Planted:
    """Return one entry of the list."""
    return Planted(what, "\n".join(script), found)


PLANTED = (
    planted("a package installed", "packages/cowsay", "apt-get install -y -q cowsay"),
    planted(
        "a package upgraded",
        "packages/acl",
        "cd $(mktemp -d) && apt-get download -q acl && dpkg-deb -R acl_*.deb tree",
        "sed -i 's/^Version: .*/&+mine1/' tree/DEBIAN/control && dpkg-deb -b tree acl.deb && dpkg -i acl.deb",
    ),
    planted(
        "an archive added",
        "sources/deb http://archive.invalid/debian trixie",
        "echo 'deb [trusted=yes] http://archive.invalid/debian trixie main' > /etc/apt/sources.list.d/mine.list",
    ),
    planted("a sysctl set", r"kernel/net\.ipv4\.ip_default_ttl", "sysctl -qw net.ipv4.ip_default_ttl=65"),
    planted("a locale changed", "system/locale:LANG", "echo LANG=C > /etc/default/locale"),
    planted("a time zone changed", "system/time zone", "ln -sf /usr/share/zoneinfo/Europe/Paris /etc/localtime"),
    planted(
        "a setting of PostgreSQL by ALTER SYSTEM",
        "postgresql/setting:work_mem",
        f"{PSQL} -c \"ALTER SYSTEM SET work_mem = '16MB'\" -c 'SELECT pg_reload_conf()'",
    ),
    planted(
        "a setting of PostgreSQL in a file, not read",
        "postgresql/file:log_connections",
        "echo 'log_connections = on' > $(ls -d /etc/postgresql/*/main)/conf.d/zz.conf",
    ),
    planted(
        "an extension created", "postgresql/extension:citext", f"{PSQL} -d {{database}} -c 'CREATE EXTENSION citext'"
    ),
    planted("a role's attribute", "postgresql/role:{app}", f"{PSQL} -c 'ALTER ROLE {{app}} CREATEDB'"),
    planted(
        "a column added by hand",
        r"schema/board_notice\.by_hand",
        f"{PSQL} -d {{database}} -c 'ALTER TABLE board_notice ADD COLUMN by_hand text'",
    ),
    planted(
        "an index added by hand",
        "schema/index:by_hand",
        f"{PSQL} -d {{database}} -c 'CREATE INDEX by_hand ON board_notice (id)'",
    ),
    planted(
        "a migration noted by hand",
        "migrations/board",
        "{app}-manage migrate --fake board 0002 </dev/null",
    ),
    planted(
        "a setting of Redis", "redis/maxmemory", "redis-cli -s /run/redis/redis-server.sock config set maxmemory 100mb"
    ),
    planted(
        "pip install inside of the release",
        "venv/colorama",
        "/opt/samestack/uv/bin/uv pip install -q --no-cache --system-certs --python {live}/venv/bin/python colorama",
    ),
    planted(
        "pip install outside of it",
        "python/local:mine",
        "mkdir -p /usr/local/lib/python3.99/dist-packages/mine-1.0.dist-info",
    ),
    planted(
        "a byte of the release",
        "release/changed",
        "cp -a {live}/source/manage.py /run/new && echo '#' >> /run/new && mv /run/new {live}/source/manage.py",
    ),
    planted("a setting of the app", "environment/DEBUG", "sed -i 's/^DEBUG=.*/DEBUG=\"true\"/' /etc/{app}/env"),
    planted("what follows from it", "settings/DEBUG", ":"),
    planted("another setting", "environment/ADDED", "echo 'ADDED=\"by hand\"' >> /etc/{app}/env"),
    planted("a secret of the app", "environment/SECRET_KEY", "sed -i 's/^SECRET_KEY=\"/&x/' /etc/{app}/env"),
    planted("a setting of Gunicorn", "gunicorn/max_requests", "echo 'max_requests = 7' >> /etc/{app}/gunicorn.conf.py"),
    planted(
        "a certificate replaced",
        r"certificates//etc/nginx/tls/{app}\.crt:issuer",
        "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=mine -keyout /etc/nginx/tls/{app}.key "
        "-out /etc/nginx/tls/{app}.crt 2>/dev/null",
    ),
    planted(
        "an authority trusted",
        "certificates/trusted:CN=mine",
        "cp /etc/nginx/tls/{app}.crt /usr/local/share/ca-certificates/mine.crt",
        "update-ca-certificates >/dev/null 2>&1",
    ),
    planted(
        "an include of Nginx",
        "nginx/http/add_header",
        "echo 'add_header X-Mine yes;' > /etc/nginx/conf.d/mine.conf && systemctl reload nginx",
    ),
    planted("a file of Nginx' that is not read", "nginx/not read yet", "sleep 3; echo '# x' >> /etc/nginx/nginx.conf"),
    planted(
        "a drop-in", f"units/file:{DROP_IN}", f"printf '[Service]\\nNice=5\\n' > {DROP_IN}; systemctl daemon-reload"
    ),
    planted("a unit disabled", r"units/state:unattended-upgrades\.service", "systemctl -q disable unattended-upgrades"),
    planted(
        "a rule of the firewall",
        "firewall/inet samestack chain input",
        "nft add rule inet samestack input tcp dport 4444 accept",
    ),
    planted(
        "a port opened", r"sockets/tcp 0\.0\.0\.0:4444", "systemd-run -q --unit=mine-port python3 -m http.server 4444"
    ),
    planted(
        "a timer",
        r"timers/mine\.timer",
        f"printf '[Service]\\nType=oneshot\\nExecStart=/bin/true\\n' > {TIMER}.service",
        f"printf '[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n' > {TIMER}.timer",
        "systemctl daemon-reload && systemctl -q enable --now mine.timer",
    ),
    planted(
        "a cron job",
        "timers/cron:/etc/cron.d/mine",
        "mkdir -p /etc/cron.d; echo '* * * * * root true' > /etc/cron.d/mine",
    ),
    planted("a user who may become root", "accounts/group:sudo", "useradd -m -G sudo eve"),
    planted("a user", "accounts/user:eve", ":"),
    planted(
        "a rule of sudo",
        r"accounts/sudo:/etc/sudoers\.d/mine",
        "echo 'eve ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/mine && chmod 0440 /etc/sudoers.d/mine",
    ),
    planted(
        "a key that may log in",
        "accounts/key:vagrant:SHA256:.*",
        "ssh-keygen -q -t ed25519 -N '' -f /run/key && cat /run/key.pub >> /home/vagrant/.ssh/authorized_keys",
    ),
    planted(
        "a setting of ssh",
        "accounts/sshd:x11forwarding",
        "echo 'X11Forwarding yes' > /etc/ssh/sshd_config.d/00-mine.conf",
    ),
    planted("a file of a package's", r"files//etc/login\.defs", "echo '# x' >> /etc/login.defs"),
    planted(
        "a program beside the packages", "files//usr/local/bin/mine", "install -m 0755 /bin/true /usr/local/bin/mine"
    ),
    planted("a program with rights", "files/setuid:/usr/bin/find", "chmod u+s /usr/bin/find"),
)


def script(**names: str) -> str:
    """Return all of it, for one shell; what fails is named in the output, and why in /run/planted.log."""
    parts = [
        f'( set -e\n{one.script}\n) >/dev/null 2>>/run/planted.log || echo "FAILED: {one.what}"' for one in PLANTED
    ]
    text = "\n".join(["export DEBIAN_FRONTEND=noninteractive", *parts])
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text
