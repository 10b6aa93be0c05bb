#!/bin/bash
# Makes the image debian:bookworm-slim with debootstrap, for a machine that can pull none; as root.
# The machine's CA certificates come along and are named in the image's environment, so that pip and
# uv work behind a proxy as well and our Dockerfiles need to know nothing of it.
set -euo pipefail

image=${1:-debian:bookworm-slim}
if docker image inspect "$image" >/dev/null 2>&1; then
    echo "$image is there"
    exit
fi
folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
debootstrap --variant=minbase --include=ca-certificates bookworm "$folder/root" >"$folder/log" ||
    { tail -n 20 "$folder/log" >&2 && exit 1; }
if [ -e /etc/apt/sources.list.d/debian.sources ]; then
    rm -f "$folder/root/etc/apt/sources.list"
    cp /etc/apt/sources.list.d/debian.sources "$folder/root/etc/apt/sources.list.d/"
fi
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/* /etc/pip.conf /etc/uv/uv.toml; do
    case $file in *apt.conf*) grep -qs '^Acquire::' "$file" || continue ;; esac
    if [ -e "$file" ]; then install -D -m 644 "$file" "$folder/root$file"; fi
done
cp -a /usr/local/share/ca-certificates/. "$folder/root/usr/local/share/ca-certificates/"
cp -a /etc/ssl/certs/. "$folder/root/etc/ssl/certs/"
rm -rf "$folder/root/var/lib/apt/lists/"* "$folder/root/var/cache/apt/"*.bin \
    "$folder/root/usr/share/doc/"* "$folder/root/usr/share/man/"* "$folder/root/var/cache/apt/archives/"*.deb
certificates=/etc/ssl/certs/ca-certificates.crt
tar -C "$folder/root" --exclude=./dev -cf - . | docker import \
    --change "ENV SSL_CERT_FILE=$certificates PIP_CERT=$certificates REQUESTS_CA_BUNDLE=$certificates" \
    --change 'CMD ["bash"]' - "$image" >/dev/null
docker image inspect --format "$image: {{.Size}} bytes" "$image"
