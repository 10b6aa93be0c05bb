#!/bin/sh
# Runs a command. A secret may be given as a file: NAME_FILE=/run/secrets/x stands for NAME=…, and
# is then in no `docker inspect`. Ends with 78 where the file cannot be read or NAME is set as well.
set -eu

refuse() {
    echo "entrypoint: $*" >&2
    exit 78
}

names=$(env | sed -n 's/^\([A-Z_]*\(PASSWORD\|SECRET_KEY\|ACCESS_KEY\|URI\)\)_FILE=..*/\1/p')
for name in $names; do
    file=$(printenv "${name}_FILE")
    [ -z "$(printenv "$name")" ] ||
        refuse "expected $name or ${name}_FILE, found both: set $name to nothing, or it is shown by docker inspect"
    { [ -f "$file" ] && [ -r "$file" ]; } ||
        refuse "expected ${name}_FILE to name a file that user $(id -u) may read, found none at $file: mount it there"
    value=$(cat "$file")
    [ -n "$value" ] || refuse "expected a secret in $file (${name}_FILE), found an empty file"
    export "$name=$value"
done
exec "$@"
