#!/bin/sh
# Writes .env with a password for everything, and the keys of those who drop and read beside it, all
# for their owner alone. What is there already stays as it is.
set -eu
umask 077
file=${1:-.env}

secret() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }

touch "$file"
chmod 600 "$file"
for name in MINIO_ADMIN_SECRET_KEY MINIO_PIPELINE_SECRET_KEY MINIO_REAPER_SECRET_KEY \
    MINIO_UPLOADER_SECRET_KEY MINIO_READER_SECRET_KEY MONGO_ADMIN_PASSWORD MONGO_PASSWORD \
    MONGO_READER_PASSWORD POSTGRES_ADMIN_PASSWORD POSTGRES_PASSWORD \
    DAGSTER_POSTGRES_ADMIN_PASSWORD DAGSTER_POSTGRES_PASSWORD; do
    grep -q "^$name=" "$file" || echo "$name=$(secret)" >>"$file"
done

# shellcheck disable=SC1090 # made above
. "$(dirname "$file")/$(basename "$file")"
for identity in uploader reader; do
    case $identity in
    uploader) key=$MINIO_UPLOADER_SECRET_KEY ;;
    reader) key=$MINIO_READER_SECRET_KEY ;;
    esac
    cat >"$file.$identity" <<EOF
MINIO_ENDPOINT=127.0.0.1:${MINIO_PORT:-9000}
MINIO_ACCESS_KEY=spatial-etl-$identity
MINIO_SECRET_KEY=$key
MINIO_LANDING_BUCKET=${MINIO_LANDING_BUCKET:-landing-zone}
MINIO_LAKE_BUCKET=${MINIO_LAKE_BUCKET:-data-lake}
MONGO_URI=mongodb://spatial_etl_reader:$MONGO_READER_PASSWORD@127.0.0.1:${MONGO_PORT:-27017}/spatial_etl
SPATIAL_ETL_WEBSERVER_URL=${SPATIAL_ETL_WEBSERVER_URL:-http://localhost:${WEBSERVER_PORT:-3000}}
EOF
done
echo "$file, $file.uploader, $file.reader"
