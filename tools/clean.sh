#!/bin/bash
# Takes away what setup, run and plugin put on this host: shows it first, asks, and refuses while a network is in use.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
# shellcheck source=tools/record.sh
. tools/record.sh
socket=/run/docker/plugins/pynet.sock

stop() { echo "clean-host: $*" >&2; exit 1; }
there() { command -v "$1" >/dev/null; }

networks() {  # those whose driver or address manager is a pynet
    docker network ls --quiet | xargs -r docker network inspect --format '{{.Name}} {{.Driver}} {{.IPAM.Driver}}' |
        awk '$2 ~ /^pynetd?(:|$)/ || $3 ~ /^pynetd?(:|$)/ { print $1 }' | xargs
}

plugin() { ! there docker || docker plugin ls --format '{{.Name}}' | grep -E '^pynetd?:' || true; }
serves() { [ -S "$socket" ] && there curl && curl -s --max-time 5 --unix-socket "$socket" http://pynet/ >/dev/null; }

engine() {  # the process of the engine that make run started
    local pid
    pid=$(while read -r folder; do cat "$folder/dockerd.pid" 2>/dev/null; done < <(noted folder)) || true
    [ "$(cat "/proc/${pid:-none}/comm" 2>/dev/null)" != dockerd ] || echo "$pid"
}

services() { noted service | while read -r name; do ! systemctl -q is-active "$name" || echo "$name"; done; }
tables() { ! there nft || nft list tables | grep -E '^table (inet|bridge) pynet$' || true; }
links() { ! there ip || ip -o link show | awk '/alias pynet\/(network|endpoint|parent)\// { sub(/[@:].*/, "", $2); print $2 }'; }

commands() {  # links that lead into this clone, or to the copy that came with the plugin
    local path
    for path in /usr/local/bin/pynet /usr/local/lib/docker/cli-plugins/docker-pynet; do
        case "$(readlink "$path" || true)" in "$PWD"/.venv/* | /usr/local/lib/pynet/*) echo "$path" ;; esac
    done
}

folders() {
    local path
    while read -r path; do [ ! -e "$path" ] || echo "$path"; done < <({
        noted folder
        printf '%s\n' "$PWD/.venv" "$PWD/build" /var/cache/pynet-plugin /var/cache/pynet-engines
        printf '%s\n' /usr/local/lib/pynet /etc/tmpfiles.d/pynet.conf  # tools/commands.sh
        # The state of a package stays: it goes with the package, and only if that is purged.
        dpkg-query -W pynet >/dev/null 2>&1 || echo /var/lib/pynet
    } | sort -u)
}

packages() {  # those of the record that nothing else on this host needs now, as apt judges it
    local states wish
    mapfile -t wish < <(noted package)
    there apt-get && [ "${#wish[@]}" -gt 0 ] || return 0
    states=$(mktemp)
    cp /var/lib/apt/extended_states "$states" 2>/dev/null || true
    apt-mark -qq -o "Dir::State::extended_states=$states" auto "${wish[@]}" >/dev/null 2>&1 || true
    comm -12 <(apt-get -s autoremove -o "Dir::State::extended_states=$states" | sed -n 's/^Remv \([^ ]*\).*/\1/p' | sort) \
        <(printf '%s\n' "${wish[@]}" | sort)
    rm -f "$states"
}

show() {  # KIND THINGS...
    local kind=$1
    shift
    [ "$#" -eq 0 ] || echo "  $kind: $*"
}

end_engine() {  # PID
    kill "$1"
    # Where no process 1 waits for it, as in some containers, it stays as a zombie.
    for _ in $(seq 300); do grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status" || return 0; sleep 0.1; done
    stop "the engine, process $1, does not end"
}

[ "$(id -u)" -eq 0 ] || stop 'packages, tables and links are removed by root only'
if there docker; then
    docker version >/dev/null 2>&1 ||
        stop 'the engine does not answer, so it cannot say whether networks are in use; start it, with make run if need be'
    used=$(networks)
    [ -z "$used" ] || stop "nothing is removed: there are the networks $used; docker network rm them first"
fi
mapfile -t plugins < <(plugin)
[ "${#plugins[@]}" -gt 0 ] || ! serves ||
    stop 'nothing is removed: pynet serves; end make run with Ctrl-C, or the service with systemctl stop pynet.socket pynet.service'

mapfile -t tables < <(tables)
mapfile -t links < <(links)
mapfile -t services < <(services)
mapfile -t commands < <(commands)
mapfile -t folders < <(folders)
mapfile -t packages < <(packages)
engine=$(engine)
mapfile -t boxes < <([ -z "$engine" ] || docker ps --format '{{.Names}}')
plan=$(
    show 'managed plugin, with its state' "${plugins[@]}"
    show 'engine that make run started, process' ${engine:+"$engine"}
    show '  containers that end with it' "${boxes[@]}"
    show 'services that make run started' "${services[@]}"
    show 'nftables' "${tables[@]}"
    show 'links' "${links[@]}"
    show 'commands' "${commands[@]}"
    show 'folders' "${folders[@]}"
    show 'packages that make installed, and nothing else needs' "${packages[@]}"
)
[ -n "$plan" ] || { echo 'clean-host: nothing of pynet is here'; exit 0; }
printf 'clean-host: this is taken away:\n%s\n' "$plan"
echo 'clean-host: images, volumes and containers in /var/lib/docker stay, and so does this clone; net.ipv4.ip_forward stays on'
if [ "${YES:-}" != 1 ]; then
    read -r -p 'clean-host: take it away? [y/N] ' answer || answer=n
    [[ "$answer" == [yY]* ]] || stop 'nothing is removed'
fi
[ "${#plugins[@]}" -eq 0 ] || tools/plugin.sh remove
[ -z "$engine" ] || end_engine "$engine"
for name in "${services[@]}"; do systemctl stop "$name"; done
for name in "${tables[@]}"; do nft "delete $name"; done
for name in "${links[@]}"; do ip link delete "$name" 2>/dev/null || true; done  # the other end of a pair may be gone
[ "${#commands[@]}" -eq 0 ] || rm "${commands[@]}"
[ "${#packages[@]}" -eq 0 ] ||
    DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq "${packages[@]}" >/dev/null 2> >(grep -v '^debconf: ' >&2)
[ "${#folders[@]}" -eq 0 ] || rm -rf "${folders[@]}"
rm -rf "${record%/*}"
echo "clean-host: done after $SECONDS s"
