#!/bin/bash
# EVPN instead of a store, an experiment: three namespaces as hosts, each with a bridge, a VXLAN link without learning, and
# FRR's zebra and bgpd (Debian: frr); the first is the route reflector. Prints the seconds until an address that one
# host's kernel learns is in the tables of the others, and the memory of the daemons. As root; leaves nothing.
#     bench/evpn.sh [ENDPOINTS]      how many containers come to the second host at once, 1000 by default
set -eu
ENDPOINTS=${1:-1000}
DIR=$(mktemp -d)
chmod 755 "$DIR"
PIDS=()
end() {
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for host in 1 2 3; do ip netns del "ev$host" 2>/dev/null || true; done
    ip netns del evsw 2>/dev/null || true
    rm -rf "$DIR"
}
trap end EXIT

daemons() { # HOST: starts zebra and bgpd in the host's namespace
    local host=$1 at="$DIR/$1" peers
    mkdir "$at"
    peers="neighbor 10.99.0.1 remote-as 65000"
    [ "$host" = 1 ] && peers=$'neighbor 10.99.0.2 remote-as 65000\n neighbor 10.99.0.3 remote-as 65000'
    {
        echo "router bgp 65000"
        echo " bgp router-id 10.99.0.$host"
        echo " no bgp default ipv4-unicast"
        echo " timers bgp 1 3"
        echo " $peers"
        echo " address-family l2vpn evpn"
        if [ "$host" = 1 ]; then
            for peer in 2 3; do echo "  neighbor 10.99.0.$peer activate"; echo "  neighbor 10.99.0.$peer route-reflector-client"; done
        else
            echo "  neighbor 10.99.0.1 activate"
        fi
        echo "  advertise-all-vni"
        echo " exit-address-family"
    } >"$at/bgpd.conf"
    : >"$at/zebra.conf"
    chown -R frr:frr "$at"
    for daemon in zebra bgpd; do
        ip netns exec "ev$host" "/usr/lib/frr/$daemon" -f "$at/$daemon.conf" -i "$at/$daemon.pid" -z "$at/zserv" \
            --vty_socket "$at" --log "file:$at/$daemon.log" &
        PIDS+=($!)
        sleep 1
    done
}

host() { # HOST: a namespace on the segment, with one network
    ip netns add "ev$1"
    ip link add "evl$1" netns evsw type veth peer name eth0 netns "ev$1"
    ip -n evsw link set "evl$1" master seg up
    ip -n "ev$1" link set lo up
    ip -n "ev$1" addr add "10.99.0.$1/24" dev eth0
    ip -n "ev$1" link set eth0 up
    ip -n "ev$1" link add br0 type bridge
    ip -n "ev$1" link add vx0 type vxlan id 77 dstport 4789 local "10.99.0.$1" nolearning
    ip -n "ev$1" link set vx0 master br0
    ip -n "ev$1" link set vx0 type bridge_slave neigh_suppress on learning off
    ip -n "ev$1" link add c0 type veth peer name c1
    ip -n "ev$1" link set c0 master br0
    for link in br0 vx0 c0 c1; do ip -n "ev$1" link set "$link" up; done
    ip -n "ev$1" addr add "10.77.255.$1/16" dev br0
}

since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }'; }

until_true() { # NAME, COMMAND...: prints the seconds until a command succeeds
    local name=$1 begin
    begin=$(date +%s.%N)
    shift
    for _ in $(seq 600); do
        if "$@"; then echo "$name: $(since "$begin") s"; return; fi
        sleep 0.05
    done
    echo "$name: not within $(since "$begin") s"
}

fdb() { [ "$(ip netns exec "ev$1" bridge fdb show dev vx0 | grep -c "^$2.* dst")" -ge "$3" ]; } # HOST MAC COUNT
neighbour() { ip -n "ev$1" neigh show dev br0 | grep -q "^$2 .*$3"; } # HOST ADDRESS TEXT

ip netns add evsw
ip -n evsw link add seg type bridge
ip -n evsw link set seg up
for number in 1 2 3; do host $number; done
for number in 1 2 3; do daemons $number; done
until_true "hosts know each other (frames to all)" fdb 3 00:00:00:00:00:00 2

# As pynet writes its own containers: a permanent entry of the port. As a switch learns: a dynamic one.
ip netns exec ev2 bridge fdb replace 02:42:0a:4d:00:02 dev c0 master static
until_true "static MAC of host 2 on host 3" fdb 3 02:42:0a:4d:00:02 1
ip netns exec ev2 bridge fdb replace 02:42:0a:4d:00:03 dev c0 master dynamic
until_true "learned MAC of host 2 on host 3" fdb 3 02:42:0a:4d:00:03 1
ip -n ev2 neigh replace 10.77.0.3 lladdr 02:42:0a:4d:00:03 dev br0 nud permanent
until_true "its address, a permanent neighbour" neighbour 3 10.77.0.3 02:42:0a:4d:00:03
ip -n ev2 neigh replace 10.77.0.4 lladdr 02:42:0a:4d:00:03 dev br0 nud reachable
until_true "its address, a neighbour that was heard" neighbour 3 10.77.0.4 02:42:0a:4d:00:03

for number in $(seq "$ENDPOINTS"); do
    printf 'fdb replace 02:42:0b:00:%02x:%02x dev c0 master dynamic\n' $((number / 256)) $((number % 256))
done >"$DIR/many"
ip netns exec ev2 bridge -batch "$DIR/many"
until_true "$ENDPOINTS MACs of host 2 on host 3" fdb 3 02:42:0b "$ENDPOINTS"

# A move: the same MAC appears on host 1, and goes on host 2.
ip netns exec ev2 bridge fdb del 02:42:0a:4d:00:03 dev c0 master
ip netns exec ev1 bridge fdb replace 02:42:0a:4d:00:03 dev c0 master dynamic
moved() { ip netns exec ev3 bridge fdb show dev vx0 | grep "^02:42:0a:4d:00:03" | grep -q "dst 10.99.0.1"; }
until_true "a MAC that moved from host 2 to host 1, on host 3" moved

# An entry by somebody else's hand, as pynet's tables: does FRR leave it alone?
ip netns exec ev3 bridge fdb append 02:42:0c:00:00:01 dev vx0 dst 10.99.0.2 self static
ip netns exec ev3 bridge fdb replace 02:42:0c:00:00:01 dev vx0 master static
sleep 2
if fdb 3 02:42:0c:00:00:01 1; then echo "an entry by hand stays"; else echo "an entry by hand is removed"; fi
kill "${PIDS[4]}" "${PIDS[5]}"
sleep 5
if fdb 3 02:42:0b "$ENDPOINTS"; then echo "without its daemons a host keeps its tables"; else
    echo "without its daemons a host loses its tables: $(ip netns exec ev3 bridge fdb show dev vx0 | grep -c dst) entries"
fi
kill "${PIDS[2]}" "${PIDS[3]}"
until_true "MACs of a host whose daemons ended, gone from host 1" bash -c \
    '[ "$(ip netns exec ev1 bridge fdb show dev vx0 | grep -c "^02:42:0b")" = 0 ]'
for daemon in zebra bgpd; do
    echo "$daemon: $(awk '/^Pss:/ { print int($2 / 1024) }' "/proc/$(cat "$DIR/1/$daemon.pid")/smaps_rollup") MB"
done
