#!/bin/sh
# The floor: what playbooks/site.yml does, as plainly as a shell can, over one ssh connection. No question is asked about
# what is there already, nothing is compared, no file is rendered: they come ready-made, packed from a machine that site.yml has
# built. What this takes is what the machine itself needs.
#
# floor.sh FOLDER      where FOLDER holds `plan` (shell variables) and the archives, as bench/building.py packs them
set -eu
cd "$1"
# packages uv_version app database role owner enabled started absent
. ./plan
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l UCF_FORCE_CONFFOLD=1 LC_ALL=C.UTF-8

done_with() { echo "$(date +%s.%N) $1"; }

done_with "nothing yet"
tar -xpf early.tar -C /
update-ca-certificates --fresh > /dev/null
done_with "trusted certificates"
apt-get -qq update
done_with "apt's lists"
# shellcheck disable=SC2086
apt-get -qq -y --no-install-recommends install $packages > apt.log
done_with "packages"

python3 -m venv /opt/samestack/uv
PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    /opt/samestack/uv/bin/pip install --quiet --disable-pip-version-check "uv==$uv_version"
done_with "uv"

tar -xpf accounts.tar -C /
systemd-sysusers "/etc/sysusers.d/$app.conf"
usermod --append --groups sudo "$SUDO_USER"
tar -xpf files.tar -C /
# shellcheck disable=SC2086
rm -f $absent
systemd-tmpfiles --create "/etc/tmpfiles.d/$app.conf"
sshd -t
nft --check --file /etc/nftables.conf
nginx -t -q
done_with "accounts and files"

systemctl daemon-reload
systemctl restart systemd-journald.service postgresql.service redis-server.service
systemctl try-reload-or-restart ssh.service
# shellcheck disable=SC2086
systemctl --quiet enable $enabled
# shellcheck disable=SC2086
systemctl start $started
systemctl reload nginx.service nftables.service
done_with "units"

cd /
setpriv --reuid=postgres --regid=postgres --init-groups psql --quiet --dbname=postgres <<SQL
CREATE ROLE "$role" LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB;
CREATE ROLE "$owner" NOSUPERUSER NOCREATEROLE NOCREATEDB;
CREATE DATABASE "$database" OWNER "$owner" ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0;
SQL
done_with "database"
