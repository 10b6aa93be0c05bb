#!/bin/bash
# Buckets, policies and identities of a MinIO server, by `mc`; any number of times.
# Reads from the environment:
#   MC_HOST_store                         http://<administrator>:<password>@<host>:<port>
#   MINIO_LANDING_BUCKET, MINIO_LAKE_BUCKET
#   MINIO_<IDENTITY>_ACCESS_KEY, MINIO_<IDENTITY>_SECRET_KEY for PIPELINE, REAPER, UPLOADER, READER
# Each secret key, and MC_HOST_store, may be given as a file: <NAME>_FILE in place of <NAME>.
# Uses nothing but bash and mc: MinIO's images have little else.
set -euo pipefail

policies=${POLICIES:-$(dirname "$0")/policies}
landing=${MINIO_LANDING_BUCKET:-landing-zone}
lake=${MINIO_LAKE_BUCKET:-data-lake}

from_file() {
    local file_variable=${1}_FILE
    local file=${!file_variable:-}
    [[ -n $file ]] || return 0
    if [[ ! -r $file ]]; then
        echo "init.sh: expected $file_variable to name a file that can be read, found none at $file: mount it there" >&2
        exit 78
    fi
    export "$1=$(<"$file")"
}

policy() {
    local text
    text=$(<"$policies/$1.json")
    text=${text//LANDING_BUCKET/$landing}
    printf '%s\n' "${text//LAKE_BUCKET/$lake}"
}

identity() {
    local name=$1 access_key=$2 secret_key=$3 policy="spatial-etl-$1" found
    policy "$name" >"$scratch"
    mc admin policy create store "$policy" "$scratch"
    printf '%s\n' "$secret_key" | mc admin user add store "$access_key"
    # Attaching what is attached already is an error.
    found=$(mc --json admin user info store "$access_key")
    [[ $found == *"\"$policy\""* ]] || mc admin policy attach store "$policy" --user "$access_key"
}

for secret in MC_HOST_store MINIO_{PIPELINE,REAPER,UPLOADER,READER}_SECRET_KEY; do
    from_file "$secret"
done
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
mc mb --ignore-existing "store/$landing" "store/$lake"
identity pipeline "$MINIO_PIPELINE_ACCESS_KEY" "$MINIO_PIPELINE_SECRET_KEY"
identity reaper "$MINIO_REAPER_ACCESS_KEY" "$MINIO_REAPER_SECRET_KEY"
identity uploader "$MINIO_UPLOADER_ACCESS_KEY" "$MINIO_UPLOADER_SECRET_KEY"
identity reader "$MINIO_READER_ACCESS_KEY" "$MINIO_READER_SECRET_KEY"
