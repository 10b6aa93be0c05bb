#!/bin/sh
# Installs what the local stack needs: Debian packages, a pinned uv, the Python environment.
# Run it as often as you like: it does what is missing, and nothing in a fraction of a second.
# Needs Debian bookworm with python3 and ca-certificates; nothing else of the machine is used.
set -eu

UV_VERSION=0.13.8
PACKAGES="postgresql-15 postgresql-15-postgis-3 gdal-bin python3-gdal python3-venv"
PYTHON=/usr/bin/python3

cd "$(dirname "$0")/../.."
tools=.local/tools
stamp=.venv/.bootstrapped

now() { date +%s; }

timed() {
    what=$1
    shift
    began=$(now)
    "$@"
    echo "$what: $(($(now) - began)) s"
}

missing_packages() {
    for package in $PACKAGES; do
        state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) || state=absent
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian's postgresql package creates a cluster and starts it on port 5432, of no use here.
keep_debian_from_creating_a_cluster() {
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' |
        as_root tee /etc/postgresql-common/createcluster.d/spatial-etl.conf >/dev/null
}

install_packages() {
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        cannot_install "this user is not root and sudo is not installed" "$@"
    fi
    case " $* " in *" postgresql-15 "*) keep_debian_from_creating_a_cluster ;; esac
    as_root apt-get update -q || cannot_install "apt-get update failed" "$@"
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@" || cannot_install "apt-get install failed" "$@"
}

cannot_install() {
    reason=$1
    shift
    echo "bootstrap: $reason. As root, type:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends $*" >&2
    exit 1
}

install_uv() {
    "$PYTHON" -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check "uv==$UV_VERSION"
}

sync_environment() {
    UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv \
        "$tools/bin/uv" sync --quiet --frozen --compile-bytecode --all-groups \
        --python "$PYTHON" --no-managed-python
    wanted_environment >"$stamp"
}

wanted_environment() {
    pwd -P
    cksum uv.lock pyproject.toml services/local/bootstrap.sh
}

missing=$(missing_packages)
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # a list of words
    timed "Debian packages" install_packages $missing
fi
if [ ! -x "$tools/bin/uv" ] || [ "$("$tools/bin/uv" --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
    timed "uv $UV_VERSION" install_uv
fi
if [ "$(wanted_environment)" != "$(cat "$stamp" 2>/dev/null)" ]; then
    timed "Python environment" sync_environment
fi
