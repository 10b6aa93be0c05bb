#!/bin/sh
# wait.sh COMPOSE…: waits until every container passes its health check, then says after how many
# seconds, and how large each image is. Ends with 1 where one does not within WAIT_S (600) seconds.
set -eu
began=$(date +%s)
limit=${WAIT_S:-600}
said='{{.Name}} {{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}'
while :; do
    ids=$("$@" ps -q)
    # shellcheck disable=SC2086 # a list of ids
    states=$(docker inspect --format "$said" $ids)
    waiting=$(echo "$states" | grep -v -e ' healthy$' -e ' exited$') || break
    if [ $(($(date +%s) - began)) -ge "$limit" ]; then
        printf 'not healthy after %s s:\n%s\n' "$limit" "$waiting" >&2
        exit 1
    fi
    sleep 1
done
echo "all healthy after $(($(date +%s) - began)) s"
# shellcheck disable=SC2086
docker inspect --format '{{.Config.Image}}' $ids | sort -u | while read -r image; do
    docker image inspect --format "$image {{.Size}}" "$image"
done | awk '{ printf "%s %.0f MB\n", $1, $2 / 1e6 }'
