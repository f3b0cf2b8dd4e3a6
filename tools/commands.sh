#!/bin/bash
# Puts pynet and docker-pynet on the path of this host, and lets members of group docker use them.
#   tools/commands.sh           a copy of what the managed plugin has, so that nobody needs the clone for it
#   tools/commands.sh .venv     links into the clone
#   tools/commands.sh remove    takes away what the others made
set -euo pipefail
cd "$(dirname "$0")/.."
site=build/plugin/content/rootfs/opt/pynet home=/usr/local/lib/pynet boot=/etc/tmpfiles.d/pynet.conf
names=(/usr/local/bin/pynet /usr/local/lib/docker/cli-plugins/docker-pynet)
admin=/run/docker/plugins/pynet-admin

link() {  # FOLDER
    local name
    for name in "${names[@]}"; do
        mkdir -p "${name%/*}"
        ln -sfn "$1/${name##*/}" "$name"
    done
}

find_python() {
    local candidate
    for candidate in /usr/bin/python3 "$(command -v python3)"; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$candidate" && return
    done
    return 1
}

copy() {
    local python name module
    python=$(find_python)
    rm -rf "$home"
    mkdir -p "$home/bin"
    cp -R "$site" "$home/site"
    find "$home/site" -name __pycache__ -prune -exec rm -rf {} +
    for name in pynet:main docker-pynet:docker_plugin; do
        module=${name#*:} name=$home/bin/${name%:*}
        printf '#!%s -I\nimport sys\n\nsys.path.insert(0, "%s")\nfrom cli.%s import main\n\nmain()\n' \
            "$python" "$home/site" "$module" >"$name"
        chmod 755 "$name"
    done
    "$python" -m compileall -q "$home/site"
    chmod -R go=u-w "$home"
}

# The managed plugin has its socket in a folder of the engine, which makes it for root alone. Members of the group may
# pass through now, and after a boot where systemd is. The plugin knows no group of the host: its folder gives it one.
share() {
    getent group docker >/dev/null || return 0
    if [ -d /run/systemd/system ]; then
        mkdir -p "${boot%/*}"
        printf '# Members of group docker may reach the socket of pynet.\n' >"$boot"
        printf 'd %s - -\n' '/run/docker 0711 root root' '/run/docker/plugins 0711 root root' "$admin 2755 root docker" >>"$boot"
    fi
    mkdir -p "$admin"
    chmod go+x /run/docker /run/docker/plugins
    chgrp docker "$admin"
    chmod 2755 "$admin"
    [ ! -S "$admin/admin.sock" ] || { chgrp docker "$admin/admin.sock" && chmod 660 "$admin/admin.sock"; }
}

remove() {
    local name
    for name in "${names[@]}"; do
        case "$(readlink "$name" || true)" in "$home"/* | "$PWD"/.venv/*) rm "$name" ;; esac
    done
    rm -rf "$home" "$boot"
}

case "${1:-}" in
remove)
    remove
    exit
    ;;
.venv) link "$PWD/.venv/bin" ;;
*)
    copy
    link "$home/bin"
    share
    ;;
esac
echo 'commands: pynet and docker pynet; members of group docker may use those that change nothing'
