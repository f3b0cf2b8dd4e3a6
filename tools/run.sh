#!/bin/bash
# Installs what is missing, starts the engine if none answers, then serves pynet in the foreground.
set -euo pipefail
cd "$(dirname "$0")/.."
# Before anything is made: a user would wait for a .venv, and learn only then that it was in vain.
[ "$(id -u)" -eq 0 ] || { echo 'run: pynet makes links and rules, so it needs root' >&2; exit 1; }
# shellcheck source=tools/record.sh
. tools/record.sh
tools/setup.sh
export PATH=$PATH:/usr/sbin:/sbin
run=${PYNET_RUN_DIR:-/run/pynet}

engine_answers() { curl -sf --max-time 5 --unix-socket "${DOCKER_SOCKET:-/run/docker.sock}" http://docker/_ping >/dev/null; }

start_engine() {
    if [ -d /run/systemd/system ]; then
        systemctl start docker
        note 'service docker'
        return
    fi
    mkdir -p "$run"
    setsid dockerd >"$run/dockerd.log" 2>&1 </dev/null &
    echo $! >"$run/dockerd.pid"
    echo "run: started dockerd, process $(cat "$run/dockerd.pid"), log $run/dockerd.log; it stays when pynet ends"
    note "folder $run"
    for _ in $(seq 300); do engine_answers && return; sleep 0.1; done
    echo "run: dockerd does not answer, see $run/dockerd.log" >&2
    exit 1
}

engine_answers || start_engine
tools/commands.sh .venv
state=${PYNET_STATE_DIR:-/var/lib/pynet}
[ -e "$state" ] || note "folder $state"
echo "run: ready after $SECONDS s, serving; try: docker network create --driver pynet web"
exec .venv/bin/pynet serve
