#!/bin/sh
# Writes .env with a password for everything, the keys of those who drop and read beside it, and each
# secret as a file of its own for docker-compose.secrets.yml. Passwords that are there stay.
# All of it is for its owner alone: files have mode 600, and .env.secrets is a folder of mode 700
# whose files any user may read, since a container's user is another one than the owner.
set -eu
umask 077
file=${1:-.env}
names="MINIO_ADMIN_SECRET_KEY MINIO_PIPELINE_SECRET_KEY MINIO_REAPER_SECRET_KEY
    MINIO_UPLOADER_SECRET_KEY MINIO_READER_SECRET_KEY MONGO_ADMIN_PASSWORD MONGO_PASSWORD
    MONGO_READER_PASSWORD POSTGRES_ADMIN_PASSWORD POSTGRES_PASSWORD
    DAGSTER_POSTGRES_ADMIN_PASSWORD DAGSTER_POSTGRES_PASSWORD"

secret() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }

touch "$file"
chmod 600 "$file"
for name in $names; do
    grep -q "^$name=" "$file" || echo "$name=$(secret)" >>"$file"
done

# shellcheck disable=SC1090 # made above
. "$(dirname "$file")/$(basename "$file")"
for identity in uploader reader; do
    case $identity in
    uploader) key=$MINIO_UPLOADER_SECRET_KEY ;;
    reader) key=$MINIO_READER_SECRET_KEY ;;
    esac
    cat >"$file.$identity" <<END
MINIO_ENDPOINT=127.0.0.1:${MINIO_PORT:-9000}
MINIO_ACCESS_KEY=spatial-etl-$identity
MINIO_SECRET_KEY=$key
MINIO_LANDING_BUCKET=${MINIO_LANDING_BUCKET:-landing-zone}
MINIO_LAKE_BUCKET=${MINIO_LAKE_BUCKET:-data-lake}
MONGO_URI=mongodb://spatial_etl_reader:$MONGO_READER_PASSWORD@127.0.0.1:${MONGO_PORT:-27017}/spatial_etl
SPATIAL_ETL_WEBSERVER_URL=${SPATIAL_ETL_WEBSERVER_URL:-http://localhost:${WEBSERVER_PORT:-3000}}
END
done

mkdir -p "$file.secrets"
write() {
    printf '%s\n' "$2" >"$file.secrets/.new"
    chmod 444 "$file.secrets/.new"
    mv -f "$file.secrets/.new" "$file.secrets/$1"
}
for name in $names; do
    eval "value=\$$name"
    write "$(printf '%s' "$name" | tr '[:upper:]' '[:lower:]')" "$value"
done
write mongo_uri "mongodb://spatial_etl:$MONGO_PASSWORD@mongodb:27017/spatial_etl"
write mongo_admin_uri "mongodb://spatial_etl_admin:$MONGO_ADMIN_PASSWORD@mongodb:27017/admin"
write mc_host_store "http://spatial-etl-admin:$MINIO_ADMIN_SECRET_KEY@minio:9000"
echo "$file, $file.uploader, $file.reader, $file.secrets/"
