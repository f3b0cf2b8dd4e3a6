# shellcheck shell=bash
# What setup and run put on this host, a line each, so that clean-host takes away that and nothing else:
#   package NAME     installed here, also when another package wanted it
#   service NAME     started here, by systemd
#   folder PATH      of a clone, or a cache
record=/var/lib/pynet-host/made

note() {  # lines to add; those that are there already are not repeated
    [ "$(id -u)" -eq 0 ] || return 0
    mkdir -p "${record%/*}"
    touch "$record"
    local line
    for line in "$@"; do grep -qxF "$line" "$record" || echo "$line" >>"$record"; done
}

noted() {  # KIND: the rest of the lines of that kind
    [ ! -e "$record" ] || sed -n "s/^$1 //p" "$record"
}
