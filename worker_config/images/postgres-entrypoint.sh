#!/bin/sh
# Make the cluster at the first start, then run Postgres. Of the variables that the image postgres
# knows: POSTGRES_USER, POSTGRES_DB (by default the user's name), POSTGRES_PASSWORD_FILE.
set -eu
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Made beside it and moved, so that a start that was cut short is not taken for a cluster.
    rm -rf "$PGDATA/making" && mkdir -m 700 "$PGDATA/making"
    initdb --pgdata="$PGDATA/making" --username="$user" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    echo 'host all all all scram-sha-256' >>"$PGDATA/making/pg_hba.conf"
    if [ "$database" != postgres ]; then
        echo "CREATE DATABASE \"$database\"" |
            postgres --single -D "$PGDATA/making" postgres >/dev/null
    fi
    version="$PGDATA/making/PG_VERSION"
    find "$PGDATA/making" -mindepth 1 -maxdepth 1 ! -path "$version" -exec mv -t "$PGDATA" {} +
    mv "$version" "$PGDATA" && rmdir "$PGDATA/making"
fi
exec "$@" -c listen_addresses='*'
