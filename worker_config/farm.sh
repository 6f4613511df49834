#!/usr/bin/env bash
# Start or stop the farm of docker-compose.yml.
#
#     farm.sh up [SERVICE...]    make what is missing, build, start, wait until all is healthy
#     farm.sh build              make what is missing, build the images
#     farm.sh down [OPTION...]   stop; --volumes deletes what was stored as well
#     farm.sh compose ...        docker compose with the same files
#
# ENV_FILE is the file with the settings (.env); PROFILES overrides its COMPOSE_PROFILES. With services
# named, only these start here: on a farm's further hosts, those that Redis and Kitsu are not on.
set -euo pipefail
cd "$(dirname "$0")/.."

ENV_FILE=${ENV_FILE:-.env}
WAIT_SECONDS=${WAIT_SECONDS:-300}
PASSWORDS="redis_password kitsu_admin_password kitsu_db_password kitsu_redis_password kitsu_secret_key
    grafana_admin_password"
[ -z "${PROFILES+given}" ] || export COMPOSE_PROFILES=${PROFILES// /,}

say() { echo "$*" >&2; }
fail() { say "$*"; exit 1; }

if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
    # That one reads BuildKit's answers wrongly where buildx is missing.
    export DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
else
    fail "Neither 'docker compose' nor docker-compose is installed."
fi
compose() { "${compose[@]}" --env-file "$ENV_FILE" "$@"; }

# A setting: the environment's, which compose prefers too, or the file's, or else what docker-compose.yml
# takes where both say nothing.
setting() {
    local value=${!1-unset}
    [ "$value" != unset ] || value=$(sed -n "s/^$1=//p" "$ENV_FILE" | tail -n 1)
    echo "${value:-${2-}}"
}

has_profile() { [[ ",$(setting COMPOSE_PROFILES)," == *",$1,"* ]]; }

password() { od -An -N 24 -tx1 /dev/urandom | tr -d ' \n'; }

make_what_is_missing() {
    if [ ! -e "$ENV_FILE" ]; then
        cp .env.example "$ENV_FILE"
        # Who starts the farm owns the projects that it makes; containers never run as root.
        [ "$(id -u)" = 0 ] || sed -i "s/^FARM_UID=.*/FARM_UID=$(id -u)/; s/^FARM_GID=.*/FARM_GID=$(id -g)/" "$ENV_FILE"
        say "$ENV_FILE made from .env.example"
    fi
    local folder name projects
    folder=$(setting SECRETS_DIR ./secrets)
    # The folder keeps others of this host out; the files are for the users of the containers to read.
    # A folder that was there keeps its mode: it might be anybody's.
    [ -d "$folder" ] || mkdir -p -m 700 "$folder"
    [ -z "$(find "$folder/" -maxdepth 0 -perm /077)" ] ||
        fail "SECRETS_DIR $folder: others of this host may look into it. If it is for secrets alone: chmod 700 $folder"
    for name in $PASSWORDS; do
        [ -s "$folder/$name" ] || password >"$folder/$name"
    done
    [ -s "$folder/flower_users" ] || echo "farm:$(password)" >"$folder/flower_users"
    [ -e "$folder/kitsu_bot_token" ] || : >"$folder/kitsu_bot_token"
    for name in $PASSWORDS flower_users kitsu_bot_token; do
        chmod 444 "$folder/$name"
    done
    projects=$(setting PROJECTS_DIR ./projects)
    if [ ! -d "$projects" ]; then
        [ "$(id -u)" = 0 ] || [ "$(id -u)" = "$(setting FARM_UID 10001)" ] ||
            fail "$ENV_FILE: workers could not write into a $projects of yours: set FARM_UID=$(id -u) and" \
                "FARM_GID=$(id -g), or make the folder for those that are there."
        mkdir -p "$projects"
        [ "$(id -u)" != 0 ] || chown "$(setting FARM_UID 10001):$(setting FARM_GID 10001)" "$projects"
    fi
}

check() { # [SERVICE...]
    docker version >/dev/null 2>&1 || fail "No Docker engine answers: is it running, and may you use it?"
    [ $# = 0 ] || [[ " $* " == *-worker* ]] || return 0
    local token
    token=$(setting SECRETS_DIR ./secrets)/kitsu_bot_token
    if ! has_profile kitsu && { [ "$(setting KITSU_BOT_TOKEN_FILE)" != /run/secrets/kitsu_bot_token ] ||
        [ "$(setting KITSU_HOST)" = http://kitsu:8080 ] || [ ! -s "$token" ]; }; then
        fail "$ENV_FILE: there is no profile kitsu. Set KITSU_HOST to the studio's Kitsu," \
            "KITSU_BOT_TOKEN_FILE=/run/secrets/kitsu_bot_token, and put the token of a bot there into $token."
    fi
}

# One service of those that share an image builds it.
build() {
    say "Building ..."
    compose build --quiet small-files-worker &
    local ours=$!
    ! has_profile kitsu || compose build --quiet kitsu
    ! has_profile media || compose build --quiet media-worker
    wait "$ours"
}

# Each service as "name state health exit-code"; one line for each of its containers.
states() {
    local ids
    ids=$(compose ps --quiet --all 2>/dev/null || compose ps --quiet)
    [ -z "$ids" ] || docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}} {{
        .State.Status}} {{with .State.Health}}{{.Status}}{{else}}-{{end}} {{.State.ExitCode}}' $ids
}

# A service that runs once is done when it ended well; all others have to be healthy.
pending() { states | awk '!($3 == "healthy" || ($2 == "exited" && $4 == 0))'; }

wait_until_healthy() {
    local deadline=$((SECONDS + WAIT_SECONDS))
    while [ -n "$(pending)" ]; do
        if [ $SECONDS -gt $deadline ]; then
            say "Not healthy after $WAIT_SECONDS s:"
            pending >&2
            compose logs --tail 20 $(pending | cut -d' ' -f1 | sort -u) >&2
            exit 1
        fi
        sleep 1
    done
}

address() { # SERVICE PORT
    compose port "$1" "$2" 2>/dev/null || echo "(not here)"
}

print_addresses() {
    local folder
    folder=$(setting SECRETS_DIR ./secrets)
    echo "Flower      http://$(address flower 5555)    log in as in $folder/flower_users"
    echo "Metrics     http://$(address metrics 9540)/metrics"
    echo "Redis       $(address redis 6379)    password in $folder/redis_password"
    echo "Projects    $(setting PROJECTS_DIR ./projects), for the workers $(setting PROJECTS_PATH /projects)"
    if has_profile kitsu; then
        echo "Kitsu       http://$(address kitsu 8080)    $(setting KITSU_ADMIN)," \
            "password in $folder/kitsu_admin_password"
    fi
    if has_profile monitoring || has_profile prometheus; then
        echo "Prometheus  http://$(address prometheus 9090)"
    fi
    if has_profile monitoring || has_profile grafana; then
        echo "Grafana     http://$(address grafana 3000)    admin, password in $folder/grafana_admin_password"
    fi
    echo "Submit with FARM_TASKS_BROKER_URL=redis://:PASSWORD@$(address redis 6379)/0 and" \
        "FARM_TASKS_RESULT_BACKEND=...the same.../1, or look in:" \
        "${compose[*]} exec small-files-worker farm-tasks doctor"
}

case ${1:-} in
up)
    shift
    make_what_is_missing
    check "$@"
    build
    if [ $# -gt 0 ]; then
        compose up --detach --no-build --no-deps "$@"
    else
        compose up --detach --no-build --remove-orphans
    fi
    wait_until_healthy
    print_addresses
    ;;
build)
    make_what_is_missing
    build
    ;;
down)
    shift
    # With every profile: what was started is stopped, whatever the file says by now.
    COMPOSE_PROFILES=kitsu,monitoring,media compose down --remove-orphans "$@"
    ;;
compose)
    shift
    compose "$@"
    ;;
*)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac
