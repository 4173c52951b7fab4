#!/bin/sh
# The plain way to serve the release that this machine already serves, beside it: Gunicorn's sync workers behind Nginx over TCP,
# and a new database connection over TCP, with a password, for each request. A PostgreSQL cluster as the distribution makes
# it, with the same rows; as many processes as the site has.
#
# plain.sh APP DOMAIN NAME PROCESSES     serves DOMAIN under the server name NAME
set -eu
app=$1 domain=$2 name=$3 processes=$4
release=$(readlink -e "/srv/$app/current")
version=$(pg_lsclusters --no-header | awk 'NR == 1 { print $1 }')
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
cd /
database=$(as_postgres psql --no-align --tuples-only --command \
    "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' LIMIT 1")

pg_createcluster --port 5433 "$version" plain > /dev/null
pg_ctlcluster "$version" plain start
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
as_postgres psql --quiet --port 5433 <<SQL
CREATE ROLE plain LOGIN PASSWORD '$password';
CREATE DATABASE plain OWNER plain TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
SQL
as_postgres pg_dump --no-owner --no-privileges "$database" > /run/plain.sql
{ echo "SET ROLE plain;"; cat /run/plain.sql; } | as_postgres psql --quiet --port 5433 plain > /dev/null
rm /run/plain.sql
as_postgres psql --quiet --port 5433 --command ANALYZE plain

# The file sets PATH too, which is the application's and not ours.
# shellcheck source=/dev/null
settings=$(. "$release/release.env" && echo "$SAMESTACK_BASE_SETTINGS")
# shellcheck source=/dev/null
application=$(. "$release/release.env" && echo "$SAMESTACK_BASE_APPLICATION")
umask 077
cat > /run/plain.env <<ENV
DATABASE_URL=postgresql://plain:$password@127.0.0.1:5433/plain
DJANGO_SETTINGS_MODULE=$settings
ENV
umask 022
# An account of its own, because the firewall lets the application's reach its own services only; in the application's
# groups, because the release is theirs to read.
systemd-run --quiet --unit=plain-web --service-type=exec \
    -p DynamicUser=yes -p SupplementaryGroups="$(id -Gn "$app")" -p WorkingDirectory="$release/app" \
    -p EnvironmentFile="/etc/$app/env" -p EnvironmentFile="$release/release.env" -p EnvironmentFile=/run/plain.env \
    "$release/venv/bin/gunicorn" --bind 127.0.0.1:8001 --workers "$processes" "$application"

cat > /etc/nginx/conf.d/plain.conf <<NGINX
server {
    listen 443 ssl;
    server_name $name;
    ssl_certificate /etc/nginx/tls/$app.crt;
    ssl_certificate_key /etc/nginx/tls/$app.key;
    location / {
        proxy_pass http://127.0.0.1:8001;
        proxy_set_header Host $domain;
        proxy_set_header X-Forwarded-For \$remote_addr;
        proxy_set_header X-Forwarded-Proto \$scheme;
    }
}
NGINX
nginx -t -q
systemctl reload nginx.service
