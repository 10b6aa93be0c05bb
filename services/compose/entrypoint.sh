#!/bin/sh
# Runs a command. A secret may be given as a file: NAME_FILE=/run/secrets/x stands for NAME=…, and
# is then in no `docker inspect`.
set -eu

for name in MINIO_ACCESS_KEY MINIO_SECRET_KEY MINIO_REAPER_ACCESS_KEY MINIO_REAPER_SECRET_KEY \
    MONGO_URI MONGO_ADMIN_URI MONGO_PASSWORD MONGO_READER_PASSWORD \
    POSTGRES_PASSWORD COMPUTE_PASSWORD DAGSTER_POSTGRES_PASSWORD DAGSTER_PASSWORD \
    ADMIN_PASSWORD; do
    file=$(printenv "${name}_FILE") || continue
    export "$name=$(cat "$file")"
done
exec "$@"
