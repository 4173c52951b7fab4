#!/bin/sh
# What a pipeline runs, whichever service it is of; it may be tried anywhere. The verb `ci` wrote it.
#
#   samestack.sh deploy       the commit is tested, and staging serves it
#   samestack.sh promote      the same, then production serves what staging serves
#
# More words are options of every verb: `samestack.sh deploy --rehearsal` plays it on local machines. Secrets, by name:
#
#   SAMESTACK_SSH_KEY         a private ssh key without a passphrase; security_people has the public one
#   SAMESTACK_VAULT_PASSWORD  the vault password of staging, and of production where that has the same
#   SAMESTACK_VAULT_PASSWORD_PRODUCTION   that of production where it has another
#
# Each is a text or the path of a file with it; the key may be in base64, for services whose secrets have one line.
set -eu
umask 077
cd "$(dirname "$0")/.."

stop() {
    printf '%s\n' "$*" >&2
    exit 2
}
verb=${1:-}
case $verb in deploy | promote) shift ;; *) stop "samestack.sh deploy, or samestack.sh promote" ;; esac
case " $* " in *" --rehearsal "*) local=1 ;; *) local= ;; esac

# What services say of the run. It is data, whatever somebody has called a branch.
commit=${GITHUB_SHA:-${CI_COMMIT_SHA:-${BITBUCKET_COMMIT:-$(git rev-parse HEAD)}}}
who=${GITHUB_ACTOR:-${GITLAB_USER_LOGIN:-${BITBUCKET_STEP_TRIGGERER_UUID:-}}}
ref=${GITHUB_REF_NAME:-${CI_COMMIT_REF_NAME:-${BITBUCKET_TAG:-${BITBUCKET_BRANCH:-$commit}}}}
if [ -n "$who" ]; then export SAMESTACK_WHO="${SAMESTACK_WHO:-$who by a pipeline}"; fi

text_of() {
    case $1 in
    -----BEGIN*) printf '%s\n' "$1" ;;
    /*) if [ -f "$1" ]; then cat "$1"; else printf '%s\n' "$1"; fi ;;
    *) printf '%s\n' "$1" ;;
    esac
}
own=$(mktemp -d)
trap 'if [ -n "${SSH_AGENT_PID:-}" ]; then kill "$SSH_AGENT_PID"; fi; rm -rf "$own"' EXIT
trap 'exit 143' TERM INT HUP
unset SSH_AGENT_PID

if [ -z "$local" ]; then
    [ -n "${SAMESTACK_SSH_KEY:-}" ] || stop "SAMESTACK_SSH_KEY is empty: give this pipeline the secret (docs/ci.md)."
    [ -n "${SAMESTACK_VAULT_PASSWORD:-}" ] ||
        stop "SAMESTACK_VAULT_PASSWORD is empty: give this pipeline the secret (docs/ci.md)."
    [ -s inventories/known_hosts ] ||
        stop "inventories/known_hosts is empty, and nobody is here to compare host keys: provision from your own computer" \
            "and commit that file."
fi
if [ -n "${SAMESTACK_SSH_KEY:-}" ]; then
    key=$(text_of "$SAMESTACK_SSH_KEY" | tr -d '\r')
    case $key in -----BEGIN*) ;; *) key=$(printf '%s' "$key" | base64 -d) || stop "SAMESTACK_SSH_KEY is no private key." ;; esac
    # In an agent: nothing that is started finds it in a file or in its environment.
    eval "$(ssh-agent -s)" > /dev/null
    printf '%s\n' "$key" | SSH_ASKPASS_REQUIRE=never setsid ssh-add -q - ||
        stop "SAMESTACK_SSH_KEY cannot be used: it has to be a private key without a passphrase."
fi
if [ -n "${SAMESTACK_VAULT_PASSWORD:-}" ]; then
    text_of "$SAMESTACK_VAULT_PASSWORD" > "$own/staging"
    text_of "${SAMESTACK_VAULT_PASSWORD_PRODUCTION:-$SAMESTACK_VAULT_PASSWORD}" > "$own/production"
    export ANSIBLE_VAULT_IDENTITY_LIST="staging@$own/staging,production@$own/production"
fi
unset key SAMESTACK_SSH_KEY SAMESTACK_VAULT_PASSWORD SAMESTACK_VAULT_PASSWORD_PRODUCTION

run() { ./samestack "$@" < /dev/null; }
# It is built and tested, or left alone where staging serves it already.
run deploy staging --ref "$commit" --lock-wait 30m "$@"
if [ "$verb" = promote ]; then
    # Whoever tags or clicks has looked at it.
    run accept staging --message "released: $ref" "$@"
    run promote --lock-wait 30m "$@"
fi
