#!/bin/sh
# Starts a PostgreSQL cluster, made on the first start: `start.sh compute` or `start.sh dagster`.
# Reads ADMIN_PASSWORD, PGPORT, and what that cluster's init.sql reads.
set -eu
kind=$1
config=/etc/spatial-etl/$kind
unset PGPASSWORD

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA"
    passwords=$(mktemp)
    printf '%s\n' "$ADMIN_PASSWORD" >"$passwords"
    initdb -D "$PGDATA" --username postgres --auth-local=peer --auth-host=scram-sha-256 \
        --pwfile "$passwords" --encoding UTF8 --locale C.UTF-8 --lc-collate C --lc-ctype C.UTF-8 \
        --no-instructions >/dev/null
    rm -f "$passwords"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
cp "$config/postgresql.conf" "$PGDATA/postgresql.conf"

# Nobody but this script is let in before role and database are as they should be.
pg_ctl -D "$PGDATA" -s -w -o "-c listen_addresses= -c unix_socket_directories=/run/postgresql" start
psql -X -q -v ON_ERROR_STOP=1 -h /run/postgresql -U postgres -d postgres -f "$config/init.sql"
pg_ctl -D "$PGDATA" -s -w -m fast stop
unset ADMIN_PASSWORD COMPUTE_PASSWORD DAGSTER_PASSWORD
exec postgres -D "$PGDATA" -c "listen_addresses=*" -c unix_socket_directories=/run/postgresql
