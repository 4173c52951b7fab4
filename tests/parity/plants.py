"""What somebody might change on a machine by hand: how, where a comparison must show it, and how it is taken back.

Shell scripts, run as root; `{app}` is the application. What has to differ begins with the first of `seen`
(`section/key`); the others are what follows, because a machine has some things written down twice.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

PSQL = "cd / && sudo -u postgres psql -Xq -v ON_ERROR_STOP=1 -d {app}"
REDIS = "REDISCLI_AUTH=$(cat /etc/samestack/redis-password) redis-cli --user samestack -s /run/redis/redis-server.sock"
RELEASE = "/srv/{app}/releases/$(basename $(readlink /srv/{app}/current))"
PACKAGES = f"$(echo {RELEASE}/venv/lib/python3*/site-packages)"


@dataclass(frozen=True)
class Plant:
    """One change: what it is called, how it is made, where it must be seen, how it is undone."""

    name: str
    script: str
    seen: tuple[str, ...]
    undo: str


def sql(*statements: str) -> str:
    """Return a script that has the application's database do something."""
    return PSQL + "".join(f" -c {shlex.quote(statement)}" for statement in statements) + " >/dev/null"


def kept(path: str) -> str:
    """Return a script that keeps a file as it is now."""
    return f"mkdir -p /root/kept && cp -a {path} /root/kept/$(basename {path})"


def put_back(path: str) -> str:
    """Return a script that brings back what `kept` kept, date and all."""
    return f"cp -a --remove-destination /root/kept/$(basename {path}) {path}"


PLANTS = (
    Plant(
        "a package is installed",
        "apt-get install -qq -y tree >/dev/null",
        ("packages/tree",),
        "dpkg --purge tree >/dev/null",
    ),
    Plant(
        "a package is another version",
        "mkdir -p /root/acl && cd /root/acl && chown _apt . && apt-get download -q acl >/dev/null"
        " && cp acl_*.deb was.deb"
        " && dpkg-deb -R was.deb new && sed -i 's/^Version: .*/&+planted1/' new/DEBIAN/control"
        " && dpkg-deb -b new new.deb >/dev/null && dpkg -i new.deb >/dev/null",
        ("packages/acl",),
        "dpkg -i --force-downgrade /root/acl/was.deb >/dev/null 2>&1; rm -r /root/acl",
    ),
    Plant(
        "a package is held",
        "apt-mark hold -qq nginx",
        ("packages/nginx", "packages/hold", "packages/held", "packages/(held)"),
        "apt-mark unhold -qq nginx",
    ),
    Plant(
        "a kernel setting",
        "sysctl -qw net.ipv4.tcp_fin_timeout=61",
        ("kernel/net.ipv4.tcp_fin_timeout",),
        "sysctl -qw net.ipv4.tcp_fin_timeout=60",
    ),
    Plant(
        "a limit of the shell's users",
        "echo '* soft nofile 77' > /etc/security/limits.d/planted.conf",
        ("files//etc/security/limits.d/planted.conf", "kernel/limits"),
        "rm /etc/security/limits.d/planted.conf",
    ),
    Plant(
        "a setting of PostgreSQL, live",
        sql("ALTER SYSTEM SET work_mem = '7MB'", "SELECT pg_reload_conf()") + "; sleep 1",
        ("postgresql/setting:work_mem",),
        sql("ALTER SYSTEM RESET work_mem", "SELECT pg_reload_conf()") + "; sleep 1",
    ),
    Plant(
        "a setting of PostgreSQL that is in a file and not in force",
        "echo \"maintenance_work_mem = '77MB'\" > $(echo /etc/postgresql/*/main/conf.d)/zz-planted.conf",
        ("postgresql/file:maintenance_work_mem", "files//etc/postgresql/"),
        "rm /etc/postgresql/*/main/conf.d/zz-planted.conf",
    ),
    Plant(
        "an extension",
        sql("CREATE EXTENSION pg_trgm"),
        ("postgresql/extension:pg_trgm",),
        sql("DROP EXTENSION pg_trgm"),
    ),
    Plant(
        "a right of a database role",
        sql('ALTER ROLE "{app}" CREATEDB'),
        ("postgresql/role:{app}",),
        sql('ALTER ROLE "{app}" NOCREATEDB'),
    ),
    Plant(
        "another database role",
        sql("CREATE ROLE planted LOGIN"),
        ("postgresql/role:planted",),
        sql("DROP ROLE planted"),
    ),
    Plant(
        "a column",
        sql("ALTER TABLE board_notice ADD COLUMN planted integer"),
        ("schema/board_notice.planted",),
        sql("ALTER TABLE board_notice DROP COLUMN planted"),
    ),
    Plant(
        "an index",
        sql("CREATE INDEX planted ON board_notice (title)"),
        ("schema/index:planted",),
        sql("DROP INDEX planted"),
    ),
    Plant(
        "a row of the migrations",
        sql("UPDATE django_migrations SET name = '0001_planted' WHERE app = 'sessions'"),
        ("migrations/sessions",),
        sql("UPDATE django_migrations SET name = '0001_initial' WHERE app = 'sessions'"),
    ),
    Plant(
        "a package in the release's environment",
        f"mkdir -p {PACKAGES}/planted-1.0.dist-info && cd {PACKAGES}/planted-1.0.dist-info"
        " && printf 'Metadata-Version: 2.1\\nName: planted\\nVersion: 1.0\\n' > METADATA"
        " && echo 'planted-1.0.dist-info/METADATA,,' > RECORD",
        ("venv/planted", "release/changed"),
        f"rm -r {PACKAGES}/planted-1.0.dist-info",
    ),
    Plant(
        "a byte of the release",
        # Another file in its place: the bytes of equal files are shared with other releases.
        f"f={RELEASE}/source/manage.py; mkdir -p /root/kept && mv $f /root/kept/manage.py"
        " && cp -p /root/kept/manage.py $f && echo '#' >> $f",
        ("release/changed",),
        f"mv /root/kept/manage.py {RELEASE}/source/manage.py",
    ),
    Plant(
        "a job of cron",
        "mkdir -p /etc/cron.d && echo '7 * * * * root true' > /etc/cron.d/planted",
        ("timers/cron:/etc/cron.d/planted", "files//etc/cron.d/planted"),
        "rm /etc/cron.d/planted",
    ),
    Plant(
        "a user's crontab",
        "mkdir -p /var/spool/cron/crontabs && echo '8 * * * * true' > /var/spool/cron/crontabs/root",
        ("timers/",),
        "rm /var/spool/cron/crontabs/root",
    ),
    Plant(
        "a timer",
        "cd /etc/systemd/system && printf '[Service]\\nExecStart=/bin/true\\n' > planted.service"
        " && printf '[Timer]\\nOnCalendar=monthly\\n[Install]\\nWantedBy=timers.target\\n' > planted.timer"
        " && systemctl daemon-reload && systemctl -q enable --now planted.timer",
        (
            "timers/planted.timer",
            "units/state:planted",
            "units/active:planted",
            "units/file:/etc/systemd/system/planted",
            "files//etc/systemd/system/planted",
        ),
        "systemctl -q disable --now planted.timer && rm /etc/systemd/system/planted.* && systemctl daemon-reload",
    ),
    Plant(
        "an open port",
        "systemd-run -q --unit planted-port python3 -m http.server 8099 -d /var/empty 2>/dev/null; sleep 1",
        (
            "sockets/tcp 0.0.0.0:8099",
            "units/file:/run/systemd/transient/planted-port",
            "units/active:planted-port",
            "units/state:planted-port",
        ),
        "systemctl stop planted-port",
    ),
    Plant(
        "a rule of the firewall",
        "nft add rule inet samestack input tcp dport 8099 accept",
        ("firewall/inet samestack chain input",),
        "nft delete rule inet samestack input handle"
        " $(nft -a list chain inet samestack input | sed -n 's/.*8099.*handle //p')",
    ),
    Plant(
        "a user who may become root",
        "useradd -m planted && usermod -aG sudo planted",
        (
            "accounts/user:planted",
            "accounts/group:sudo",
            "accounts/group:planted",
            "accounts/password:planted",
            "files//etc/subuid",
            "files//etc/subgid",
        ),
        "userdel -r planted 2>/dev/null",
    ),
    Plant(
        "a rule of sudo",
        "echo 'daemon ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/planted && chmod 0440 /etc/sudoers.d/planted",
        ("accounts/sudo", "files//etc/sudoers.d/planted"),
        "rm /etc/sudoers.d/planted",
    ),
    Plant(
        "a key that lets somebody in",
        "mkdir -p -m 0700 /root/.ssh && echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlanted planted'"
        " >> /root/.ssh/authorized_keys",
        ("accounts/",),
        "sed -i /planted/d /root/.ssh/authorized_keys; [ -s /root/.ssh/authorized_keys ] || rm -r /root/.ssh",
    ),
    Plant(
        "a setting of the ssh server",
        "echo 'PasswordAuthentication yes' > /etc/ssh/sshd_config.d/99-planted.conf",
        ("files//etc/ssh/sshd_config.d/99-planted.conf",),
        "rm /etc/ssh/sshd_config.d/99-planted.conf",
    ),
    Plant(
        "the locale",
        # On newer releases this is a link.
        kept("$(readlink -f /etc/default/locale)") + " && echo 'LANG=en_GB.UTF-8' > /etc/default/locale",
        ("system/locale:LANG", "files//etc/default/locale", "files//etc/locale.conf"),
        put_back("$(readlink -f /etc/default/locale)"),
    ),
    Plant(
        "the time zone",
        kept("/etc/localtime") + " && ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime",
        ("system/time zone", "files//etc/localtime"),
        put_back("/etc/localtime"),
    ),
    Plant(
        "the certificate",
        "mkdir -p /root/kept && cp -a /etc/nginx/tls/{app}.crt /etc/nginx/tls/{app}.key /root/kept"
        " && openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=planted -keyout /root/planted.key"
        " -out /root/planted.crt 2>/dev/null && cat /root/planted.crt > /etc/nginx/tls/{app}.crt"
        " && cat /root/planted.key > /etc/nginx/tls/{app}.key",
        ("certificates//etc/nginx/tls/{app}.crt", "files//etc/nginx/tls/{app}"),
        "cp -a --remove-destination /root/kept/{app}.crt /root/kept/{app}.key /etc/nginx/tls/",
    ),
    Plant(
        "an authority that is trusted",
        "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=planted-authority -keyout /dev/null"
        " -out /usr/local/share/ca-certificates/planted.crt 2>/dev/null && update-ca-certificates >/dev/null 2>&1",
        ("certificates/trusted", "files//usr/local/share/ca-certificates/planted.crt"),
        "rm /usr/local/share/ca-certificates/planted.crt && update-ca-certificates --fresh >/dev/null 2>&1",
    ),
    Plant(
        "a server of Nginx",
        "echo 'server {{ listen 127.0.0.1:8098; return 204; }}' > /etc/nginx/conf.d/planted.conf"
        " && systemctl reload nginx && sleep 1",
        ("nginx/http/server[", "sockets/tcp 127.0.0.1:8098", "files//etc/nginx/conf.d/planted.conf"),
        "rm /etc/nginx/conf.d/planted.conf && systemctl reload nginx && sleep 1",
    ),
    Plant(
        "a variable of the environment",
        kept("/etc/{app}/env") + " && sed -i 's/^DEBUG=.*/DEBUG=\"True\"/' /etc/{app}/env",
        ("environment/DEBUG", "environment/(not taken up yet)", "settings/", "files//etc/{app}/env"),
        put_back("/etc/{app}/env"),
    ),
    Plant(
        "a secret of the environment",
        "sed -i 's/^SECRET_KEY=\\(\"\\?\\)/SECRET_KEY=\\1planted/' /etc/{app}/env",
        ("environment/SECRET_KEY", "environment/(not taken up yet)"),
        put_back("/etc/{app}/env"),
    ),
    Plant(
        "the web server's settings",
        kept("/etc/{app}/gunicorn.conf.py") + " && echo 'max_requests = 77' >> /etc/{app}/gunicorn.conf.py",
        ("gunicorn/max_requests", "gunicorn/not read yet", "files//etc/{app}/gunicorn.conf.py"),
        put_back("/etc/{app}/gunicorn.conf.py"),
    ),
    Plant(
        "a setting of Redis, live",
        f"{REDIS} CONFIG SET hz 11 >/dev/null",
        ("redis/hz",),
        f"{REDIS} CONFIG SET hz 10 >/dev/null",
    ),
    Plant(
        "what is added to a unit",
        "mkdir -p /etc/systemd/system/nginx.service.d && cd /etc/systemd/system/nginx.service.d"
        " && printf '[Service]\\nPrivateTmp=yes\\n' > planted.conf && systemctl daemon-reload",
        ("units/", "files//etc/systemd/system/nginx.service.d/planted.conf"),
        "rm /etc/systemd/system/nginx.service.d/planted.conf && systemctl daemon-reload",
    ),
    Plant(
        "a unit that does not start any more",
        "systemctl -q disable --now logrotate.timer",
        ("units/state:logrotate.timer", "units/active:logrotate.timer", "timers/logrotate.timer"),
        "systemctl -q enable --now logrotate.timer",
    ),
    Plant(
        "a unit that cannot start any more",
        "systemctl -q mask fstrim.timer",
        (
            "units/state:fstrim.timer",
            "units/file:/etc/systemd/system/fstrim.timer",
            "files//etc/systemd/system/fstrim.timer",
        ),
        "systemctl -q unmask fstrim.timer",
    ),
    Plant(
        "a source of packages",
        "echo 'deb http://deb.debian.org/debian sid main' > /etc/apt/sources.list.d/planted.list",
        ("sources/", "files//etc/apt/sources.list.d/planted.list"),
        "rm /etc/apt/sources.list.d/planted.list",
    ),
    Plant(
        "a preference among them",
        "printf 'Package: *\\nPin: release n=sid\\nPin-Priority: 7\\n' > /etc/apt/preferences.d/planted",
        ("sources/", "files//etc/apt/preferences.d/planted"),
        "rm /etc/apt/preferences.d/planted",
    ),
    Plant(
        "a name in /etc/hosts",
        kept("/etc/hosts") + " && echo '192.0.2.7 planted' >> /etc/hosts",
        ("files//etc/hosts",),
        put_back("/etc/hosts"),
    ),
    Plant(
        "a program that runs as root",
        "cp /bin/true /usr/local/bin/planted && chmod 4755 /usr/local/bin/planted",
        ("files/setuid:/usr/local/bin/planted", "files//usr/local/bin/planted"),
        "rm /usr/local/bin/planted",
    ),
    Plant(
        "the rights of a file of ours",
        "chmod 0666 /etc/nginx/nginx.conf",
        ("files//etc/nginx/nginx.conf",),
        "chmod 0644 /etc/nginx/nginx.conf",
    ),
)
